"""When something is tried again, and that poison leaves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bshm_watchd.ending import EXIT_SOME_REJECTED
from bshm_watchd.matting.photo import Photo
from bshm_watchd.retry import given_up, hold_seconds, retry_seconds, withheld_retry_wall
from tests.support import invariants
from tests.support.disks import Died, DyingDisk
from tests.support.studio import Studio


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 5), (2, 10), (3, 20), (7, 300), (100, 300)])
def test_a_job_waits_twice_as_long_after_each_attempt(attempts: int, seconds: float) -> None:
    assert retry_seconds(attempts) == seconds


@pytest.mark.parametrize(("failures", "seconds"), [(1, 1), (2, 2), (6, 32), (7, 60), (2_000, 60), (100_000, 60)])
def test_a_held_folder_is_tried_again_for_ever(failures: int, seconds: float) -> None:
    assert hold_seconds(failures) == seconds


@pytest.mark.parametrize(("attempts", "over"), [(0, False), (2, False), (3, True), (4, True)])
def test_a_job_is_given_up_when_its_attempts_are_used_up(attempts: int, over: bool) -> None:
    assert given_up(attempts, max_attempts=3) is over


@pytest.mark.parametrize(("times", "retry_wall"), [(1, 115.0), (40, 115.0), (41, None), (100, None)])
def test_a_photo_that_its_share_does_not_give_is_tried_again_for_ten_minutes(
    times: int, retry_wall: float | None
) -> None:
    assert withheld_retry_wall(times, 100.0) == retry_wall


def _spoil(_: Photo) -> None:
    raise ArithmeticError("no such matte")


@pytest.mark.contract("L1")
def test_poison_leaves_after_three_attempts_and_its_sidecar_says_why(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    started = studio.clock.monotonic()
    studio.drop("sub/a.png")
    assert studio.run(spoil=_spoil) == EXIT_SOME_REJECTED
    assert studio.clock.monotonic() - started >= 5 + 10
    assert studio.tree("failed") == ["sub/a.png", "sub/a.png.error.json"]
    note = json.loads((studio.hot / "failed/sub/a.png.error.json").read_text())
    assert (note["reason"], note["attempts"], note["name"]) == ("attempts_used_up", 3, "sub/a.png")
    assert "no such matte" in note["message"]
    assert f"jobs requeue {note['job']}" in note["what_to_do"]
    invariants.check(studio)


@pytest.mark.contract("L1")
def test_a_failed_photo_is_never_seen_without_its_sidecar(fast_path: Path) -> None:
    """Whenever the program dies, whoever finds the original also finds out why."""
    for at in range(1000):
        studio = Studio(fast_path / str(at), limits="{min_free_mib: 0, max_attempts: 1}")
        studio.drop("a.png")
        try:
            studio.run(DyingDisk(at), spoil=_spoil)
        except Died:
            failed = studio.tree("failed")
            assert "a.png" not in failed or "a.png.error.json" in failed, f"change {at}"
        else:
            assert at > 20
            return
    raise AssertionError("the run never came to its end")
