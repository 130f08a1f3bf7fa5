"""Programs that write photos into drop/ in every way, in fake time: what is used is always the final file.

The long run: BSHM_WATCHD_ZOO_EXAMPLES=5000 pytest tests/faults/test_writers.py
"""

from __future__ import annotations

import contextlib
import itertools
import mmap
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bshm_watchd.events import Hinted
from bshm_watchd.matting.photo import Photo
from tests.support import invariants
from tests.support.contracts import Evidence
from tests.support.disks import Died, DyingDisk, MeddledDisk
from tests.support.studio import Running, Studio, cutout_of, png, sha256
from tests.support.trees import NOBODY, as_ordinary_user

_EXAMPLES = int(os.environ.get("BSHM_WATCHD_ZOO_EXAMPLES", "150"))
_PIECES = 6
_serial = itertools.count(3_000_000)


@dataclass(frozen=True)
class Habit:
    """How a program writes its photo."""

    keeps_open: bool
    preallocates: bool
    maps: bool  # writes through memory
    sets_time_back: bool  # to what it was before each write
    order: tuple[int, ...]  # of the pieces
    pauses: tuple[float, ...]  # in seconds, one after each piece
    hints: bool


def _habits() -> st.SearchStrategy[Habit]:
    """A program that keeps its photo open may do anything; one that doesn't must not stop while it looks whole."""
    pieces = tuple(range(_PIECES))
    long, short = st.sampled_from([0.0, 0.7, 2.5, 12.0, 70.0]), st.sampled_from([0.0, 0.4, 1.5])
    half = st.sampled_from([0.0, 1.5, 2.5, 12.0, 45.0])  # what is half is waited for, but not for ever
    flags = {"sets_time_back": st.booleans(), "hints": st.booleans()}

    def habit(keeps_open: bool, pause: st.SearchStrategy[float], order: st.SearchStrategy[tuple[int, ...]], **also):
        pauses = st.tuples(*[pause] * _PIECES)
        return st.builds(Habit, keeps_open=st.just(keeps_open), order=order, pauses=pauses, **flags | also)

    any_order = st.permutations(pieces).map(tuple)
    either, no, yes = st.booleans(), st.just(False), st.just(True)
    return (
        habit(True, long, any_order, preallocates=yes, maps=either)
        | habit(True, long, st.just(pieces), preallocates=no, maps=no)
        | habit(False, half, st.just(pieces), preallocates=either, maps=no)
        | habit(False, short, any_order, preallocates=yes, maps=either)
    )


class Program:
    """Writes one photo, piece by piece."""

    def __init__(self, path: Path, content: bytes, habit: Habit) -> None:
        self._path, self._content, self._habit = path, content, habit
        size = len(content) // _PIECES + 1
        self._pieces = [(start, content[start : start + size]) for start in range(0, len(content), size)]

    def run(self, running: Running) -> None:
        with contextlib.ExitStack() as stack:
            fd = self._open(stack)
            if self._habit.preallocates:
                os.ftruncate(fd, len(self._content))
            for number, pause in zip(self._habit.order, self._habit.pauses, strict=True):
                fd = fd if self._habit.keeps_open else self._open(stack)
                self._write(fd, *self._pieces[number])
                if not self._habit.keeps_open:
                    stack.close()
                if self._habit.hints:
                    running.inbox.put(Hinted("portraits", self._path.name))
                running.live(pause)

    def _open(self, stack: contextlib.ExitStack) -> int:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT)
        stack.callback(os.close, fd)
        return fd

    def _write(self, fd: int, offset: int, piece: bytes) -> None:
        before = os.fstat(fd)
        if self._habit.maps:
            with mmap.mmap(fd, 0) as mapped:
                mapped[offset : offset + len(piece)] = piece
        else:
            os.pwrite(fd, piece, offset)
        if self._habit.sets_time_back:
            os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))


def _made_of(studio: Studio, content: bytes) -> None:
    """One job, done, of exactly these bytes; it was never tried before."""
    [row] = studio.rows()
    assert (row.state, row.sha256, row.attempts) == ("done", sha256(content), 0), (row.state, row.reason)
    studio.portraits.originals = {sha256(content): ["a.png"]}
    invariants.check(studio)


@pytest.mark.slow
@pytest.mark.contract("I2")
@settings(
    max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
)
@given(habit=_habits())
def test_whatever_a_writer_does_the_final_file_is_used_and_no_other(
    fast_path: Path, evidence: Evidence, habit: Habit
) -> None:
    serial = next(_serial)
    studio, content = Studio(fast_path / str(serial), "    rescan_seconds: 5\n"), png(serial, 24, 32)
    with studio.start(once=None) as running:
        running.live(1)
        Program(studio.hot / "drop" / "a.png", content, habit).run(running)
        running.live(90)
    _made_of(studio, content)
    evidence(writers_run=1)


# -- at the worst moment


def _calls_of_a_run(base: Path) -> int:
    studio, disk = Studio(base), MeddledDisk(-1, lambda: None)
    studio.drop("a.png")
    assert studio.run(disk) == 0
    return disk.calls


def _of_one_length(serial: int) -> bytes:
    return png(serial).ljust(500, b"x")


def _where(studio: Studio) -> Path | None:
    """The photo as a program finds it that opened it in time: in drop/, or already claimed."""
    found = [*studio.hot.glob("drop/a.png"), *studio.hot.glob(".bshm/work/*/a.png")]
    return found[0] if found else None


@pytest.mark.contract("I2", "D1")
def test_a_photo_that_is_rewritten_at_any_moment_is_used_as_it_is_in_the_end(
    fast_path: Path, evidence: Evidence
) -> None:
    """With the same length and the time set back, which shows least. Once its results have names it is too late: then
    the recorded hash tells that the original was changed after it was read."""
    late, total = 0, _calls_of_a_run(fast_path / "count")
    moments = range(0, total, 1 if _EXAMPLES > 150 else 2)
    for at in moments:
        studio = Studio(fast_path / str(at))
        first = studio.drop("a.png", _of_one_length(next(_serial)))
        final = _of_one_length(next(_serial))
        written: list[Path] = []

        def rewrite(studio: Studio = studio, final: bytes = final, written: list[Path] = written) -> None:
            if (path := _where(studio)) is not None:
                before = path.stat()
                path.write_bytes(final)
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
                written.append(path)

        studio.run(MeddledDisk(at, rewrite))
        studio.run()
        late += _judge(studio, first, final, bool(written))
    print(f"rewritten at each of {len(moments)} calls, {late} of them after its results had names")
    assert 0 < late < len(moments) / 4
    evidence(moments_meddled_with=len(moments))


def _judge(studio: Studio, first: bytes, final: bytes, rewritten: bool) -> bool:
    """Whether the photo was changed too late to be noticed. Anything else that is wrong fails the test."""
    [row] = [row for row in studio.rows() if row.state == "done"]
    assert row.filed_as is not None
    filed = (studio.hot / row.filed_as.path).read_bytes()
    assert filed == (final if rewritten else first)
    result = invariants.whole(studio.hot / "results" / "a.png")
    used = final if row.sha256 == sha256(final) else first
    assert row.sha256 == sha256(used)
    assert (result == cutout_of(used)).all()
    assert studio.tree() == sorted([row.filed_as.path, "results/a.png"])
    return used != filed


@pytest.mark.contract("I2")
def test_a_photo_that_is_still_open_when_it_was_read_goes_back_until_it_is_closed(fast_path: Path) -> None:
    """It settled before it was opened, and nothing was written yet."""
    studio = Studio(fast_path)
    content = studio.drop("a.png")
    with contextlib.ExitStack() as stack:

        def begin_to_write(_: object = None) -> None:
            path = _where(studio)
            assert path is not None
            stack.enter_context(path.open("r+b"))

        disk = _WhenClaimed(begin_to_write)
        with studio.start(disk, once=None) as running:
            running.live(60)
            assert studio.tree() == ["drop/a.png"]
            assert studio.rows() == []
            stack.close()
            running.live(60)
    _made_of(studio, content)


class _WhenClaimed(MeddledDisk):
    """Calls `then` once, right before the photo's rename into the work directory."""

    def __init__(self, then: object) -> None:
        super().__init__(-1, then)  # type: ignore[arg-type]
        rename = self.replace

        def replace(from_fd: int, name: str, to_fd: int, new_name: str) -> None:
            if name == "a.png" and self.at < 0:
                self.at = self.calls
            rename(from_fd, name, to_fd, new_name)

        self.replace = replace  # type: ignore[method-assign]


@pytest.mark.contract("I2")
def test_a_photo_that_grows_while_its_matte_is_made_is_made_again_of_all_of_it(fast_path: Path) -> None:
    studio = Studio(fast_path)
    content = studio.drop("a.png")
    grown: list[bytes] = []

    def grow(_: Photo) -> None:
        if not grown:
            path = _where(studio)
            assert path is not None
            grown.append(content + b"more")
            path.write_bytes(grown[0])

    assert studio.run(spoil=grow) == 0
    _made_of(studio, grown[0])


@pytest.mark.contract("I2", "D4")
def test_dying_at_any_change_of_a_release_loses_nothing_and_blames_nobody(fast_path: Path, evidence: Evidence) -> None:
    begun, over = _changes_of_a_release(fast_path / "count")
    for at in range(begun, over):
        studio = Studio(fast_path / str(at))
        disk = DyingDisk(at)
        with pytest.raises(Died):
            studio.run(disk, spoil=_grow_once(studio, disk, []))
        [left] = [path for path in studio.hot.rglob("a*.png") if path.parent.name != "results"]
        studio.portraits.originals = {sha256(left.read_bytes()): ["a.png"]}
        assert studio.run() == 0
        invariants.check(studio)
        assert [row.state for row in studio.rows()] == ["done"]
    assert over - begun > 15
    evidence(points_killed=over - begun)


def _changes_of_a_release(base: Path) -> tuple[int, int]:
    """The changes from the moment a photo grows in its matte to its second matte."""
    studio, disk, mattes = Studio(base), DyingDisk(-1), list[int]()
    assert studio.run(disk, spoil=_grow_once(studio, disk, mattes)) == 0
    return mattes[0], mattes[1]


def _grow_once(studio: Studio, disk: DyingDisk, mattes: list[int]) -> Callable[[Photo], None]:
    content = studio.drop("a.png")

    def grow(_: Photo) -> None:
        mattes.append(disk.changes)
        path = _where(studio)
        if path is not None and path.read_bytes() == content:
            path.write_bytes(content + b"more")

    return grow


@pytest.mark.contract("I2")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to write as another user than the daemon's")
def test_a_user_who_may_not_ask_for_writers_learns_from_the_hash_that_one_came_back(fast_path: Path) -> None:
    """A dead stop in a whole file, then more by the same descriptor: only a lease could tell. The result is that of a
    whole photo, the hash is that of the bytes it was made of, and nothing is lost of what came later."""
    studio, whole = Studio(fast_path), png(next(_serial))
    for path in (fast_path, studio.hot, studio.hot / "drop"):
        os.chown(path, NOBODY, NOBODY)
    with (studio.hot / "drop" / "a.png").open("wb", buffering=0) as file:
        file.write(whole)
        assert as_ordinary_user(lambda: str(studio.run())) == "0"
        file.write(b"more")
    [row] = studio.rows()
    assert row.filed_as is not None
    assert row.sha256 == sha256(whole)
    assert (studio.hot / row.filed_as.path).read_bytes() == whole + b"more"
    assert (invariants.whole(studio.hot / "results" / "a.png") == cutout_of(whole)).all()
