"""Which photos the one-photo command works on, what their results are called, and how those are written."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.logs import shown

if TYPE_CHECKING:
    import mmap

    from bshm_watchd.delivery.formats import Content

STANDARD = "-"  # standard input, or output
_STANDARD_STEM = "stdin"
_BLOCK_BYTES = 1 << 20
_NAMED_AT_MOST = 3


@dataclass(frozen=True, slots=True)
class Errand:
    """One photo and where its result goes; either may be `-`."""

    source: str
    target: str


def photos_in(sources: Iterable[str]) -> list[str]:
    """What was named, a directory as the photos in it (in natural order, not those below). Raises a usage error."""
    photos = [photo for source in sources for photo in _expanded(source)]
    if photos.count(STANDARD) > 1:
        raise typer.BadParameter("standard input (-) can be read only once")
    if STANDARD in photos and sys.stdin.isatty():
        raise typer.BadParameter("standard input is a terminal; name a file, or pipe a photo in")
    return photos


def _expanded(source: str) -> list[str]:
    from bshm_watchd.intake.kinds import Sort, natural_key, sort_name

    if source == STANDARD:
        return [source]
    if not os.path.exists(source):
        raise typer.BadParameter(f"{shown(source)}: there is no such file")
    if not os.path.isdir(source):
        return [source]
    with os.scandir(source) as entries:
        names = [entry.name for entry in entries if sort_name(entry.name) is Sort.CANDIDATE and entry.is_file()]
    if not names:
        raise typer.BadParameter(f"{shown(source)}: no photos are in that directory (those below it are not looked at)")
    return [os.path.join(source, name) for name in sorted(names, key=natural_key)]


def is_directory(output: str) -> bool:
    return output.endswith("/") or os.path.isdir(output)


def errands(photos: list[str], output: str, extension: str, *, force: bool) -> list[Errand]:
    """Who goes where; nothing is made yet. Raises a usage error for what can be told to fail before any work."""
    if is_directory(output):
        planned = _into_directory(photos, output, extension)
    elif len(photos) > 1:
        what = "standard output takes" if output == STANDARD else f"{shown(output)} is the name of"
        raise typer.BadParameter(f"{what} one photo, and there are {len(photos)}; name a directory: -o OUT/")
    else:
        planned = [Errand(photos[0], output)]
    _refuse_taken(planned, force=force)
    return planned


def _into_directory(photos: list[str], directory: str, extension: str) -> list[Errand]:
    """Each by its own stem; of several with one stem the later ones are numbered."""
    from bshm_watchd.jobs import numbered

    taken: set[str] = set()
    planned = []
    for photo in photos:
        stem = _STANDARD_STEM if photo == STANDARD else Path(photo).stem
        number = 1
        while (name := numbered(stem + extension, number)).casefold() in taken:  # also where case makes no difference
            number += 1
        taken.add(name.casefold())
        planned.append(Errand(photo, os.path.join(directory, name)))
    return planned


def _refuse_taken(planned: list[Errand], *, force: bool) -> None:
    originals = {_identity(errand.source) for errand in planned if errand.source != STANDARD}
    existing = [one.target for one in planned if one.target != STANDARD and os.path.lexists(one.target)]
    for target in existing:
        if _identity(target) in originals:
            raise typer.BadParameter(f"{shown(target)} is one of the photos; its result needs another name")
        if not stat.S_ISREG(os.lstat(target).st_mode):
            raise typer.BadParameter(f"{shown(target)} is there and is no ordinary file; choose another name")
    if existing and not force:
        names = ", ".join(map(shown, existing[:_NAMED_AT_MOST])) + (" ..." if len(existing) > _NAMED_AT_MOST else "")
        raise typer.BadParameter(f"already there: {names}; --force writes over what is there")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextlib.contextmanager
def opened(source: str, limit_bytes: int) -> Iterator[int]:
    """A descriptor of the photo that can be read at any place: what comes through a pipe is copied to memory first.

    Of a pipe at most one byte more than the limit is taken. Raises `OSError`, and `RejectedPhoto` for a device.
    """
    _refuse_device(os.fstat(sys.stdin.fileno()) if source == STANDARD else os.stat(source))
    fd = os.dup(sys.stdin.fileno()) if source == STANDARD else os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if source == STANDARD or not stat.S_ISREG(os.fstat(fd).st_mode):
            piped, fd = fd, _copied(fd, limit_bytes + 1)
            os.close(piped)
        yield fd
    finally:
        os.close(fd)


def _refuse_device(status: os.stat_result) -> None:
    """Before it is opened: that alone may do something to a device, and many never end."""
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode) or stat.S_ISDIR(status.st_mode):
        raise RejectedPhoto("not_a_file", "it is neither a file nor a pipe", "name a photo, or pipe one in")


def _copied(piped: int, limit_bytes: int) -> int:
    memory_fd = os.memfd_create("photo", os.MFD_CLOEXEC)
    left = limit_bytes
    try:
        while left and (block := os.read(piped, min(_BLOCK_BYTES, left))):
            _write_all(memory_fd, block)
            left -= len(block)
    except BaseException:
        os.close(memory_fd)
        raise
    return memory_fd


def refuse_unusable(output: str) -> None:
    """Raises a usage error for the name of a place that can't be, or whose directory is not there."""
    if output == STANDARD:
        return
    parent = os.path.dirname(output) or "."
    if not is_directory(output) and not os.path.exists(parent):
        raise typer.BadParameter(f"{shown(parent)}: there is no such directory; make it first")
    try:
        os.lstat(output)
    except FileNotFoundError:
        return
    except OSError as error:
        raise typer.BadParameter(f"{shown(output)}: {error.strerror}; choose another name") from error


def make_directory(output: str) -> None:
    """Where results go by their own names. Raises a usage error."""
    if not output.endswith("/"):
        return
    try:
        os.makedirs(output, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{shown(output)}: the directory can't be made: {error.strerror}") from error


def write_result(target: str, content: Content | mmap.mmap, *, force: bool) -> None:
    """To standard output, or under its name: whole or not at all, with the mode that the umask leaves.

    Raises `FileExistsError` when the name is taken (unless `force`), and any other `OSError`.
    """
    if target == STANDARD:
        _write_all(sys.stdout.fileno(), content)
        return
    directory, name = os.path.split(target)
    directory_fd = os.open(directory or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _write_whole(directory_fd, name, content, force=force)
    finally:
        os.close(directory_fd)


def _write_whole(directory_fd: int, name: str, content: Content | mmap.mmap, *, force: bool) -> None:
    from bshm_watchd.disk.durable import give_name
    from bshm_watchd.disk.ops import Disk

    disk, temporary = Disk(), f".bshm-matte-{secrets.token_hex(8)}.part"
    try:  # around its creation too: somebody may interrupt right after it
        fd = disk.create(directory_fd, temporary, 0o666)
        try:
            _write_all(fd, content)
            disk.fsync(fd)  # before the rename: else a power cut leaves a name without bytes
        finally:
            os.close(fd)
        if force:
            disk.replace(directory_fd, temporary, directory_fd, name)
        else:
            give_name(disk, directory_fd, temporary, name)
    except BaseException:  # also when it is interrupted: nothing half done stays
        with contextlib.suppress(FileNotFoundError):
            disk.unlink(directory_fd, temporary)
        raise


def _write_all(fd: int, content: Content | mmap.mmap) -> None:
    with memoryview(content) as whole:
        written = 0
        while written < len(whole):
            written += os.write(fd, whole[written : written + _BLOCK_BYTES])
