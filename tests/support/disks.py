"""Disks that die or err at their n-th change."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from bshm_watchd.disk.ops import CHANGES, Disk


class Died(BaseException):
    """The process is gone: nothing after this point happens, not even cleaning up."""


class DyingDisk(Disk):
    """Dies at change number `at` (the first is 0): a write leaves half its bytes, everything after dies too."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.changes = 0
        self.dead = False
        self.died_in = ""
        for name in CHANGES:
            setattr(self, name, self._counted(name, getattr(super(), name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*arguments: Any) -> Any:
            if not self.dead and self.changes == self.at:
                self.dead, self.died_in = True, name
                if name == "write":
                    os.write(arguments[0], memoryview(arguments[1])[: len(arguments[1]) // 2])
            if self.dead:
                raise Died(f"{name} number {self.at}")
            self.changes += 1
            return call(*arguments)

        return counted


class ErringDisk(Disk):
    """Errs with `code` at change number `at`, and at each one after it until `mended`; never changes anything then."""

    def __init__(self, at: int, code: int, *, once: bool = True) -> None:
        self.at = at
        self.code = code
        self.once = once
        self.changes = 0
        self.erred = 0
        self.mended = False
        for name in CHANGES:
            setattr(self, name, self._counted(name, getattr(super(), name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*arguments: Any) -> Any:
            number, self.changes = self.changes, self.changes + 1
            due = number == self.at if self.once else number >= self.at
            if due and not self.mended:
                self.erred += 1
                raise OSError(self.code, os.strerror(self.code))
            return call(*arguments)

        return counted


NO_SPACE = errno.ENOSPC


class CrashAfter(Disk):
    """Runs `then` right after the `nth` call of one change; for faults that need a certain moment."""

    def __init__(self, change: str, nth: int, then: Callable[[], None]) -> None:
        self._seen = 0
        real = getattr(super(), change)

        @wraps(real)
        def watched(*arguments: Any) -> Any:
            value = real(*arguments)
            self._seen += 1
            if self._seen == nth:
                then()
            return value

        setattr(self, change, watched)
