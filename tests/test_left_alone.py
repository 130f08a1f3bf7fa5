"""What is no photo, and what other programs are still busy with: never opened, never changed, counted once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_SOME_REJECTED
from bshm_watchd.events import Hinted
from bshm_watchd.intake.kinds import Sort, sort_path
from tests.support.contracts import Evidence
from tests.support.studio import Studio, png

IGNORED = (
    ".hidden.png", "._a.png", ".DS_Store", ".nfs000000000013a2f100000001", ".a.png.Xy12Zq", ".~tmp~/a.png",
    ".rsync-partial/a.png", ".goutputstream-X1Y2Z3", ".syncthing.a.png.tmp", ".dropbox.cache/a.png",
    ".Trash-1000/a.png",
    "a.png.part", "A.PNG.PART", "a.png.tmp", "a.tmp", "psA4F2.tmp", "a.png.crdownload", "a.png.filepart", "~$a.png",
    "~$report.docx", "@eaDir/a.png", "@EADIR/a.png/SYNOPHOTO_THUMB_M.jpg", "Thumbs.db", "THUMBS.DB", "a.png.error.json",
    "sub/.hidden.png", "sub/@eaDir/b.png", "sub/a.png.part",
)  # fmt: skip
OTHERS = (
    "a.cr3", "a.CR2", "a.nef", "a.arw", "a.dng", "a.raf", "a.heic", "a.HEIF", "a.avif", "a.xmp", "a.png.xmp", "a.psd",
    "a.mp4", "a.mov", "a.gif", "a.bmp", "a.svg", "a.pdf", "a.zip", "a.lrcat", "a.lrcat-journal", "a.lrprev",
    "a.png~", "a.png.bak", "a.png.download", "a.png.aria2", "a.png.sb-12ab34cd-Xy12Zq", "desktop.ini", "4913", "a",
    "png",
    "sub/a.cr3", "sub/a.xmp",
)  # fmt: skip
LOOK_ALIKES = (
    "part.png", "a.part.png", "tmp.png", "a.tmp.png", "error.json.png", "a.error.json.png", "~a.png", "a~$.png",
    "a$.png", "Thumbs.db.png", "eaDir/a.png", "@eaDirs/a.png", "crdownload.png", "nfs0001.png", "a b.PNG",
    "sub.part.d/a.png",
)  # fmt: skip
NO_PHOTOS = {
    "text.jpg": b"this is no photo",
    "heic.jpg": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(range(256)),
    "film.jpeg": b"\0\0\0\x18ftypmp42" + bytes(range(256)),
    "raw.tif": b"IIU\0\x18\0\0\0" + bytes(range(256)),
    "gif.png": b"GIF89a" + bytes(range(256)),
    "program.webp": b"MZ\x90\0" + bytes(range(256)),
}
_SEEN_OF_A_FILE = ("st_ino", "st_mode", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns", "st_atime_ns")


def _fill(studio: Studio) -> dict[Path, os.stat_result]:
    """The files that nobody may touch, and what they are."""
    for name in (*IGNORED, *OTHERS):
        path = studio.hot / "drop" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png(1))
        os.utime(path, ns=(10**18, 10**18 + 10**9))  # read before it was written: the next read would show
    for number, name in enumerate(LOOK_ALIKES):
        studio.drop(name, png(100 + number))
    for name, content in NO_PHOTOS.items():
        studio.drop(name, content)
    return {path: path.stat() for name in (*IGNORED, *OTHERS) if (path := studio.hot / "drop" / name)}


class _Opened(Disk):
    """Notes which files are opened at all."""

    def __init__(self) -> None:
        self.paths: set[str] = set()

    def open_file(self, dir_fd: int, name: str) -> int:
        self.paths.add(f"{os.readlink(f'/proc/self/fd/{dir_fd}')}/{name}")
        return super().open_file(dir_fd, name)


@pytest.mark.contract("I6")
@pytest.mark.parametrize("hinted", [False, True], ids=["found by scans", "with an event for each"])
def test_no_photos_are_left_as_they_are_and_their_look_alikes_are_done(
    fast_path: Path, evidence: Evidence, hinted: bool
) -> None:
    studio, disk = Studio(fast_path), _Opened()
    before = _fill(studio)
    with studio.start(disk) as running:
        running.step()
        for name in (*IGNORED, *OTHERS) if hinted else ():
            running.inbox.put(Hinted("portraits", name))
        assert running.run() == EXIT_SOME_REJECTED
        assert running.state.seen is not None
        assert running.state.seen.looked.other_files == len(OTHERS)
    for path, status in before.items():
        assert str(path) not in disk.paths
        for field in _SEEN_OF_A_FILE:
            assert getattr(path.stat(), field) == getattr(status, field), f"{path.name}: {field}"
        assert path.read_bytes() == png(1)
    ended = {f"{row.relative}": (row.state, row.reason) for row in studio.rows()}
    assert ended == dict.fromkeys(LOOK_ALIKES, ("done", None)) | dict.fromkeys(NO_PHOTOS, ("rejected", "not_a_photo"))
    assert len(studio.tree("drop")) == len(before)
    assert str(studio.hot / "drop" / LOOK_ALIKES[0]) in disk.paths
    evidence(files_left_alone=len(before), photos_dropped=len(ended))


@pytest.mark.contract("I6")
def test_each_name_sorts_as_it_is_listed_here() -> None:
    assert {name: sort_path(name) for name in IGNORED} == dict.fromkeys(IGNORED, Sort.IGNORED)
    assert {name: sort_path(name) for name in OTHERS} == dict.fromkeys(OTHERS, Sort.OTHER)
    assert {name: sort_path(name) for name in LOOK_ALIKES} == dict.fromkeys(LOOK_ALIKES, Sort.CANDIDATE)
