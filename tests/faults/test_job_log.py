"""Every move of a job is one line of the log: a busy life's lines are replayed against the table of moves."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bshm_watchd.disk.ops import Disk
from bshm_watchd.jobs import ENDED, State
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.crashes import busy_studio, changes_of_a_run
from tests.support.disks import Died, DyingDisk, ErringDisk, MeddledDisk
from tests.support.job_log import Line, noted, replayed
from tests.support.studio import Studio, cutout_of, nobody, png

_FLAKY, _CURSED, _GROWING = png(11), png(12), png(13)


_EVERY = int(os.environ.get("BSHM_WATCHD_LOG_EVERY", "5"))  # of the changes; 1 takes a minute and dies at each


class RecordedDisk(MeddledDisk):
    """Notes the state of each record of a job that is committed."""

    def __init__(self, then: Callable[[], None] = lambda: None) -> None:
        super().__init__(-1, then)
        self.states: dict[str, list[State]] = {}
        replace = self.replace

        def committing(from_fd: int, name: str, to_fd: int, new_name: str) -> None:
            replace(from_fd, name, to_fd, new_name)
            if new_name == "job.json":
                fd = os.open(new_name, os.O_RDONLY, dir_fd=to_fd)
                self._note(json.loads(os.read(fd, 1 << 20)))
                os.close(fd)

        self.replace = committing  # type: ignore[method-assign]

    def _note(self, record: dict[str, str]) -> None:
        states = self.states.setdefault(record["id"], [State.CLAIMING])
        if states[-1] != record["state"]:  # a new number is no move
            states.append(State(record["state"]))


def _trouble(studio: Studio) -> Callable[[Photo], None]:
    """One photo fails once, one always, one grows in its matte."""
    tried: Counter[bytes] = Counter()
    pixels = {cutout_of(content)[:, :, 2::-1].tobytes(): content for content in (_FLAKY, _CURSED, _GROWING)}

    def spoil(photo: Photo) -> None:
        content = pixels.get(photo.pixels.tobytes(), b"")
        tried[content] += 1
        if content == _CURSED or (content == _FLAKY and tried[content] == 1):
            raise ValueError("it can't be matted")
        if content == _GROWING and tried[content] == 1:
            [path] = studio.hot.glob(".bshm/work/*/growing.png")
            path.write_bytes(_GROWING + b"more")

    return spoil


def _drop_all(studio: Studio) -> None:
    studio.drop("a.png")
    studio.drop("empty.png", nobody())
    studio.drop("text.jpg", b"this is no photo")
    studio.drop("flaky.png", _FLAKY)
    studio.drop("cursed.png", _CURSED)
    studio.drop("growing.png", _GROWING)
    studio.drop("taken back.png")


def _busy_life(studio: Studio, disk: Disk) -> None:
    """Done, rejected, failed, retried, released and gone; then requeued and done once more."""
    _drop_all(studio)
    with studio.start(disk, spoil=_trouble(studio), once=None) as running:
        running.live(1)
        with _taken_back_at_its_claim(studio, disk):
            running.live(300)
        [done] = [row for row in studio.rows() if row.name == "a.png"]
        [failed] = [row for row in studio.rows() if row.state == "failed"]
        running.requeue(done.id)
        running.requeue(failed.id)
        running.live(300)


@contextlib.contextmanager
def _taken_back_at_its_claim(studio: Studio, disk: Disk) -> Iterator[None]:
    replace = disk.replace

    def taking(from_fd: int, name: str, to_fd: int, new_name: str) -> None:
        if name == "taken back.png":
            (studio.hot / "drop" / name).unlink()
        replace(from_fd, name, to_fd, new_name)

    disk.replace = taking  # type: ignore[method-assign]
    yield
    disk.replace = replace  # type: ignore[method-assign]


@pytest.mark.contract("O5")
def test_every_committed_move_is_one_line_and_every_line_a_move(fast_path: Path, evidence: Evidence) -> None:
    studio, disk = Studio(fast_path), RecordedDisk()
    with noted() as lines:
        _busy_life(studio, disk)
    ways = replayed(lines)
    ends = {row.id: State(row.state) for row in studio.rows()}
    for job_id, committed in disk.states.items():
        logged, [*moves] = ways[job_id], committed[1:]
        end = [ends[job_id]] if job_id in ends else logged[-1:]  # an end is told by the index alone, or by nothing
        assert logged == [*moves, *end], job_id
    reached = {state for way in ways.values() for state in way}
    assert reached == set(State) - {State.CLAIMING}
    assert {way[-1] for way in ways.values() if way[-1] not in ENDED} == {State.GONE, State.RELEASED}
    evidence(moves_logged=sum(map(len, ways.values())))


@pytest.mark.contract("O5", "D4")
def test_whenever_it_dies_the_lines_before_and_after_fit_together(fast_path: Path, evidence: Evidence) -> None:
    """Also that every end which the index knows was told."""
    total = changes_of_a_run(fast_path / "count")
    moments = range(0, total, _EVERY)
    for at in moments:
        studio, disk = busy_studio(fast_path / str(at)), DyingDisk(at)
        with noted() as lines:
            with contextlib.suppress(Died):
                studio.run(disk)
            studio.run()
        _ends_are_told(studio, lines)
    evidence(points_killed=len(moments))


def _ends_are_told(studio: Studio, lines: list[Line]) -> None:
    ways = replayed(lines)
    for row in studio.rows():
        assert ways[row.id][-1] == row.state, f"{row.relative} ended as {row.state}: {ways[row.id]}"


@pytest.mark.contract("O5")
def test_a_place_that_fails_leaves_no_gap_between_the_lines(fast_path: Path, evidence: Evidence) -> None:
    total = changes_of_a_run(fast_path / "count")
    moments = range(1, total, 2 * _EVERY)
    for at in moments:
        studio, disk = busy_studio(fast_path / str(at)), ErringDisk(at, errno.EIO)
        with noted() as lines:
            studio.run(disk)
            studio.run()
        _ends_are_told(studio, lines)
        invariants.check(studio)
    evidence(errors_injected=len(moments))
