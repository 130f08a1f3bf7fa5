"""Which names are photos to be, which are nobody's business, and in what order people expect to see them. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum


class Sort(Enum):
    IGNORED = "ignored"  # never touched, never counted: somebody's temporary or a file manager's own
    CANDIDATE = "candidate"  # a photo by its name; its magic bytes decide later
    OTHER = "other"  # left where it is and counted as not a photo


@dataclass(frozen=True, slots=True)
class Kind:
    """A photo format: its name for people, the extensions they give it (lower case), and how its files begin.

    `magics`: any of them; `unfixed`: places in them where any byte may stand.
    """

    name: str
    label: str
    extensions: tuple[str, ...]
    magics: tuple[bytes, ...]
    unfixed: range = range(0)

    def begins(self, head: bytes) -> bool:
        """Whether a file that begins with `head` is of this kind."""
        return any(len(head) >= len(magic) and self._agree(head, magic) for magic in self.magics)

    def may_begin(self, written: bytes) -> bool:
        """Whether `written` and more bytes could make a file of this kind."""
        return any(len(written) <= len(magic) and self._agree(written, magic) for magic in self.magics)

    def _agree(self, head: bytes, magic: bytes) -> bool:
        pairs = enumerate(zip(head, magic, strict=False))
        return all(place in self.unfixed or byte == expected for place, (byte, expected) in pairs)


KINDS = (
    Kind("jpeg", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), (b"\xff\xd8\xff",)),
    Kind("png", "PNG", (".png",), (b"\x89PNG\r\n\x1a\n",)),
    Kind("webp", "WebP", (".webp",), (b"RIFF\0\0\0\0WEBP",), unfixed=range(4, 8)),
    Kind("tiff", "TIFF", (".tif", ".tiff"), (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
)

_EXTENSIONS = tuple(extension for kind in KINDS for extension in kind.extensions)

# The dot covers .DS_Store, ._*, .nfs* and rsync's .name.XXXXXX; the rest are uploaders', browsers' and Office's.
_IGNORED_PREFIXES = (".", "~$")
_IGNORED_SUFFIXES = (".part", ".tmp", ".crdownload", ".filepart", ".error.json")
_IGNORED_NAMES = frozenset({"@eadir", "thumbs.db"})

_DIGITS = re.compile("([0-9]+)")

# No name has a NUL, and nothing sorts before it: what ends sooner comes first.
_END = "\0"


def sort_name(name: str) -> Sort:
    """Sort a file by its name alone (one component, not a path)."""
    if _is_ignored(name):
        return Sort.IGNORED
    return Sort.CANDIDATE if name.lower().endswith(_EXTENSIONS) else Sort.OTHER


def is_walked(directory: str) -> bool:
    """Whether photos are looked for inside a directory of this name (one component)."""
    return not _is_ignored(directory)


def sort_path(relative: str) -> Sort:
    """As `sort_name` for a path below drop/: ignored as soon as one directory on the way is."""
    *directories, name = relative.split("/")
    if not all(is_walked(directory) for directory in directories):
        return Sort.IGNORED
    return sort_name(name)


def natural_key(relative: str) -> str:
    """Sort key of a path: `img2` before `img10`, case apart only between equals; a total order on paths.

    One string, since a million of them are sorted at once: each name with its numbers led by their lengths, then as
    it is, so that no two differ and compare equal.
    """
    return _END.join(_DIGITS.sub(_number, name.casefold()) + _END + _END + name for name in relative.split("/"))


def _is_ignored(name: str) -> bool:
    if name.startswith(_IGNORED_PREFIXES):
        return True
    lower = name.lower()
    return lower.endswith(_IGNORED_SUFFIXES) or lower in _IGNORED_NAMES


def _number(digits: re.Match[str]) -> str:
    """A number of any length, compared by length first, and before any text: no limit as `int` has one."""
    significant = digits[0].lstrip("0")
    return _END + chr(len(significant) + 1) + significant
