"""While somebody swaps names for links as fast as he can, nothing outside is read or touched, and no photo is lost.

Three users: root prepares, the daemon works as one ordinary user, the attacker as another one in a common group.
A longer run: BSHM_WATCHD_RACE_SECONDS=600 pytest tests/faults/test_swapping_attacker.py
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from bshm_watchd.clock import SystemClock
from bshm_watchd.disk.ops import Disk
from bshm_watchd.ending import EXIT_FINE, EXIT_LEFT
from tests.support.attacker import Pair, attacking, exchange
from tests.support.contracts import Evidence
from tests.support.studio import Studio, cutout_of, png, sha256
from tests.support.trees import as_ordinary_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs two users, which only root can become")

_SECONDS = float(os.environ.get("BSHM_WATCHD_RACE_SECONDS", "6"))
_DAEMON, _ATTACKER, _STUDIO = 4501, 4502, 4503
_PHOTOS_A_ROUND, _LIFE_SECONDS = 60, 2.0
_DIRECTORIES = ("s0", "s1", "s2")
_RESULTS = ("results", ".results.link")  # wherever the last exchange left the directory
_SEEN = (errno.ENOTDIR, errno.ELOOP)
_OPENS = ("open_directory", "enter", "open_beneath", "open_file")


class _CountingDisk(Disk):
    """Counts how often a way turned out to have a link, or what is no directory, in it."""

    def __init__(self, *, walking: bool) -> None:
        self.seen = 0
        self.opened = 0
        for name in _OPENS:
            setattr(self, name, self._counted(getattr(super(), name)))
        if walking:
            self.open_beneath = self._missing  # type: ignore[method-assign]

    @staticmethod
    def _missing(dir_fd: int, path: str) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), path)

    def _counted(self, call: Callable[..., int]) -> Callable[..., int]:
        @wraps(call)
        def counted(*arguments: Any) -> int:
            try:
                fd = call(*arguments)
            except OSError as error:
                self.seen += error.errno in _SEEN
                raise
            self.opened += 1
            return fd

        return counted


@dataclass(frozen=True)
class _Scene:
    """A hot folder that a whole group may write in, and beside it a tree of the daemon's own that nobody may reach."""

    base: Path
    hot: Path
    canary: Path

    @classmethod
    def made(cls, base: Path) -> _Scene:
        scene = cls(base, base / "hot", base / "canary")
        base.chmod(0o755)
        for path in (scene.hot, *(scene.hot / top / sub for top in ("drop", "results") for sub in ("", *_DIRECTORIES))):
            path.mkdir(exist_ok=True)
            os.chown(path, _DAEMON, _STUDIO)
            path.chmod(0o2775)
        (base / "state").mkdir()
        os.chown(base / "state", _DAEMON, _DAEMON)
        scene._make_canary()
        return scene

    def _make_canary(self) -> None:
        """All that the daemon's user could read and change, if it were led there: its own, in his own directories."""
        for directory in (self.canary, self.canary / "out", self.canary / "in"):
            directory.mkdir()
        for number in range(_PHOTOS_A_ROUND):
            (self.canary / "in" / f"{number}.png").write_bytes(png(900_000 + number))
            (self.canary / "out" / f"{number}.png").write_bytes(b"precious")
        os.link(self.canary / "in" / "0.png", self.hot / "drop" / "s0" / ".hard")
        for path in (self.canary, *self.canary.rglob("*")):
            os.chown(path, _DAEMON, _DAEMON)
            path.chmod(0o700 if path.is_dir() else 0o600)

    def pairs(self) -> list[Pair]:
        """What is exchanged for what. Names with a dot in front are not looked for by the daemon."""
        links: list[tuple[str, str, Path]] = [("drop", "s0", self.canary / "in"), ("drop", "s1", self.hot / "drop/s2")]
        links += [("results", name, self.canary / "out") for name in _DIRECTORIES]
        links += [("", "results", self.canary), ("", "done", self.canary / "out")]
        links += [("drop/s2", f"{number}.png", self.canary / "in" / f"{number}.png") for number in (2, 5, 8)]
        pairs = []
        for top, name, target in links:
            link = self.hot / top / f".{name}.link"
            link.symlink_to(target)
            pairs.append((self.hot / top / name, link))
        os.mkfifo(self.hot / "drop/s1/.fifo")
        os.chown(self.hot / "drop/s1/.fifo", _ATTACKER, _STUDIO)
        (self.hot / "drop/s1/.dir").mkdir()
        os.chown(self.hot / "drop/s1/.dir", _ATTACKER, _STUDIO)
        pairs += [(self.hot / "drop/s1/1.png", self.hot / f"drop/s1/.{kind}") for kind in ("fifo", "dir")]
        pairs.append((self.hot / "drop/s0/3.png", self.hot / "drop/s0/.hard"))
        return pairs

    def drop(self, round_number: int) -> list[bytes]:
        """A photo of the attacker's own in each place, also where a link stands now: by the directory's own name."""
        dropped = []
        for number in range(_PHOTOS_A_ROUND):
            content = png(round_number * 1000 + number)
            with self._opened(_DIRECTORIES[number % 3]) as dir_fd:
                name = f"{number}.png" if f"{number}.png" not in os.listdir(dir_fd) else f"{number}.{round_number}.png"
                fd = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=dir_fd)
                os.write(fd, content)
                os.fchown(fd, _ATTACKER, _STUDIO)
                os.fchmod(fd, 0o664)
                os.close(fd)
            dropped.append(content)
        return dropped

    @contextlib.contextmanager
    def _opened(self, name: str) -> Iterator[int]:
        drop = self.hot / "drop"
        path = drop / name if stat.S_ISDIR((drop / name).lstat().st_mode) else drop / f".{name}.link"
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield fd
        finally:
            os.close(fd)


def _snapshot(top: Path) -> dict[str, object]:
    """All that must not change; not even an access time of a file that nobody may have opened."""
    return {
        str(path.relative_to(top)): (
            (status := path.lstat()).st_mode,
            (status.st_uid, status.st_gid, status.st_ino, status.st_nlink, status.st_size, status.st_mtime_ns),
            sorted(os.listdir(path)) if path.is_dir() else path.read_bytes(),
        )
        for path in (top, *sorted(top.rglob("*")))
    }


def _live(scene: _Scene, *, walking: bool) -> str:
    """A while in the life of a daemon that does not end by itself; what it met, as JSON."""
    disk = _CountingDisk(walking=walking)
    clock = SystemClock()
    os.umask(0o077)
    until = clock.monotonic() + _LIFE_SECONDS
    with Studio(scene.base).start(disk, once=None) as running:
        running.run(limit_seconds=1e9, until=lambda: clock.monotonic() > until)
    return json.dumps({"links_met": disk.seen})


def _files(top: Path) -> Iterator[Path]:
    for directory, _, names in os.walk(top):
        for name in names:
            path = Path(directory) / name
            if stat.S_ISREG(path.lstat().st_mode):
                yield path


@pytest.mark.slow
@pytest.mark.contract("P2", "P6", "P7", "P10", "D1")
@pytest.mark.parametrize("walking", [False, True], ids=["openat2", "walk"])
def test_a_user_who_swaps_names_for_links_gets_the_daemon_nowhere(
    fast_path: Path, evidence: Evidence, *, walking: bool
) -> None:
    scene, clock = _Scene.made(fast_path), SystemClock()
    before = _snapshot(scene.canary)
    dropped: list[bytes] = []
    met: Counter[str] = Counter()
    deadline, rounds = clock.monotonic() + _SECONDS, 0
    pairs = scene.pairs()
    while clock.monotonic() < deadline:
        rounds += 1
        dropped += scene.drop(rounds)
        targets = [scene.hot / "results" / name for name in _DIRECTORIES]
        with attacking(pairs, targets, scene.canary / "out" / "0.png", _ATTACKER, _STUDIO, 60) as swaps:
            told = as_ordinary_user(lambda: _live(scene, walking=walking), _DAEMON, [_STUDIO])
        assert told.startswith("{"), told
        met.update(json.loads(told), exchanges=swaps.exchanges, planted=swaps.temporaries)
        assert _snapshot(scene.canary) == before
    _put_back(pairs)
    exit_code = as_ordinary_user(lambda: str(Studio(scene.base).run()), _DAEMON, [_STUDIO])
    assert exit_code in (str(EXIT_FINE), str(EXIT_LEFT))  # left: the hard link, where it has a photo's name now
    done = _nothing_is_lost(scene, dropped)
    published = _each_result_is_of_a_dropped_photo(scene, dropped)
    assert _snapshot(scene.canary) == before
    assert met["links_met"] > 0 and done - published <= met["planted"], f"{met}, {published} results of {done}"
    print(f"{dict(met)}, {rounds} rounds, {len(dropped)} photos, {published} results")
    evidence(races_run=met["exchanges"], links_met=met["links_met"], photos_dropped=len(dropped))


def _put_back(pairs: list[Pair]) -> None:
    for ours, theirs in sorted(pairs, key=lambda pair: len(pair[0].parts)):
        if ours.is_symlink() and theirs.is_dir() and not theirs.is_symlink():
            exchange(ours, theirs)


def _nothing_is_lost(scene: _Scene, dropped: list[bytes]) -> int:
    """Each is done, but those that lie under a hidden name now that the attacker has stopped. How many are done."""
    there = {sha256(path.read_bytes()): path.relative_to(scene.hot) for path in _files(scene.hot)}
    found = [there.get(sha256(content), Path("lost")) for content in dropped]
    wrong = [str(path) for path in found if path.parts[0] != "done" and not path.name.startswith(".")]
    assert not wrong, f"{len(wrong)} of {len(dropped)} photos are elsewhere: {wrong[:5]}"
    return sum(path.parts[0] == "done" for path in found)


def _each_result_is_of_a_dropped_photo(scene: _Scene, dropped: list[bytes]) -> int:
    """Whole, and none of the canary's: the attacker himself only plants links. How many there are."""
    wanted = {cutout_of(content).tobytes() for content in dropped}
    results = [path for path in _files(scene.hot) if path.relative_to(scene.hot).parts[0] in _RESULTS]
    for path in results:
        picture = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture is not None and picture.tobytes() in wanted, f"{path} is of no photo that was dropped"
    return len(results)
