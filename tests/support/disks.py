"""Disks that die, err or forget. Each wraps another, so that one may do two of these."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import wraps
from typing import Any

from bshm_watchd.disk.ops import CHANGES, Disk

NO_SPACE = errno.ENOSPC
LOOKS = ("open_directory", "open_file", "lstat", "exists", "read_at")


_SECOND_TRY = {
    "rename": errno.ENOENT, "replace": errno.ENOENT, "unlink": errno.ENOENT, "rmdir": errno.ENOENT,
    "create": errno.EEXIST, "mkdir": errno.EEXIST, "link": errno.EEXIST,
}  # fmt: skip


class Died(BaseException):
    """The process is gone: nothing after this point happens, not even cleaning up."""


class DyingDisk(Disk):
    """Dies at change number `at` (the first is 0): a write leaves half its bytes, everything after dies too."""

    def __init__(self, at: int, disk: Disk | None = None) -> None:
        self.at = at
        self._fuse = ("", 0, 0)
        self.changes = 0
        self.dead = False
        self.died_in = ""
        disk = disk or Disk()
        for name in CHANGES:
            setattr(self, name, self._counted(name, getattr(disk, name)))

    def light(self, change: str, nth: int, later: int) -> None:
        """Die `later` changes after the `nth` change of one kind, from now on."""
        self._fuse = (change, nth, later)

    def _burn(self, name: str) -> None:
        change, nth, later = self._fuse
        if name == change and nth > 0:
            self._fuse = (change, nth - 1, later)
            if nth == 1:
                self.at = self.changes + later

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*arguments: Any) -> Any:
            self._burn(name)
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

    def __init__(self, at: int, code: int, *, once: bool = True, disk: Disk | None = None) -> None:
        self.at = at
        self.code = code
        self.once = once
        self.changes = 0
        self.erred = 0
        self.mended = False
        disk = disk or Disk()
        for name in CHANGES:
            setattr(self, name, self._counted(name, getattr(disk, name)))

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


class LostAnswerDisk(Disk):
    """Makes change number `at`, once, and errs all the same: the answer of a share's server got lost on the way.

    With `repeated` the client has asked again, and errs with what it was told of the second try.
    """

    def __init__(self, at: int, disk: Disk | None = None, *, repeated: bool = False) -> None:
        self.at = at
        self.changes = 0
        self.erred_in = ""
        self._repeated = repeated
        disk = disk or Disk()
        for name in CHANGES:
            setattr(self, name, self._counted(name, getattr(disk, name)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*arguments: Any) -> Any:
            answer = call(*arguments)  # an error of its own comes first
            number, self.changes = self.changes, self.changes + 1
            if number == self.at:
                self.erred_in = name
                if name == "create":
                    os.close(answer)
                code = _SECOND_TRY.get(name, errno.EIO) if self._repeated else errno.EIO
                raise OSError(code, os.strerror(code))
            return answer

        return counted


class InterruptedDisk(Disk):
    """Calls `before(change, name)` ahead of each change: for what a user does at the worst moment. `name` is the new
    name of a rename, the name of anything else, "" where only a descriptor is given."""

    def __init__(self, before: Callable[[str, str], None], disk: Disk | None = None) -> None:
        self._before = before
        disk = disk or Disk()
        for name in CHANGES:
            setattr(self, name, self._announced(name, getattr(disk, name)))

    def _announced(self, change: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def announced(*arguments: Any) -> Any:
            names = [argument for argument in arguments if isinstance(argument, str)]
            self._before(change, names[-1] if names else "")
            return call(*arguments)

        return announced


class MeddledDisk(Disk):
    """Calls `then` once, ahead of call number `at` of any kind (looking and reading, too): what others do meanwhile."""

    def __init__(self, at: int, then: Callable[[], None]) -> None:
        self.at = at
        self.calls = 0
        self._then = then
        for name in (*CHANGES, *LOOKS):
            setattr(self, name, self._counted(getattr(super(), name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def counted(*arguments: Any) -> Any:
            number, self.calls = self.calls, self.calls + 1
            if number == self.at:
                self._then()
            return call(*arguments)

        return counted


class NoReplaceMissing(Disk):
    """A file system on which a rename can't refuse to replace, as NFS."""

    def rename(self, from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), name, None, new_name)


class NarrowDisk(Disk):
    """A file system that takes only some names: `refusal(path)` is the error for a new one, 0 where it takes it.

    With `looked_up` it says so of a look and a removal, too. No file of a refused name gets a second link, as on vfat.
    """

    def __init__(self, refusal: Callable[[str], int], *, looked_up: bool = False, name_bytes: int = 255) -> None:
        self._refusal = refusal
        self._name_bytes = name_bytes
        for name in ("create", "mkdir", *(("lstat", "exists", "unlink") if looked_up else ())):
            setattr(self, name, self._refusing(getattr(super(), name), slice(2)))
        for name in ("rename", "replace", "link"):
            setattr(self, name, self._refusing(getattr(super(), name), slice(2, 4)))

    def name_bytes(self, dir_fd: int) -> int:
        return self._name_bytes

    def _refusing(self, call: Callable[..., Any], named: slice) -> Callable[..., Any]:
        @wraps(call)
        def refusing(*arguments: Any) -> Any:
            dir_fd, name = arguments[named]
            code = self._refusal(f"{os.readlink(f'/proc/self/fd/{dir_fd}')}/{name}")
            if code:
                code = errno.EPERM if call.__name__ == "link" else code
                raise OSError(code, os.strerror(code), name)
            return call(*arguments)

        return refusing
