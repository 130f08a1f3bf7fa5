"""A studio with photos that are rejected in lots, and what a lot costs."""

from __future__ import annotations

import os
import stat
import struct
from collections import Counter
from pathlib import Path

from bshm_watchd.disk.ops import Disk
from bshm_watchd.journal import JOURNAL_NAME
from tests.support.studio import Studio

_WAL_HEADER_BYTES, _FRAME_HEADER_BYTES = 32, 24
TAKES_ALL_FILES = "    other_files: reject\n"


def broken_studio(base: Path, extra: str = TAKES_ALL_FILES) -> Studio:
    """A good photo and two lots. Some names are taken, one is odd, one as long as can be."""
    studio = Studio(base, extra)
    studio.drop("good.png")
    for name in ("a.jpg", "taken.jpg", "noted.jpg", "odd\udcff\n.jpg", "n" * 251 + ".jpg", "sub/a.jpg", "sub/b.jpg"):
        studio.drop(name, os.fsencode(f"{name} is no photo"))
    studio.portraits.put_foreign("rejected/taken.jpg")
    studio.portraits.put_foreign("rejected/noted.jpg.error.json")
    return studio


class SyncCountingDisk(Disk):
    """Counts what is synced, files and directories apart."""

    def __init__(self) -> None:
        self.synced: Counter[str] = Counter()

    def fsync(self, fd: int) -> None:
        self.synced["directory" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"] += 1
        super().fsync(fd)


def index_commits(studio: Studio) -> int:
    """Those in the write-ahead log of a journal that is open: frames that end a transaction."""
    log = (studio.base / "state" / f"{JOURNAL_NAME}-wal").read_bytes()
    (page_bytes,) = struct.unpack_from(">I", log, 8)
    frames = range(_WAL_HEADER_BYTES, len(log), _FRAME_HEADER_BYTES + page_bytes)
    salt = log[16:24]
    return sum(struct.unpack_from(">I", log, at + 4)[0] != 0 for at in frames if log[at + 8 : at + 16] == salt)
