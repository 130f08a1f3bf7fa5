"""Every right taken from every directory in turn: the daemon waits, says which one, loses nothing, and goes on unaided.

The daemon's part runs as an ordinary user, without any capability; root takes the rights and gives them back.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bshm_watchd.disk.filing import SIDECAR_SUFFIX
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.studio import Running, Studio, nobody

pytestmark = [
    pytest.mark.contract("P5", "D6"),
    pytest.mark.skipif(os.geteuid() != 0, reason="needs to take rights from another user, which only root can"),
]

_DAEMON, _STUDIO, _STRANGER = 4601, 4602, 4603
_RIGHTS = {"read": stat.S_IROTH | stat.S_IRGRP, "write": 0o022, "search": 0o011, "every right": 0o077}
_DIRECTORIES = ("", "drop", "results", "results/sub", "done", "review", "rejected", ".bshm", ".bshm/work")
_CASES = tuple(itertools.product(_DIRECTORIES, _RIGHTS))
# As long as nothing has to be made in it: the layout is there, and today's directory in done/. Nothing failed.
_NOT_NEEDED = {("", "write"), ("done", "read"), ("done", "write"), (".bshm", "write")}


@contextlib.contextmanager
def acting_as(user: int, *groups: int) -> Iterator[None]:
    """This process without its privileges; it gets them back in the end."""
    os.setgroups(groups)
    os.setegid(user)
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups([0])


@pytest.fixture
def studio(fast_path: Path) -> Iterator[Studio]:
    """A studio that has worked before: every directory is there, root's own, open to the group of the daemon."""
    fast_path.chmod(0o755)
    (fast_path / "state").mkdir()
    os.chown(fast_path / "state", _DAEMON, _DAEMON)
    studio = Studio(fast_path)
    for place in ("results/sub", "done", "review", "rejected", "failed"):
        (studio.hot / place).mkdir(parents=True)
    _open_to_group(studio.hot)
    with acting_as(_DAEMON, _STUDIO):
        studio.drop("sub/first.png")
        studio.drop("rejected.png", b"no photo")
        studio.drop("review.png", nobody())
        studio.run()
    yield studio


def _open_to_group(top: Path) -> None:
    for path in (top, *(path for path in top.rglob("*") if path.is_dir())):
        os.chown(path, 0, _STUDIO)
        path.chmod(0o2775)


@contextlib.contextmanager
def _taken(path: Path, bits: int) -> Iterator[Callable[[], None]]:
    """The directory without some rights; what is yielded gives them back."""
    before = path.stat()
    owner = before.st_uid

    def give_back() -> None:
        os.chown(path, owner, before.st_gid)
        path.chmod(stat.S_IMODE(before.st_mode))

    path.chmod(stat.S_IMODE(before.st_mode) & ~(bits | bits << 3))
    try:
        yield give_back
    finally:
        give_back()


def _run_until(running: Running, condition: Callable[[], bool]) -> None:
    with acting_as(_DAEMON, _STUDIO):
        running.run(until=condition)


def _drop(studio: Studio, number: int) -> None:
    """By root: one that is done, one for review, one to reject. The daemon may read them."""
    studio.drop(f"sub/{number}.png")
    studio.drop(f"{number}-review.png", nobody())
    studio.drop(f"{number}-rejected.png", b"no photo %d" % number)
    for path in (studio.hot / "drop").rglob("*.png"):
        path.chmod(0o644)


def _is_over(studio: Studio, number: int) -> bool:
    """Asked while the daemon is another user, who may not look everywhere."""
    with _as_root():
        names = [f"{number}-review.png", f"{number}-rejected.png"]
        places = [studio.hot / top / name for top, name in zip(("review", "rejected"), names, strict=True)]
        filed = [*places, *(place.with_name(place.name + SIDECAR_SUFFIX) for place in places)]
        return all(path.exists() for path in filed) and any((studio.hot / "done").rglob(f"{number}.png"))


def _blames(reason: str, place: Path) -> bool:
    """It names the directory, or what was to be made right in it, and says what is to be given."""
    named = Path(reason.split(":")[0])
    return "rights there" in reason and place in (named, named.parent)


@contextlib.contextmanager
def _as_root() -> Iterator[None]:
    user = os.geteuid()
    os.seteuid(0)
    try:
        yield
    finally:
        os.seteuid(user)


def test_each_missing_right_holds_the_folder_says_where_and_is_all_it_waits_for(
    studio: Studio, evidence: Evidence
) -> None:
    """One daemon meets them all, one after the other."""
    with studio.start(once=None) as running:
        for number, (directory, right) in enumerate(_CASES):
            place = studio.hot / directory
            with _taken(place, _RIGHTS[right]) as give_back:
                _drop(studio, number)
                _run_until(running, lambda: running.state.mode == "held" or _is_over(studio, number))  # noqa: B023
                held, reason = running.state.mode == "held", running.state.reason
                print(f"{directory:12} {right:12} {'held' if held else 'worked'} {reason}")
                assert held != ((directory, right) in _NOT_NEEDED), f"{directory} without {right}: {reason}"
                if held:
                    assert _blames(reason, place), f"{directory} without {right}: {reason}"
                invariants.each_original_is_in_one_place(studio.portraits)
                give_back()
                _run_until(running, lambda: _is_over(studio, number))  # noqa: B023
    invariants.each_original_is_in_one_place(studio.portraits)
    evidence(rights_taken=len(_CASES), photos_dropped=3 * len(_CASES))


@pytest.mark.parametrize("how", ["sticky", "another group"])
def test_what_else_keeps_a_photo_from_being_taken_is_named_and_waited_for(
    studio: Studio, how: str, evidence: Evidence
) -> None:
    drop = studio.hot / "drop"
    with studio.start(once=None) as running, _hindered(how, drop) as give_back:
        _drop(studio, 1)
        _run_until(running, lambda: running.state.mode == "held")
        reason = running.state.reason
        assert reason.startswith(str(studio.hot)), reason
        assert {"sticky": "chmod -t", "another group": "rights there"}[how] in reason
        invariants.each_original_is_in_one_place(studio.portraits)
        give_back()
        _run_until(running, lambda: _is_over(studio, 1))
    evidence(rights_taken=1, photos_dropped=3)


@contextlib.contextmanager
def _hindered(how: str, drop: Path) -> Iterator[Callable[[], None]]:
    before = drop.stat()
    if how == "sticky":
        drop.chmod(0o3775)
    else:
        os.chown(drop, 0, _STRANGER)
        drop.chmod(0o2770)

    def give_back() -> None:
        os.chown(drop, 0, _STUDIO)
        drop.chmod(stat.S_IMODE(before.st_mode))

    yield give_back


@pytest.mark.parametrize("right", _RIGHTS)
def test_a_closed_directory_in_drop_keeps_its_own_photos_waiting_and_no_others(
    studio: Studio, right: str, evidence: Evidence
) -> None:
    with studio.start(once=None) as running, _taken(studio.hot / "drop/sub", _RIGHTS[right]) as give_back:
        _drop(studio, 1)
        _run_until(running, lambda: _others_are_over(studio, 1) and running.state.left > 0)
        assert running.state.mode == "watching"
        assert (studio.hot / "drop/sub/1.png").exists()
        give_back()
        _run_until(running, lambda: _is_over(studio, 1))
    evidence(rights_taken=1, photos_dropped=3)


def _others_are_over(studio: Studio, number: int) -> bool:
    with _as_root():
        return (studio.hot / f"review/{number}-review.png").exists() and any(
            (studio.hot / "rejected").rglob(f"{number}-rejected.png")
        )
