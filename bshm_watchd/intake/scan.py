"""The reconciling scan: which names are below drop/ now. Names only: nothing is stat'ed, no link is followed."""

from __future__ import annotations

import errno
from collections.abc import Container
from dataclasses import dataclass, field

from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.walk import open_named
from bshm_watchd.intake.kinds import Sort, is_walked, sort_name

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_UNREADABLE = (errno.EACCES, errno.EPERM)
# A directory is opened from drop/ down, component by component: without an end, a malicious tree costs its square.
DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Scan:
    """What lies below drop/, in paths relative to it ("" is drop/ itself)."""

    photos: set[str] = field(default_factory=set)  # regular files by the directory's word, candidates by name
    others: dict[str, int] = field(default_factory=dict)  # directory -> files in it that are not photos
    unreadable: list[str] = field(default_factory=list)  # directories that could not be listed, or lie too deep


def scan(disk: Disk, drop_fd: int, known: Container[str], *, others_too: bool = False) -> Scan:
    """Walk drop/. A regular file at a `known` path is a photo to be; with `others_too` one of any kind is.

    Symlinks, fifos, sockets and devices are never photos, whatever their name: they count as others. A directory
    that vanishes meanwhile is empty. Raises `OSError` when drop/ itself can't be listed, or the place is at fault.
    """
    found, waiting = Scan(), [""]
    while waiting:
        directory = waiting.pop()
        try:
            with open_named(disk, drop_fd, directory) as fd:
                disk.lstat(fd, ".")  # listed, but not to be searched: that is the directory's fault, not each file's
                waiting += _list(disk, fd, directory, known, others_too, found)
        except OSError as error:
            if not directory or error.errno not in _GONE + _UNREADABLE:
                raise
            if error.errno in _UNREADABLE:
                found.unreadable.append(directory)
    return found


def _list(disk: Disk, fd: int, directory: str, known: Container[str], others_too: bool, found: Scan) -> list[str]:
    """Sort one directory's names into `found`; the directories in it that are to be walked."""
    prefix, photos, below, others = f"{directory}/" if directory else "", found.photos, [], 0
    for entry in disk.entries(fd):
        path = prefix + entry.name
        if entry.is_file(follow_symlinks=False) and (path in known or _is_photo(entry.name, others_too)):
            photos.add(path)
        elif entry.is_dir(follow_symlinks=False):
            below.append(path)
        elif sort_name(entry.name) is not Sort.IGNORED:
            others += 1
    if others:
        found.others[directory] = others
    return _walked(below, found)


def _is_photo(name: str, others_too: bool) -> bool:
    sort = sort_name(name)
    return sort is Sort.CANDIDATE or (others_too and sort is Sort.OTHER)


def _walked(directories: list[str], found: Scan) -> list[str]:
    walked = [path for path in directories if is_walked(path.rsplit("/", 1)[-1])]
    found.unreadable.extend(path for path in walked if path.count("/") >= DEEPEST)
    return [path for path in walked if path.count("/") < DEEPEST]
