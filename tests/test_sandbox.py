"""What a picture can reach that has taken over its codec: each attempt is made from inside a child confined as ours."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from bshm_watchd.cli.checks import decoding
from bshm_watchd.errors import DecoderUnsafe
from bshm_watchd.matting import system_calls
from bshm_watchd.matting.decode_child import DECODED, READY, REPLY, REQUEST
from bshm_watchd.matting.decoder import ChildDecoder
from bshm_watchd.matting.room import new_buffer
from bshm_watchd.matting.sandbox import Walls, walls
from tests.support.contracts import Evidence
from tests.support.decoders import decode, decode_children, holding
from tests.support.hostile import Target, ask
from tests.test_decoder import PICTURE, PNG

HERE = walls()
_NOBODY = 65534

needs_landlock = pytest.mark.skipif(HERE.landlock < 7, reason="this kernel's Landlock is older than version 7 (6.15)")
needs_filter = pytest.mark.skipif(not HERE.system_calls, reason="this kernel filters no system calls (CONFIG_SECCOMP)")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user and see its children")

# A wall of the kernel's own kind each: the filter knows no paths and says EPERM to all that it does not know.
ALL_WALLS = {
    "write into the original": "EBADF",
    "cut the original short": "EINVAL",
    "map the original for writing": "EACCES",
    "use what was left open": "EBADF",
}
LANDLOCK = {
    "read a file": "EACCES",
    "write a file": "EACCES",
    "list a directory": "EACCES",
    "make a file": "EACCES",
    "make a directory": "EACCES",
    "make a link": "EACCES",
    "remove a file": "EACCES",
    "rename a file": "EACCES",
    "cut a file short": "EACCES",
    "read the parent's environment": "EACCES",
    "open the parent's memory": "EACCES",
    "read the parent's memory": "EPERM",
    "trace the parent": "EPERM",
    "signal the parent": "EPERM",
    "connect by TCP": "EACCES",
    "listen by TCP": "EACCES",
    "connect to a socket's name": "EPERM",
    "run a program": "EACCES",
    "reopen the original": "EACCES",
    "write into the original": "EBADF",
}


@dataclass(frozen=True)
class Studio:
    """What there is to reach: files, sockets, the memory and the environment of this process."""

    target: Target
    original: Path

    def ask(self, walls: Walls, wanted: tuple[str, ...] = (), user: int | None = None) -> dict[str, str]:
        target = replace(self.target, walls=(walls.landlock, walls.system_calls), wanted=wanted, user=user)
        pixels_fd = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        source_fd = os.open(self.original, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return ask(target, [source_fd, pixels_fd])
        finally:
            os.close(source_fd)
            os.close(pixels_fd)


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    directory = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path is short
    secret = ctypes.create_string_buffer(b"secret!!")
    left_open = os.open(tmp_path / "open", os.O_CREAT | os.O_RDWR)
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as by_path, socket.socket(socket.AF_UNIX) as by_name:
        try:
            for name in ("file", "victim", "moved", "original.jpg"):
                (directory / name).write_bytes(b"precious")
            tcp.bind(("127.0.0.1", 0))
            by_path.bind(str(directory / "socket"))
            by_name.bind(f"\0{directory}")
            for server in (tcp, by_path, by_name):
                server.listen()
            target = Target((0, False), str(directory), tcp.getsockname()[1], os.getpid(),
                            ctypes.addressof(secret), left_open)  # fmt: skip
            yield Studio(target, directory / "original.jpg")
        finally:
            os.close(left_open)
            shutil.rmtree(directory)


def state_of(directory: Path) -> dict[str, tuple[int, bytes, float]]:
    files = [path for path in directory.iterdir() if path.is_file()]
    return {path.name: (path.stat().st_mode, path.read_bytes(), path.stat().st_mtime) for path in files}


WITHOUT_WALLS = (
    "read a file", "write a file", "list a directory", "make a file", "make a directory", "make a link",
    "remove a file", "rename a file", "cut a file short", "change a mode", "change times", "look at a path",
    "signal the parent", "connect by TCP", "listen by TCP", "send by UDP", "connect to a socket's path",
    "connect to a socket's name", "make a memory file", "become dumpable", "change the original's mode",
    "change the original's times",
)  # fmt: skip


def test_without_walls_the_same_attempts_succeed(studio: Studio) -> None:
    of_root = ("read the parent's memory", "read the parent's environment", "trace the parent", "limit the parent")
    wanted = WITHOUT_WALLS + (of_root if os.geteuid() == 0 else ())
    assert studio.ask(Walls(0, False), wanted) == dict.fromkeys(wanted, "done")


@needs_filter
@needs_landlock
@pytest.mark.contract("S1")
def test_a_picture_that_took_over_its_codec_reaches_nothing(studio: Studio, evidence: Evidence) -> None:
    before = state_of(studio.original.parent)
    found = studio.ask(HERE)
    assert found == dict.fromkeys(found, "EPERM") | ALL_WALLS
    assert state_of(studio.original.parent) == before
    evidence(attempts_refused=len(found))


@needs_landlock
@pytest.mark.contract("S1")
def test_landlock_alone_keeps_it_from_files_sockets_and_processes(studio: Studio, evidence: Evidence) -> None:
    found = studio.ask(Walls(HERE.landlock, system_calls=False), tuple(LANDLOCK))
    assert found == LANDLOCK
    evidence(attempts_refused=len(LANDLOCK))


@needs_filter
@pytest.mark.contract("S1")
def test_the_filter_alone_keeps_it_from_them_where_there_is_no_landlock(studio: Studio, evidence: Evidence) -> None:
    found = studio.ask(Walls(0, system_calls=True))
    assert found == dict.fromkeys(found, "EPERM") | ALL_WALLS
    evidence(attempts_refused=len(found))


@needs_root
@pytest.mark.contract("S1", "L3")
def test_limits_alone_keep_it_from_taking_the_machine(studio: Studio, evidence: Evidence) -> None:
    found = studio.ask(Walls(0, system_calls=False), user=_NOBODY)
    assert found == {
        "start a process": "EAGAIN",
        "open ever more": "EMFILE",
        "write ever more": "EFBIG",
        "take ever more memory": "ENOMEM",
        "raise its memory": "EPERM",
        "be dumpable": "no",
    }
    evidence(attempts_refused=len(found))


@needs_filter
@pytest.mark.skipif(not Path("/proc/self/oom_score_adj").exists(), reason="/proc tells no scores here")
@pytest.mark.contract("S1")
def test_a_decode_child_stands_behind_its_walls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STUDIO_PASSWORD", "hunter2")
    inherited = os.open(tmp_path / "open", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(inherited, True)
    try:
        with ChildDecoder(1, 10_000, 30) as decoder:
            decode(decoder, PNG)
            (child,) = (Path(f"/proc/{pid}") for pid in decode_children())
            told = dict(line.split(":\t") for line in (child / "status").read_text().splitlines())
            assert (told["NoNewPrivs"], told["Seccomp"], told["Threads"]) == ("1", "2", "1")
            ours = int(Path("/proc/self/oom_score_adj").read_text())
            assert int((child / "oom_score_adj").read_text()) == min(1000, ours + 500)
            limits = dict(re.findall(r"^Max (.*?)  +(\d+) ", (child / "limits").read_text(), re.MULTILINE))
            assert (limits["processes"], limits["core file size"], limits["open files"]) == ("0", "0", "10")
            assert int(limits["address space"]) < 1 << 30
            if os.geteuid() == 0:
                assert b"hunter2" not in (child / "environ").read_bytes()
                assert sorted(os.listdir(child / "fd"), key=int)[:3] == ["0", "1", "2"]
                assert len(os.listdir(child / "fd")) == 4
    finally:
        os.close(inherited)


@pytest.mark.parametrize("here", [Walls(0, HERE.system_calls), Walls(HERE.landlock, False), Walls(0, False)], ids=str)
@pytest.mark.contract("S1")
def test_where_a_wall_is_missing_a_child_works_behind_the_others(here: Walls) -> None:
    program = (
        f"import sys; from bshm_watchd.matting import decode_child, sandbox; decode_child.main(sys.argv[1:], {here!r})"
    )
    program = program.replace("Walls(", "sandbox.Walls(")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pixels_fd = os.memfd_create("pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    buffer_fd = new_buffer(1 << 20)
    arguments = [str(theirs.fileno()), str(buffer_fd), "10000", "1000000", "10"]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    with ours, holding(PNG) as source_fd, subprocess.Popen(
        [sys.executable, "-c", program, *arguments], pass_fds=[theirs.fileno(), buffer_fd], env=environment
    ):  # fmt: skip
        theirs.close()
        assert ours.recv(100) == READY
        socket.send_fds(ours, [REQUEST.pack(len(PNG))], [source_fd, pixels_fd])
        assert REPLY.unpack_from(ours.recv(512)) == (DECODED, *PICTURE.shape[:2])
        ours.close()
    assert os.pread(pixels_fd, PICTURE.size, 0) == PICTURE.tobytes()
    os.close(pixels_fd)
    os.close(buffer_fd)


# So many fences stand around it already that the kernel takes no further one.
_FENCED = """
import ctypes, sys
from bshm_watchd.matting import landlock
from bshm_watchd.matting.decoder import ChildDecoder
from tests.support.decoders import decode
from tests.test_decoder import PNG
libc = ctypes.CDLL(None)
libc.prctl(38, 1, 0, 0, 0)
harmless = ctypes.c_uint64(1 << 11)
for _ in range(16):
    fd = libc.syscall(444, ctypes.byref(harmless), ctypes.c_size_t(8), 0)
    assert fd >= 0 and libc.syscall(446, fd, 0) == 0
with ChildDecoder(1, 10_000, 30) as decoder:
    decode(decoder, PNG)
"""


@needs_landlock
@pytest.mark.contract("S1")
def test_a_child_that_cannot_be_confined_serves_nobody_and_blames_no_photo() -> None:
    ended = subprocess.run([sys.executable, "-c", _FENCED], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert DecoderUnsafe.__name__ in ended.stderr.splitlines()[-1]
    assert "decoded safely" in ended.stderr and "landlock_restrict_self" in ended.stderr


@pytest.mark.parametrize("machine", system_calls.ALLOWED)
def test_the_filter_knows_the_numbers_of_the_kernels_headers(machine: str) -> None:
    headers = {"x86_64": "x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "asm-generic/unistd.h"}
    path = Path("/usr/include") / headers[machine]
    if not path.exists():
        pytest.skip(f"{path} is missing (Debian: linux-libc-dev)")
    told = dict(re.findall(r"^#define __NR(?:3264)?_(\w+) (\d+)$", path.read_text(), re.MULTILINE))
    numbers = system_calls.ALLOWED[machine] | system_calls.PARTLY_ALLOWED[machine]
    assert {name: int(told[name]) for name in numbers} == numbers


@pytest.mark.parametrize(
    ("here", "level", "told"),
    [
        (Walls(7, True), "ok", "Landlock 7, a filter of system calls, limits"),
        (Walls(0, True), "note", "no Landlock (this kernel does not offer it), a filter"),
        (Walls(7, False), "note", "Landlock 7, no filter"),
    ],
)
def test_check_and_doctor_tell_which_walls_there_are(here: Walls, level: str, told: str) -> None:
    finding = decoding(here, lambda: None)
    assert finding.level == level
    assert told in finding.message


def test_check_and_doctor_say_where_photos_cannot_be_decoded_safely() -> None:
    def refusing() -> None:
        raise DecoderUnsafe("photos can't be decoded safely on this machine")

    assert decoding(HERE).level in ("ok", "note")
    finding = decoding(HERE, refusing)
    assert (finding.level, "safely" in finding.message) == ("problem", True)


@needs_filter
def test_a_codec_that_aborts_is_told_by_its_signal() -> None:
    program = (
        "import os\nfrom bshm_watchd.matting.sandbox import Walls, raise_walls, walls\n"
        "raise_walls(Walls(0, walls().system_calls))\nos.abort()\n"
    )
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, limits[1]))
    try:
        ended = subprocess.run([sys.executable, "-c", program], check=False)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, limits)
    assert ended.returncode == -6
