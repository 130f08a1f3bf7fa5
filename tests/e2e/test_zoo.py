"""Every way in which people and programs put photos into a hot folder, all at once, beside one real daemon.

A photo of each writer and kind must be used once, as its final file is: by the journal's hash, the filed original's and
the pixels of the result.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from bshm_watchd.clock import SystemClock
from bshm_watchd.journal import JOURNAL_NAME, Journal, Row
from bshm_watchd.matting.decoder import ChildDecoder
from tests.e2e.program import Program, wait_until
from tests.e2e.writers import WRITERS
from tests.support.contracts import Evidence
from tests.support.encoded import multi_picture_jpeg, of, tiff
from tests.support.job_log import parsed, replayed
from tests.support.studio import png, sha256

pytestmark = [pytest.mark.e2e, pytest.mark.contract("I2")]


def _photo(serial: int, kind: str) -> bytes:
    """60 to 120 kB, another one for each number."""
    pixels = np.random.default_rng(serial).integers(0, 256, (160, 220, 3), np.uint8)
    if kind == "tif":
        return tiff(pixels, "rgb")
    if kind == "png":
        return png(serial, 160, 220)
    exif = Image.Exif()
    exif[0x010E] = f"photo {serial}"
    return of(pixels, {"jpg": "JPEG", "webp": "WEBP"}[kind], quality=97, exif=exif)


def _cases() -> dict[str, tuple[str, bytes]]:
    """File name -> writer and content. Those that leave gaps meanwhile write every kind."""
    cases = {}
    for number, name in enumerate(WRITERS):
        every = name.startswith("preallocated") or "mapped" in name or "holes" in name
        for kind in ("png", "jpg", "webp", "tif") if every else ("jpg",):
            cases[f"{name}.{kind}"] = (name, _photo(1000 + 10 * number + len(kind), kind))
    return cases


def _real_photos() -> dict[str, tuple[str, bytes]]:
    """Of several sizes, turned by their EXIF or with more behind their end."""
    from tests.support.astronaut import astronaut

    found = {}
    for side in (300, 1900, 4000):
        picture = Image.fromarray(cv2.resize(astronaut(), (side, side * 3 // 4)))
        exif = picture.getexif()
        exif[0x0112] = 6
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=92, exif=exif)
        found[f"real {side}.jpg"] = ("slow", out.getvalue())
    found["padded with zeros.jpg"] = ("copied", _photo(1, "jpg") + bytes(9000))
    found["padded with junk.jpg"] = ("copied", _photo(2, "jpg") + b"\xff\xd8junk" * 900)
    found["more pictures.jpg"] = ("copied", multi_picture_jpeg([1, 2]) + _photo(3, "jpg"))
    found["motion.jpg"] = ("slow", _photo(4, "jpg") + b"\0\0\0\x18ftypmp42" + b"film" * 9000)
    found["dark.tif"] = ("copied", tiff(np.vstack([_NOISE, np.zeros((99, 40, 3), np.uint8)]), "rgb"))
    found["dark.webp"] = ("copied", _photo(5, "webp") + bytes(9000))
    return found


_NOISE = np.random.default_rng(6).integers(0, 256, (60, 40, 3), np.uint8)
CASES = _cases() | _real_photos()


@dataclass
class Zoo:
    program: Program
    rows: dict[str, list[Row]] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zoo]:
    """One daemon, and all writers beside each other until every photo has ended."""
    program = Program(tmp_path_factory.mktemp("zoo"), rescan_seconds=5)
    with program.running() as process, ThreadPoolExecutor(len(CASES)) as pool:
        for written in [pool.submit(_write, program, name) for name in CASES]:
            written.result()
        wait_until(lambda: len(program.done()) + program.folder()["rejected"] >= len(CASES), 90, "all ended", process)
    found = Zoo(program, lines=program.log.read_text().splitlines())
    with Journal(program.state_dir / JOURNAL_NAME, SystemClock()) as journal:
        for row in journal.jobs(limit=10_000):
            found.rows.setdefault(row.name, []).append(row)
    yield found


def _write(program: Program, name: str) -> None:
    spare = program.base / "spare" / name
    spare.mkdir(parents=True)
    writer, content = CASES[name]
    WRITERS[writer](program.drop / name, content, spare)


@pytest.fixture(scope="module")
def decoder() -> Iterator[ChildDecoder]:
    with ChildDecoder(1, 120_000_000, 60) as decoder:
        yield decoder


@pytest.mark.parametrize("name", CASES)
def test_a_photo_is_used_once_and_as_its_writer_left_it(
    zoo: Zoo, decoder: ChildDecoder, evidence: Evidence, name: str
) -> None:
    content = CASES[name][1]
    [row] = zoo.rows[name]
    assert (row.state, row.sha256) == ("done", sha256(content)), row
    assert row.filed_as is not None
    assert sha256((zoo.program.hot / row.filed_as.path).read_bytes()) == row.sha256
    [path] = row.results
    found = cv2.imread(str(zoo.program.hot / path), cv2.IMREAD_UNCHANGED)
    assert _is_matte_of(found[:, :, 3], _green(decoder, content, zoo.program.base / "content"))
    evidence(files_checked=1)


def _green(decoder: ChildDecoder, content: bytes, path: Path) -> np.ndarray:
    path.write_bytes(content)
    with path.open("rb") as file:
        return decoder.decode(file.fileno(), len(content)).pixels[:, :, 1]


def _is_matte_of(alpha: np.ndarray, green: np.ndarray) -> bool:
    """Exactly, but for large photos, whose matte is made of a smaller picture."""
    difference = np.abs(alpha.astype(int) - green.astype(int))
    return alpha.shape == green.shape and difference.mean() <= (0 if max(alpha.shape) <= 1920 else 4)


@pytest.mark.contract("O5")
def test_the_log_of_all_of_them_is_a_way_through_the_table_of_moves(zoo: Zoo, evidence: Evidence) -> None:
    ways = replayed(parsed(zoo.lines))
    ends = {row.id: row.state for rows in zoo.rows.values() for row in rows}
    assert {job_id: str(way[-1]) for job_id, way in ways.items() if job_id in ends} == ends
    evidence(moves_logged=sum(map(len, ways.values())))


def test_hardly_any_is_let_go_of_again(zoo: Zoo) -> None:
    """A photo that is released was taken too early, which is seen before it is used, but costs a second claim."""
    released = [line for line in zoo.lines if " released " in line]
    print(f"{len(CASES)} photos by {len(WRITERS)} writers, {len(released)} released")
    assert len(released) <= 3, released
    assert zoo.program.names("drop") == []
