"""What a picture tries that took over its codec. Run in a process of its own: `python -m tests.support.hostile FD`.

The socket FD brings a `Target` as JSON; the process is confined as it says, and gets the descriptors of an original and
of its pixels as a decode child does. It answers with a JSON object: each attempt, and the name of the error that it
ended with, or "done".
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from bshm_watchd.matting.sandbox import Walls, confine

_PTRACE_SEIZE, _PROCESS_VM_READV = 0x4206, 310  # of x86-64; a trace that is seized stops nobody
_FS_IOC_SETFLAGS = 0x40086602
_PR_SET_DUMPABLE, _PR_GET_DUMPABLE = 4, 3
_F_SETOWN = 8
_BLOCK = 16 << 20
_SEEN = ctypes.create_string_buffer(8)
PACKET_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Target:
    """`walls`: those of a child's that are raised. `secret_at`: where eight bytes are in the parent's memory.

    `wanted`: the attempts by name, all of them where none is named. `user`: whose rights the process takes first, as
    root's know fewer limits.
    """

    walls: tuple[int, bool]
    directory: str
    port: int
    parent: int
    secret_at: int
    left_open: int
    wanted: tuple[str, ...] = ()
    user: int | None = None
    max_pixels: int = 1_000_000
    max_file_bytes: int = 1 << 20


def attempts(target: Target, source_fd: int, pixels_fd: int) -> dict[str, Callable[[], object]]:
    here = Path(target.directory)
    file, parent = here / "file", target.parent
    libc = ctypes.CDLL(None, use_errno=True)

    def called(function: Callable[..., int], *arguments: object) -> None:
        if function(*arguments) < 0:
            raise OSError(ctypes.get_errno(), "")

    return {
        "read a file": file.read_bytes,
        "write a file": lambda: os.open(file, os.O_WRONLY),
        "list a directory": lambda: os.listdir(here),
        "make a file": lambda: os.open(here / "new", os.O_CREAT | os.O_WRONLY),
        "make a directory": lambda: (here / "folder").mkdir(),
        "make a link": lambda: (here / "link").symlink_to("/"),
        "remove a file": lambda: (here / "victim").unlink(),
        "rename a file": lambda: os.rename(here / "moved", here / "away"),
        "cut a file short": lambda: os.truncate(file, 0),
        "change a mode": lambda: file.chmod(0o777),
        "change an owner": lambda: os.chown(file, 0, 0),
        "change times": lambda: os.utime(file, (0, 0)),
        "change an attribute": lambda: os.setxattr(file, "user.mine", b"1"),
        "look at a path": lambda: os.stat(file),
        "read the parent's environment": Path(f"/proc/{parent}/environ").read_bytes,
        "open the parent's memory": lambda: os.open(f"/proc/{parent}/mem", os.O_RDONLY),
        "read the parent's memory": lambda: called(
            libc.syscall, ctypes.c_long(_PROCESS_VM_READV), ctypes.c_long(parent), *_both_ends(target.secret_at)
        ),
        "trace the parent": lambda: called(libc.ptrace, _PTRACE_SEIZE, parent, None, None),
        "signal the parent": lambda: os.kill(parent, 0),
        "limit the parent": lambda: resource.prlimit(parent, resource.RLIMIT_CORE, (0, 0)),
        "have the parent signalled": lambda: fcntl.fcntl(source_fd, _F_SETOWN, parent),
        "connect by TCP": lambda: _socket(socket.AF_INET).connect(("127.0.0.1", target.port)),
        "listen by TCP": lambda: _socket(socket.AF_INET).bind(("127.0.0.1", 0)),
        "send by UDP": lambda: _socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"1", ("127.0.0.1", target.port)),
        "connect to a socket's path": lambda: _socket(socket.AF_UNIX).connect(str(here / "socket")),
        "connect to a socket's name": lambda: _socket(socket.AF_UNIX).connect(f"\0{here}"),
        "pass a descriptor": lambda: _pass_on(pixels_fd),
        "run a program": lambda: os.execv("/bin/true", ["true"]),
        "start a process": _fork,
        "make a memory file": lambda: os.memfd_create("mine"),
        "become dumpable": lambda: called(libc.prctl, _PR_SET_DUMPABLE, 1, 0, 0, 0),
        "reopen the original": lambda: os.open(f"/proc/self/fd/{source_fd}", os.O_RDWR),
        "write into the original": lambda: os.pwrite(source_fd, b"x", 0),
        "cut the original short": lambda: os.ftruncate(source_fd, 0),
        "map the original for writing": lambda: mmap.mmap(source_fd, 1, mmap.MAP_SHARED, mmap.PROT_WRITE),
        "change the original's mode": lambda: os.fchmod(source_fd, 0o777),
        "change the original's times": lambda: os.utime(source_fd, (0, 0)),
        "change the original's attributes": lambda: os.setxattr(source_fd, "user.mine", b"1"),
        "make the original immutable": lambda: fcntl.ioctl(source_fd, _FS_IOC_SETFLAGS, array.array("i", [0])),
        "use what was left open": lambda: os.write(target.left_open, b"x"),
    }


def limited(pixels_fd: int) -> dict[str, Callable[[], object]]:
    """What limits alone stop."""
    return {
        "start a process": _fork,
        "open ever more": lambda: [os.dup(pixels_fd) for _ in range(100)],
        "write ever more": lambda: os.pwrite(pixels_fd, b"x", 1 << 40),
        "take ever more memory": lambda: [mmap.mmap(-1, _BLOCK) for _ in range(10_000)],
        "raise its memory": lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)),
        "be dumpable": lambda: 1 / ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0),
    }


def _both_ends(address: int) -> tuple[object, ...]:
    """Of eight bytes to copy from `address` of another process, as process_vm_readv takes them."""
    ours = (ctypes.c_void_p * 2)(ctypes.addressof(_SEEN), 8)
    theirs = (ctypes.c_void_p * 2)(address, 8)
    return ours, ctypes.c_long(1), theirs, ctypes.c_long(1), ctypes.c_long(0)


def _socket(family: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    return socket.socket(family, kind)


def _pass_on(fd: int) -> None:
    with socket.socket(fileno=os.dup(int(sys.argv[1]))) as parent:
        socket.send_fds(parent, [b"x"], [fd])


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _tried(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    except ZeroDivisionError:
        return "no"
    except ValueError:
        return "EPERM"  # as Python says that a limit can't be raised
    return "done"


def ask(target: Target, descriptors: list[int]) -> dict[str, str]:
    """What a process that is confined so can do with an original and its pixels."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, "-m", "tests.support.hostile", str(theirs.fileno())]
    kept = (theirs.fileno(), target.left_open)
    with contextlib.ExitStack() as stack:
        stack.callback(ours.close)
        process = stack.enter_context(subprocess.Popen(command, pass_fds=kept, stderr=subprocess.PIPE))
        stack.callback(process.kill)
        theirs.close()
        ours.settimeout(60)
        ours.send(json.dumps(asdict(target)).encode())
        socket.send_fds(ours, [b"x"], descriptors)
        answer = ours.recv(PACKET_BYTES)
        if not answer:
            assert process.stderr is not None
            raise AssertionError(f"it ended: {process.stderr.read().decode()}")
        return dict(json.loads(answer))


def main() -> None:
    fd = int(sys.argv[1])
    with socket.socket(fileno=fd) as parent:
        target = Target(**json.loads(parent.recv(PACKET_BYTES)))
        if target.user is not None:
            os.setresuid(target.user, target.user, target.user)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        here = Walls(*target.walls)
        confine(fd, target.max_pixels, target.max_file_bytes, 10, here).begin(1000)
        _, (source_fd, pixels_fd), _, _ = socket.recv_fds(parent, 1, 2)
        known = limited(pixels_fd) if target.user is not None else attempts(target, source_fd, pixels_fd)
        found = {name: _tried(known[name]) for name in target.wanted or known}
        parent.send(json.dumps(found).encode())


if __name__ == "__main__":
    main()
