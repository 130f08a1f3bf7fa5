"""Landlock: the kernel's own fence around a process. Nothing is let through it here. Imported by decode children.

Names and bits are those of linux/landlock.h. Descriptors that are open already are not touched by it.
"""

from __future__ import annotations

import ctypes
import os

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # the same numbers on every architecture
_ASK_VERSION = 1

# The last right of each version, files' and networks'; a newer kernel's further ones are not known here.
_LAST_FILE_RIGHT = {1: 12, 2: 13, 3: 14, 4: 14, 5: 15, 6: 15, 7: 15, 8: 15, 9: 16, 10: 16}
_TCP_SINCE, _TCP_RIGHTS = 4, 0b11
_UDP_SINCE, _UDP_RIGHTS = 10, 0b1100
_SCOPES_SINCE, _SCOPES = 6, 0b11  # no abstract socket and no signal of another domain's


class _Rules(ctypes.Structure):
    """`struct landlock_ruleset_attr`: what is denied where no rule allows it. Older kernels take its beginning."""

    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


def version() -> int:
    """The kernel's; 0 where it has no Landlock, did not start it, or something keeps us from asking."""
    return max(0, _call(_CREATE_RULESET, None, 0, _ASK_VERSION))


def deny_all() -> None:
    """From here on this thread, and what it starts, opens no path and connects nowhere. Raises `OSError`.

    Needs no_new_privs set.
    """
    rules, size = _rules(version())
    fd = _checked(_call(_CREATE_RULESET, ctypes.addressof(rules), size, 0), "landlock_create_ruleset")
    try:
        _checked(_call(_RESTRICT_SELF, fd, 0), "landlock_restrict_self")
    finally:
        os.close(fd)


def _rules(found: int) -> tuple[_Rules, int]:
    """All that this version knows to deny, and how much of the structure it reads."""
    known = min(found, max(_LAST_FILE_RIGHT))
    network = (_TCP_RIGHTS if known >= _TCP_SINCE else 0) | (_UDP_RIGHTS if known >= _UDP_SINCE else 0)
    scopes = _SCOPES if known >= _SCOPES_SINCE else 0
    fields = 1 + (known >= _TCP_SINCE) + (known >= _SCOPES_SINCE)
    return _Rules((2 << _LAST_FILE_RIGHT[known]) - 1, network, scopes), 8 * fields


def _call(number: int, *arguments: int | None) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(ctypes.c_long(number), *(ctypes.c_void_p(argument) for argument in arguments)))


def _checked(answer: int, name: str) -> int:
    if answer < 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return answer
