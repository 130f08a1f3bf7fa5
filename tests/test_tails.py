"""Photos that end in zeros or junk are photos; those that end too early never are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from tests.support.contracts import Evidence
from tests.support.encoded import animated_png, multi_picture_jpeg, of, rows_of, tiff
from tests.support.studio import Studio, png

_NOISE = np.random.default_rng(3).integers(0, 256, (60, 90, 3), np.uint8)
_DARK = np.vstack([_NOISE, np.zeros((120, 90, 3), np.uint8)])  # its last rows are zeros, as they are stored
_SETTLE_SECONDS, _NETWORK_SECONDS, _LOOK_SECONDS = 2.0, 10.0, 0.5


def _jpeg() -> bytes:
    return of(_NOISE, "JPEG", quality=95)


ODD_TAILS = {
    "dark.tif": tiff(_DARK, "rgb"),
    "dark tiles.tif": tiff(np.pad(_DARK, ((0, 76), (0, 38), (0, 0))), "rgb", tile=(128, 128)),
    "zeros.webp": of(_NOISE, "WEBP", lossless=True) + bytes(5000),
    "zeros.png": png(1, 60, 90) + bytes(5000),
    "zeros.jpg": _jpeg() + bytes(5000),
    "few zeros.jpg": _jpeg() + bytes(700),
    "junk.jpg": _jpeg() + b"\xff\xd8\xff junk" * 1000,
    "motion.jpg": _jpeg() + b"\0\0\0\x18ftypmp42" + b"film" * 5000,
    "more pictures.jpg": multi_picture_jpeg([1, 2]) + _jpeg() + _jpeg(),
    "animated.png": animated_png(_NOISE, 2, behind=[rows_of(_NOISE)]) + b"more",
}


@pytest.mark.contract("I2", "I5")
def test_an_honest_tail_of_zeros_or_junk_costs_one_longer_wait_at_most(fast_path: Path, evidence: Evidence) -> None:
    studio = Studio(fast_path)
    for name, content in ODD_TAILS.items():
        studio.drop(name, content)
    begun = studio.clock.wall()
    assert studio.run() == EXIT_FINE
    took = {row.name: row.finished_wall - begun for row in studio.rows() if row.finished_wall}
    assert took.keys() == ODD_TAILS.keys()
    for name, seconds in took.items():
        waits = _NETWORK_SECONDS if ODD_TAILS[name].endswith(bytes(4096)) else _SETTLE_SECONDS
        assert seconds <= waits + 2 * _LOOK_SECONDS, name
    evidence(photos_dropped=len(took))


def _whole(kind: str) -> bytes:
    """Of noise, so that no part of it is zeros that might as well be missing."""
    if kind == "tif":
        return tiff(_NOISE, "rgb")
    if kind == "tif at its end":
        return of(_NOISE, "TIFF", compression="tiff_lzw")
    if kind == "png":
        return cv2.imencode(".png", _NOISE)[1].tobytes()
    return of(_NOISE, {"jpg": "JPEG", "webp": "WEBP", "progressive": "JPEG"}[kind], progressive=kind == "progressive")


@pytest.mark.contract("I2")
@pytest.mark.parametrize("kind", ["jpg", "progressive", "png", "webp", "tif", "tif at its end"])
def test_a_truncated_photo_of_any_length_is_never_used_and_rejected_in_the_end(
    fast_path: Path, evidence: Evidence, kind: str
) -> None:
    whole, extension = _whole(kind), {"progressive": "jpg", "tif at its end": "tif"}.get(kind, kind)
    lengths = sorted({*range(1, 40, 3), *np.linspace(40, len(whole) - 1, 40, dtype=int).tolist()})
    studio = Studio(fast_path)
    for length in lengths:
        studio.drop(f"{length}.{extension}", whole[:length])
    begun = studio.clock.wall()
    with studio.start(once=None) as running:
        running.live(59)
        assert len(studio.tree("drop")) == len(lengths), "before a minute has passed it may still grow"
        running.live(30)
    rows = studio.rows()
    assert len(rows) == len(lengths)
    assert {(row.state, row.reason) for row in rows} == {("rejected", "incomplete")}
    assert all(60 <= row.finished_wall - begun <= 60 + _NETWORK_SECONDS + 1 for row in rows if row.finished_wall)
    assert not (studio.hot / "results").exists()
    evidence(photos_dropped=len(lengths))


@pytest.mark.contract("I2")
def test_a_photo_that_grows_again_after_a_minute_of_silence_is_another_one(fast_path: Path) -> None:
    """What was rejected stays as it was; the rest of it that comes later finds no name to be added to."""
    studio, whole = Studio(fast_path), _whole("jpg")
    studio.drop("a.jpg", whole[:2000])
    assert studio.run() == EXIT_SOME_REJECTED
    studio.drop("a.jpg", whole)
    assert studio.run() == EXIT_FINE
    assert studio.tree("rejected") == ["a.jpg", "a.jpg.error.json"]
    assert (studio.hot / "rejected" / "a.jpg").read_bytes() == whole[:2000]
