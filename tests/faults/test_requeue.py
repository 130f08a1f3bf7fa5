"""Filed originals once more: a new job and a new set of results, whatever happens on the way."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from bshm_watchd.clock import local_date
from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE, EXIT_SOME_REJECTED
from bshm_watchd.journal import Row
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.disks import Died, DyingDisk, ErringDisk
from tests.support.power_cut import PowerCutDisk
from tests.support.studio import Running, Studio, broken, png, sha256


def _fails(_: Photo) -> None:
    raise ValueError("it can't be matted")


def _over(base: Path, spoil: Callable[[Photo], None] = lambda photo: None, name: str = "sub/a.png") -> Studio:
    """One photo, worked off."""
    studio = Studio(base)
    studio.drop(name)
    studio.run(spoil=spoil)
    return studio


def _only_row(studio: Studio) -> Row:
    (row,) = studio.rows()
    return row


def _watching(studio: Studio, disk: Disk | None = None) -> Running:
    return studio.start(disk, once=None)


def _attach(running: Running) -> None:
    running.run(until=lambda: running.state.mode == "watching")


def _requeue(studio: Studio, *ids: str) -> dict[str, list[dict[str, str]]]:
    """Ask a running daemon, and let it work until it is idle."""
    with _watching(studio) as running:
        _attach(running)
        answer = running.requeue(*ids)
        running.run(until=lambda: running.state.is_idle)
        return answer


@pytest.mark.contract("D3")
def test_a_done_photo_gets_a_second_set_of_results_with_the_next_number(tmp_path: Path) -> None:
    studio = _over(tmp_path)
    row = _only_row(studio)
    answer = _requeue(studio, row.id)
    assert answer["requeued"] == [{"id": row.id, "new_id": studio.rows()[-1].id}]
    assert studio.tree("results") == ["sub/a.png", "sub/a~2.png"]
    assert studio.tree("done") == [f"{local_date(studio.clock.wall())}/sub/a~2.png"]
    studio.portraits.sets_again[row.sha256] = 1
    invariants.check(studio)


@pytest.mark.parametrize(("spoil", "place"), [(broken, "rejected"), (_fails, "failed")])
def test_the_sidecar_of_a_requeued_photo_goes_and_the_photo_is_done(
    tmp_path: Path, spoil: Callable[[Photo], None], place: str
) -> None:
    studio = _over(tmp_path, spoil)
    assert studio.tree(place) == ["sub/a.png", "sub/a.png.error.json"]
    assert not _requeue(studio, _only_row(studio).id)["failed"]
    assert studio.tree(place) == []
    assert studio.tree("results") == ["sub/a.png"]
    assert [(row.state, row.attempts) for row in studio.rows()][-1] == ("done", 0)
    invariants.check(studio)


def test_a_photo_that_is_rejected_again_has_its_sidecar_again(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("text.jpg", b"this is no photo")
    assert studio.run() == EXIT_SOME_REJECTED
    _requeue(studio, _only_row(studio).id)
    assert studio.tree("rejected") == ["text.jpg", "text.jpg.error.json"]
    assert [row.state for row in studio.rows()] == ["rejected", "rejected"]
    invariants.check(studio)


def test_an_original_that_was_moved_away_is_said_to_be_gone_and_nothing_changes(tmp_path: Path) -> None:
    studio = _over(tmp_path, broken)
    original = studio.hot / "rejected/sub/a.png"
    original.rename(tmp_path / "kept.png")
    before, row = studio.tree(), _only_row(studio)
    (failed,) = _requeue(studio, row.id)["failed"]
    assert failed["id"] == row.id
    assert "the original is no longer at rejected/sub/a.png" in failed["why"]
    assert studio.tree() == before
    assert studio.rows() == [row]


@pytest.mark.contract("P2")
def test_another_file_under_the_name_of_a_filed_original_is_left_alone(tmp_path: Path) -> None:
    studio = _over(tmp_path, broken)
    original = studio.hot / "rejected/sub/a.png"
    original.unlink()
    original.mkdir()
    (failed,) = _requeue(studio, _only_row(studio).id)["failed"]
    assert "is not a file any more" in failed["why"]
    assert original.is_dir()


def test_a_job_is_requeued_once_only(tmp_path: Path) -> None:
    studio = _over(tmp_path)
    row = _only_row(studio)
    new_id = _requeue(studio, row.id)["requeued"][0]["new_id"]
    (failed,) = _requeue(studio, row.id)["failed"]
    assert failed["why"] == f"already requeued, as job {new_id}"
    assert studio.tree("results") == ["sub/a.png", "sub/a~2.png"]
    assert _requeue(studio, new_id)["requeued"]
    assert studio.tree("results") == ["sub/a.png", "sub/a~2.png", "sub/a~3.png"]


def test_asked_twice_in_one_breath_the_second_is_refused(tmp_path: Path) -> None:
    studio = _over(tmp_path)
    row = _only_row(studio)
    answer = _requeue(studio, row.id, row.id)
    assert (len(answer["requeued"]), len(answer["failed"])) == (1, 1)
    assert studio.tree("results") == ["sub/a.png", "sub/a~2.png"]


def test_an_unknown_job_is_refused_and_the_others_are_not(tmp_path: Path) -> None:
    studio = _over(tmp_path)
    answer = _requeue(studio, "01J", _only_row(studio).id)
    assert [failed["id"] for failed in answer["failed"]] == ["01J"]
    assert len(answer["requeued"]) == 1


def test_an_original_that_has_a_second_link_is_requeued_or_stays(tmp_path: Path) -> None:
    """A backup by hard links must not make the original end anywhere but where it was, or where it is filed."""
    studio = _over(tmp_path)
    (filed,) = (studio.hot / "done").rglob("*.png")
    (tmp_path / "backup.png").hardlink_to(filed)
    answer = _requeue(studio, _only_row(studio).id)
    assert studio.tree("drop") == []
    assert len(answer["requeued"]) + len(answer["failed"]) == 1
    assert filed.exists() == bool(answer["failed"])


@pytest.mark.contract("D1", "D3", "D4")
@pytest.mark.parametrize("kept", [None, PowerCutDisk])
@pytest.mark.parametrize("spoil", [lambda photo: None, broken], ids=["done", "rejected"])
def test_dying_at_any_change_of_a_requeue_loses_and_doubles_nothing(
    fast_path: Path, spoil: Callable[[Photo], None], kept: type[PowerCutDisk] | None
) -> None:
    for at in range(1000):
        studio = _over(fast_path / str(at), spoil)
        row = _only_row(studio)
        assert row.filed_as is not None
        filed = studio.hot / row.filed_as.path
        if not _dies_in_a_requeue(studio, row, at, kept):
            break
        moved = not filed.exists()
        assert studio.run() == EXIT_FINE
        if moved and row.state == "done":
            studio.portraits.sets_again[row.sha256] += 1
        invariants.check(studio)
        assert studio.tree("done" if moved or row.state == "done" else "rejected")
    assert at > 40


def _dies_in_a_requeue(studio: Studio, row: Row, at: int, kept: type[PowerCutDisk] | None) -> bool:
    """Dies at change `at` after the daemon is watching; False when there is none any more."""
    beneath = kept(studio.base / "attic") if kept else None
    disk = DyingDisk(-1, beneath)
    try:
        with _watching(studio, disk) as running:
            _attach(running)
            disk.at = disk.changes + at
            running.requeue(row.id)
            running.run(until=lambda: running.state.is_idle)
            disk.at = -1
    except Died:
        pass
    if beneath is not None:
        beneath.cut()
    return disk.dead


@pytest.mark.contract("D1", "D3", "D6")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_requeue_that_the_place_fails_at_any_change_goes_on_by_itself_or_did_not_happen(
    fast_path: Path, code: int
) -> None:
    went_on = 0
    for at in range(1000):
        studio = _over(fast_path / str(at))
        row, disk = _only_row(studio), ErringDisk(-1, code)
        filed = studio.tree("done")
        with _watching(studio, disk) as running:
            _attach(running)
            disk.at = disk.changes + at
            if running.requeue(row.id)["requeued"]:
                break
            taken = studio.tree("done") != filed
            assert running.state.mode == "held"
            _attach(running)
            running.run(until=lambda running=running: running.state.is_idle)  # type: ignore[misc]
            assert studio.tree("results") == ["sub/a.png", "sub/a~2.png"][: 1 + taken], f"change {at}"
        went_on += taken
        studio.portraits.sets_again[row.sha256] = int(taken)
        invariants.check(studio)
    assert at > went_on > 5


class _Full(Disk):
    """Of which somebody else has taken all but one byte, until `mended`."""

    mended = False

    def free_bytes(self, dir_fd: int) -> int:
        return super().free_bytes(dir_fd) if self.mended else 1


@pytest.mark.contract("L4", "D6")
def test_a_requeue_takes_nothing_of_the_space_that_is_kept_in_reserve(tmp_path: Path) -> None:
    studio = _over(tmp_path)
    row, before = _only_row(studio), studio.tree()
    studio.limits = "{min_free_mib: 1}"
    disk = _Full()
    disk.mended = True
    with _watching(studio, disk) as running:
        _attach(running)
        disk.mended = False
        (failed,) = running.requeue(row.id)["failed"]
        assert "are kept in reserve" in failed["why"]
        assert (running.state.mode, studio.tree()) == ("held", before)
        disk.mended = True
        _attach(running)
        assert running.requeue(row.id)["requeued"]


def test_what_was_requeued_is_told_also_when_the_program_died_on_the_way(fast_path: Path) -> None:
    for at in range(1000):
        studio = _over(fast_path / str(at), broken)
        before = _only_row(studio)
        if not _dies_in_a_requeue(studio, before, at, None):
            break
        studio.run()
        rows = studio.rows()
        done = [row for row in rows if row.state == "done"]
        assert [row.id for row in done] == [rows[0].requeued_as] if done else rows == [before]
        assert sha256((studio.hot / rows[-1].filed_as.path).read_bytes()) == before.sha256


def test_a_photo_that_is_too_large_stays_so_when_it_is_requeued(tmp_path: Path) -> None:
    studio = Studio(tmp_path, limits="{min_free_mib: 0, max_pixels: 100}")
    studio.drop("large.png", png(1, 30, 40))
    studio.run()
    row = _only_row(studio)
    assert (row.state, row.reason) == ("rejected", "too_large")
    _requeue(studio, row.id)
    assert [(row.state, row.reason) for row in studio.rows()] == 2 * [("rejected", "too_large")]
    assert studio.tree("results") == []
    invariants.check(studio)
