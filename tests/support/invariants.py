"""What must hold after any accident and a healthy restart. Called everywhere."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np

from tests.support.studio import Studio, cutout_of, sha256

_PLACES = ("drop", ".bshm/work", "done", "rejected", "failed")


def check(studio: Studio) -> None:
    """After a healthy run to its end: nothing lost, nothing doubled, nothing half, nothing left lying about."""
    _each_original_is_in_one_place(studio)
    _each_result_is_whole_and_of_one_original(studio)
    _no_temporaries(studio)
    _a_second_run_changes_nothing(studio)


def _each_original_is_in_one_place(studio: Studio) -> None:
    where: dict[str, list[str]] = {}
    for place in _PLACES:
        for path in (studio.hot / place).rglob("*"):
            if path.is_file() and path.name != "job.json" and not path.name.endswith(".error.json"):
                where.setdefault(sha256(path.read_bytes()), []).append(str(path.relative_to(studio.hot)))
    for digest in studio.dropped:
        places = where.get(digest, [])
        wanted = studio.copies.get(digest, 1)
        assert len(places) == wanted, f"{digest[:8]} dropped {wanted} times is at {places}"


def _each_result_is_whole_and_of_one_original(studio: Studio) -> None:
    """Every PNG under results/ decodes to the cut-out of a done original, and each done original has as many."""
    expected = [_pixels_hash(cutout_of(path.read_bytes())) for path in _files(studio, "done")]
    found = []
    for path in _files(studio, "results"):
        picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture is not None, f"{path} is not a whole picture"
        assert path.stat().st_mode & 0o777 == studio.hot.stat().st_mode & 0o666, f"{path} has the wrong mode"
        found.append(_pixels_hash(picture))
    assert sorted(found) == sorted(expected), f"{len(found)} results for {len(expected)} done originals"


def _no_temporaries(studio: Studio) -> None:
    left = [str(p) for p in studio.hot.rglob("*") if p.name.endswith((".part", ".tmp")) or p.parent.name == "work"]
    assert not left, f"left lying about: {left}"


def _a_second_run_changes_nothing(studio: Studio) -> None:
    before = studio.everything()
    assert studio.run() == 0
    after = studio.everything()
    assert before == after


def _files(studio: Studio, place: str):
    return sorted(path for path in (studio.hot / place).rglob("*") if path.is_file())


def _pixels_hash(picture: np.ndarray) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()
