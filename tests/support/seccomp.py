"""The kernel's side of `syscalls`: which calls a program has to ask about, and how the questions look."""

from __future__ import annotations

import ctypes
import os
import socket
import struct

AT = "directory and path"
PATH = "path"
FD = "descriptor"
# x86-64: the number of each call that changes a file or its attributes, and what its arguments name.
CALLS_BY_NUMBER: dict[int, tuple[str, tuple[str, ...]]] = {
    1: ("write", (FD,)),
    2: ("open", (PATH,)),
    18: ("pwrite64", (FD,)),
    20: ("writev", (FD,)),
    74: ("fsync", (FD,)),
    75: ("fdatasync", (FD,)),
    76: ("truncate", (PATH,)),
    77: ("ftruncate", (FD,)),
    82: ("rename", (PATH, PATH)),
    83: ("mkdir", (PATH,)),
    84: ("rmdir", (PATH,)),
    85: ("creat", (PATH,)),
    86: ("link", (PATH, PATH)),
    87: ("unlink", (PATH,)),
    88: ("symlink", ("", PATH)),
    90: ("chmod", (PATH,)),
    91: ("fchmod", (FD,)),
    92: ("chown", (PATH,)),
    93: ("fchown", (FD,)),
    94: ("lchown", (PATH,)),
    188: ("setxattr", (PATH,)),
    189: ("lsetxattr", (PATH,)),
    190: ("fsetxattr", (FD,)),
    197: ("removexattr", (PATH,)),
    199: ("fremovexattr", (FD,)),
    257: ("openat", (AT,)),
    258: ("mkdirat", (AT,)),
    260: ("fchownat", (AT,)),
    263: ("unlinkat", (AT,)),
    264: ("renameat", (AT, AT)),
    265: ("linkat", (AT, AT)),
    266: ("symlinkat", ("", AT)),
    268: ("fchmodat", (AT,)),
    277: ("sync_file_range", (FD,)),
    280: ("utimensat", (AT,)),
    285: ("fallocate", (FD,)),
    296: ("pwritev", (FD,)),
    316: ("renameat2", (AT, AT)),
    326: ("copy_file_range", ("", "", FD)),
    328: ("pwritev2", (FD,)),
    437: ("openat2", (AT,)),
}
_OPENS = {2: 1, 257: 2}  # only with O_CREAT or O_TRUNC in this argument
_CREATES = os.O_CREAT | os.O_TRUNC

_SECCOMP, _SET_MODE_FILTER, _PR_SET_NO_NEW_PRIVS = 317, 1, 38
_NEW_LISTENER, _WAIT_KILLABLE = 1 << 3, 1 << 5
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_X86_64 = 0xC000003E
NOTICE = struct.Struct("=QIIiIQ6Q")
ANSWER = struct.Struct("=QqiI")
RECEIVE = 3 << 30 | NOTICE.size << 16 | ord("!") << 8
SEND = 3 << 30 | ANSWER.size << 16 | ord("!") << 8 | 1
GO_ON = 1
_libc = ctypes.CDLL(None, use_errno=True)


def hold(to_supervisor: socket.socket) -> None:
    """In the child, before its program: from here on its calls wait for an answer."""
    program = _filter()
    lines = ctypes.create_string_buffer(program)
    described = struct.pack("@HP", len(program) // 8, ctypes.addressof(lines))
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    listener = _libc.syscall(_SECCOMP, _SET_MODE_FILTER, _NEW_LISTENER | _WAIT_KILLABLE, described)
    if listener < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    socket.send_fds(to_supervisor, [b"x"], [listener])


def _filter() -> bytes:
    """BPF: ask about the calls of the table; about an open only where it may make or empty a file."""
    lines: list[tuple[int, int, int, int]] = [(0x20, 0, 0, 4), (0x15, 1, 0, _X86_64), (0x06, 0, 0, _ALLOW)]
    lines.append((0x20, 0, 0, 0))
    for number in CALLS_BY_NUMBER:
        if number in _OPENS:
            test = (0x45, 0, 1, _CREATES)
            lines += [(0x15, 0, 4, number), (0x20, 0, 0, 16 + 8 * _OPENS[number]), test, (0x06, 0, 0, _NOTIFY)]
            lines.append((0x06, 0, 0, _ALLOW))
        else:
            lines += [(0x15, 0, 1, number), (0x06, 0, 0, _NOTIFY)]
    lines.append((0x06, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
