"""Two results of one photo, and the program dies between their publishings, or somebody takes a name meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bshm_watchd.clock import local_date
from bshm_watchd.delivery.matted import Matted
from bshm_watchd.disk import record
from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE
from bshm_watchd.jobs import Job, State
from bshm_watchd.output_settings import OutputSettings
from tests.support import invariants
from tests.support.crashes import TWO_OUTPUTS
from tests.support.disks import Died, DyingDisk, InterruptedDisk, NoReplaceMissing
from tests.support.rendering import render
from tests.support.studio import Studio

_FOREIGN = b"somebody else's"
Act = Callable[[Path], None]


class Renders:
    """Counts what is rendered, in all lives together."""

    def __init__(self) -> None:
        self.kinds: list[str] = []

    def __call__(self, output: OutputSettings, matted: Matted) -> bytes:
        self.kinds.append(output.kind)
        return render(output, matted)


def _leave(_: Path) -> None:
    """The user did nothing."""


def _remove(result: Path) -> None:
    result.unlink()


def _edit(result: Path) -> None:
    result.write_bytes(_FOREIGN)


def _put_another_there(result: Path) -> None:
    result.rename(result.with_name("taken away.png"))
    result.write_bytes(_FOREIGN)


def _killed_between(base: Path, disk: type[Disk]) -> Iterator[tuple[Studio, Renders]]:
    """A studio for each change after the first result's rename and up to the commit of `published`."""
    killed = 0
    for at in range(1000):
        studio, renders = Studio(base / str(at), TWO_OUTPUTS), Renders()
        studio.drop("a.png")
        try:
            studio.run(DyingDisk(at, disk()), render=renders)
            break
        except Died:
            if (job := _recorded(studio)) and job.state is State.PUBLISHING and studio.tree("results") == ["a.png"]:
                killed += 1
                yield studio, renders
    assert killed >= 7


def _recorded(studio: Studio) -> Job | None:
    found = list((studio.hot / ".bshm/work").glob("*/job.json"))
    return record.decode(found[0].read_bytes()) if found else None


@pytest.mark.contract("D3", "D4")
@pytest.mark.parametrize("disk", [Disk, NoReplaceMissing])
def test_a_kill_between_two_publishings_makes_neither_twice(fast_path: Path, disk: type[Disk]) -> None:
    for studio, renders in _killed_between(fast_path, disk):
        assert studio.run(disk(), render=renders) == EXIT_FINE
        assert sorted(renders.kinds) == ["cutout", "matte"]
        assert (studio.tree("results"), studio.tree("mattes")) == (["a.png"], ["a.png"])
        invariants.check(studio)


@pytest.mark.contract("D3", "P2")
@pytest.mark.parametrize("act", [_leave, _remove, _edit, _put_another_there])
def test_what_a_user_did_to_a_published_result_stays_done(fast_path: Path, act: Act) -> None:
    for studio, renders in _killed_between(fast_path, Disk):
        act(studio.hot / "results/a.png")
        before = {path.name: path.read_bytes() for path in (studio.hot / "results").iterdir() if path.suffix == ".png"}
        assert studio.run(render=renders) == EXIT_FINE
        assert {path.name: path.read_bytes() for path in (studio.hot / "results").iterdir()} == before
        assert sorted(renders.kinds) == ["cutout", "matte"]
        assert studio.tree("mattes") == ["a.png"]
        assert studio.tree("done") == [f"{local_date(studio.clock.wall())}/a.png"]


@pytest.mark.contract("P2")
def test_a_result_edited_between_link_and_unlink_keeps_its_edit(fast_path: Path) -> None:
    for studio, renders in _killed_between(fast_path, NoReplaceMissing):
        _edit(studio.hot / "results/a.png")
        assert studio.run(NoReplaceMissing(), render=renders) == EXIT_FINE
        assert (studio.hot / "results/a.png").read_bytes() == _FOREIGN
        assert studio.tree("results") == ["a.png"]


# -- somebody takes a name ---------------------------------------------------------------------------------


def _take(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_FOREIGN)


def _taking(studio: Studio, place: str, numbers: list[int], change: str = "rename") -> InterruptedDisk:
    """Somebody takes `place` right before its rename; `numbers` gets the committed number ahead of each rename."""

    def before(called: str, name: str) -> None:
        if called == change and name.endswith(".png") and (job := _recorded(studio)) is not None:
            numbers.append(job.number)
            if not (studio.hot / place).exists() and name == Path(place).name:
                _take(studio.hot / place)

    return InterruptedDisk(before)


@pytest.mark.contract("P9")
@pytest.mark.parametrize(
    ("taken", "results", "mattes", "done", "committed"),
    [
        ("results/a.png", ["a.png", "a~2.png"], ["a~2.png"], "a~2.png", [1, 2, 2, 2]),
        ("mattes/a.png", ["a.png"], ["a.png", "a~2.png"], "a~2.png", [1, 1, 2, 2]),
    ],
)
def test_a_name_taken_at_the_last_moment_moves_on_to_the_next_number(
    tmp_path: Path, taken: str, results: list[str], mattes: list[str], done: str, committed: list[int]
) -> None:
    studio, numbers = Studio(tmp_path, TWO_OUTPUTS), []
    studio.drop("a.png")
    assert studio.run(_taking(studio, taken, numbers)) == EXIT_FINE
    assert (studio.hot / taken).read_bytes() == _FOREIGN
    assert (studio.tree("results"), studio.tree("mattes")) == (results, mattes)
    assert studio.tree("done") == [f"{local_date(studio.clock.wall())}/{done}"]
    assert numbers == committed
    (studio.hot / taken).unlink()
    invariants.check(studio)


def test_a_name_taken_in_done_at_the_last_moment_moves_only_the_original(tmp_path: Path) -> None:
    studio, numbers = Studio(tmp_path, TWO_OUTPUTS), []
    today = local_date(studio.clock.wall())
    studio.drop("a.png")
    assert studio.run(_taking(studio, f"done/{today}/a.png", numbers)) == EXIT_FINE
    assert (studio.tree("results"), studio.tree("mattes")) == (["a.png"], ["a.png"])
    assert studio.tree("done") == [f"{today}/a.png", f"{today}/a~2.png"]
    assert (studio.hot / "done" / today / "a.png").read_bytes() == _FOREIGN


@pytest.mark.contract("P2", "P9")
@pytest.mark.parametrize("place", ["results/a.png", "mattes/a.png", "done/{today}/a.png"])
@pytest.mark.parametrize("take", [_take, Path.mkdir, lambda path: path.symlink_to("nowhere")], ids=["f", "d", "l"])
def test_a_name_that_was_taken_before_is_left_alone_and_all_take_the_next(
    tmp_path: Path, place: str, take: Act
) -> None:
    studio = Studio(tmp_path, TWO_OUTPUTS)
    today = local_date(studio.clock.wall())
    taken = studio.hot / place.format(today=today)
    taken.parent.mkdir(parents=True)
    take(taken)
    before = taken.lstat()
    studio.drop("a.png")
    assert studio.run() == EXIT_FINE
    assert taken.lstat() == before
    for directory in ("results", "mattes", f"done/{today}"):
        assert (studio.hot / directory / "a~2.png").is_file()


@pytest.mark.contract("P2", "D4")
@pytest.mark.parametrize("taken", ["results/a.png", "mattes/a.png"])
def test_dying_at_any_change_while_a_name_is_taken_overwrites_nothing(fast_path: Path, taken: str) -> None:
    for at in range(1000):
        studio, numbers = Studio(fast_path / str(at), TWO_OUTPUTS), []
        studio.drop("a.png")
        disk = DyingDisk(at, _taking(studio, taken, numbers))
        try:
            studio.run(disk)
            break
        except Died:
            assert studio.run() == EXIT_FINE
        if (studio.hot / taken).read_bytes() == _FOREIGN:
            (studio.hot / taken).unlink()
        invariants.check(studio)
    assert at > 60
