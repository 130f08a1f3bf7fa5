"""The system calls that decoding is left with: memory, and reading and writing through descriptors it holds.

A filter of the kernel's (seccomp). Every other call fails with EPERM: no path is looked up, no socket made, no process
started or signalled, no right of a file changed. It stands alone where there is no Landlock, and closes what that one
leaves open: modes, owners and times of files, sockets that have a path, more memory files than one.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator

_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2
_X86_64, _AARCH64 = "x86_64", "aarch64"
_ARCHITECTURES = {_X86_64: 0xC000003E, _AARCH64: 0xC00000B7}  # as linux/audit.h numbers them

ALLOWED: dict[str, dict[str, int]] = {
    _X86_64: {
        "alarm": 37, "brk": 12, "clock_gettime": 228, "close": 3, "exit": 60, "exit_group": 231, "ftruncate": 77,
        "futex": 202, "getpid": 39, "getrandom": 318, "getrusage": 98, "gettid": 186, "madvise": 28, "mmap": 9,
        "mprotect": 10, "mremap": 25, "munmap": 11, "pread64": 17, "pwrite64": 18, "recvmsg": 47,
        "restart_syscall": 219, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24,
        "sendto": 44, "write": 1,
    },
    _AARCH64: {
        "setitimer": 103, "brk": 214, "clock_gettime": 113, "close": 57, "exit": 93, "exit_group": 94, "ftruncate": 46,
        "futex": 98, "getpid": 172, "getrandom": 278, "getrusage": 165, "gettid": 178, "madvise": 233, "mmap": 222,
        "mprotect": 226, "mremap": 216, "munmap": 215, "pread64": 67, "pwrite64": 68, "recvmsg": 212,
        "restart_syscall": 128, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "sched_yield": 124,
        "sendto": 206, "write": 64,
    },
}  # fmt: skip
# With one argument only: a process's own limits, a copy of a descriptor as mmap makes one, and abort() of itself.
PARTLY_ALLOWED = {
    _X86_64: {"prlimit64": 302, "fcntl": 72, "tgkill": 234},
    _AARCH64: {"prlimit64": 261, "fcntl": 25, "tgkill": 131},
}
_F_DUPFD_CLOEXEC = 1030

# Classic BPF over `struct seccomp_data`: the call's number, the architecture, then the arguments of 64 bits.
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCHITECTURE_AT, _ARGUMENTS_AT = 0, 4, 16
_ALLOW, _KILL_PROCESS, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM = 1


def available() -> bool:
    """Whether this kernel filters, and the machine is one whose calls are listed."""
    whole = struct.calcsize("P") == 8
    return whole and os.uname().machine in ALLOWED and _prctl(_PR_GET_SECCOMP) >= 0


def allow_only_decoding() -> None:
    """For this thread and what it starts, for good. Needs no_new_privs set. Raises `OSError`."""
    instructions = b"".join(_program(os.uname().machine))
    program = ctypes.create_string_buffer(instructions)
    counted = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(program))
    if _prctl(_PR_SET_SECCOMP, _MODE_FILTER, counted) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")


def _program(machine: str) -> Iterator[bytes]:
    """Calls of another architecture's numbering could mean anything: they end the process."""
    yield _instruction(_LOAD, _ARCHITECTURE_AT)
    yield _instruction(_IF_EQUAL, _ARCHITECTURES[machine], skip_if=1)
    yield _instruction(_RETURN, _KILL_PROCESS)
    yield _instruction(_LOAD, _NUMBER_AT)
    for number in ALLOWED[machine].values():
        yield _instruction(_IF_EQUAL, number, skip_else=1)
        yield _instruction(_RETURN, _ALLOW)
    partly = PARTLY_ALLOWED[machine]
    yield from _only_with(partly["prlimit64"], 0, 0)
    yield from _only_with(partly["fcntl"], 1, _F_DUPFD_CLOEXEC)
    yield from _only_with(partly["tgkill"], 0, os.getpid())
    yield _instruction(_RETURN, _FAIL | _EPERM)


def _only_with(number: int, place: int, value: int) -> Iterator[bytes]:
    """`value`: of 32 bits, as the kernel takes these arguments."""
    yield _instruction(_IF_EQUAL, number, skip_else=4)
    yield _instruction(_LOAD, _ARGUMENTS_AT + 8 * place)
    yield _instruction(_IF_EQUAL, value, skip_else=1)
    yield _instruction(_RETURN, _ALLOW)
    yield _instruction(_RETURN, _FAIL | _EPERM)


def _instruction(code: int, value: int, skip_if: int = 0, skip_else: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if, skip_else, value)


def _prctl(option: int, *arguments: int | bytes) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    given = [ctypes.c_ulong(option)]
    for argument in (*arguments, 0, 0, 0, 0)[:4]:
        given.append(ctypes.c_ulong(argument) if isinstance(argument, int) else ctypes.c_char_p(argument))  # type: ignore[arg-type]
    return int(libc.prctl(*given))
