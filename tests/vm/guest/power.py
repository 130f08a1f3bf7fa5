"""One life between two power cuts: look at what the last one left, work, say what is done. The host cuts the power.

The state directory and the hot folder lie on one disk. Nothing reaches it by itself: the kernel writes back, and the
file system commits, only what somebody syncs. So whatever the daemon does not sync is lost.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.vm.guest.console import say
from tests.vm.guest.photos import deliver, photo

_BASE = Path("/mnt/power")
_HOT = _BASE / "hot"
_BEFORE = Path("/run/before")
_OUTSTANDING = 12  # photos that wait or are in work, so that a cut meets jobs at every stage
_DONE = re.compile(r" info done JOB_ID=\w+ .*photo=(\S+)")
_DEADLINE_SECONDS = 240


def main(request: dict[str, Any]) -> None:
    """`dropped`: serials that surely lie somewhere; `perhaps`: those whose delivery was cut; `finished`: sha256 of
    each result that was said to be done. `last`: work everything off instead of waiting for the cut."""
    _mount()
    life = _Life(set(request["dropped"]), dict(request["finished"]))
    if _HOT.exists():
        shutil.copytree(_HOT, _BEFORE)
        life.resolve(request["perhaps"])
    with life.daemon(unsynced=request["unsynced"]) as daemon:
        say(started=True)
        follower = threading.Thread(target=life.follow, args=(daemon,), daemon=True)
        follower.start()
        life.check_what_was_left()
        if not request["last"]:
            life.drop_for_ever(request["next"])
        _wait_until(life.ready.is_set, "it is ready")
        _wait_until(lambda: not life.outstanding() and not any((_HOT / ".bshm" / "work").iterdir()), "all are done")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(60) == 0
    life.check_everything()
    say(over=True)


class _Life:
    def __init__(self, dropped: set[int], finished: dict[str, str]) -> None:
        self.dropped = dropped
        self.finished = finished  # the follower's thread adds to it, nobody removes
        self.ready = threading.Event()

    def resolve(self, perhaps: list[int]) -> None:
        """A photo whose delivery was cut may lie there or not: both are right, and now it is known.

        What is left of it is its sender's to remove.
        """
        for part in (_HOT / "drop").glob("*.part"):
            part.unlink()
        there = {path.name for path in _BEFORE.rglob("*.png")}
        for serial in perhaps:
            if f"{serial}.png" in there:
                self.dropped.add(serial)
                say(dropped=serial)

    @contextlib.contextmanager
    def daemon(self, *, unsynced: bool) -> Iterator[subprocess.Popen[str]]:
        from tests.e2e.program import Program

        _BASE.mkdir(exist_ok=True)
        command = Program(_BASE, settle_seconds=1).command("run")
        if unsynced:
            command[command.index("bshm_watchd.cli.main")] = "tests.vm.guest.unsynced"
        os.sync()  # configuration and drop/ are the operator's, and were there long ago
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as daemon:
            try:
                yield daemon
            finally:
                daemon.kill()

    def follow(self, daemon: subprocess.Popen[str]) -> None:
        """Pass on what the daemon says is done, with the result's bytes as they are now."""
        assert daemon.stderr is not None
        for line in daemon.stderr:
            if found := _DONE.search(line):
                digest = _sha256(_HOT / "results" / found[1])
                self.finished[found[1]] = digest
                say(finished=found[1], sha256=digest)
            elif line.rstrip().endswith(" info ready"):
                self.ready.set()
            elif " info " not in line:
                print(line.rstrip(), flush=True)

    def outstanding(self) -> int:
        """By what is filed, not by what was heard of: a cut may come after the filing and before the word of it."""
        return len(self.dropped) - sum(1 for _ in _HOT.glob("done/*/*.png"))

    def drop_for_ever(self, first: int) -> None:
        for serial in itertools.count(first):
            _wait_until(lambda: self.outstanding() < _OUTSTANDING, "there is room for more")
            say(dropping=serial)
            deliver(photo(serial), _HOT / "drop", f"{serial}.png")
            self.dropped.add(serial)
            say(dropped=serial)

    def check_what_was_left(self) -> None:
        """The tree as the cut left it, before anything was recovered."""
        if _BEFORE.exists():
            for violation in itertools.chain(self._lost(), _not_intact(dict(self.finished))):
                say(violation=violation)
        say(looked=True)

    def check_everything(self) -> None:
        from tests.support import invariants
        from tests.support.studio import Studio

        studio = Studio(_BASE)
        studio.portraits.originals = _originals(self.dropped)
        _say_violation(lambda: invariants.check(studio))
        for violation in _not_intact(self.finished, _HOT):
            say(violation=violation)

    def _lost(self) -> Iterator[str]:
        from tests.support import invariants
        from tests.support.studio import HotTree

        before = HotTree(_BEFORE, originals=_originals(self.dropped))
        try:
            invariants.each_original_is_in_one_place(before)
        except AssertionError as error:
            yield str(error)


def _say_violation(check: Any) -> None:
    try:
        check()
    except AssertionError as error:
        say(violation=str(error))


def _not_intact(finished: dict[str, str], hot: Path = _BEFORE) -> Iterator[str]:
    """What was said to be done, and is not there as it was."""
    for name, digest in finished.items():
        if _sha256(hot / "results" / name) != digest:
            yield f"the result of {name} is not what it was when it was done"
        if [_sha256(path) for path in hot.glob(f"done/*/{name}")] != [_digest(int(name.split(".")[0]))]:
            yield f"the original of {name} is not in done, whole and once"


def _originals(serials: set[int]) -> dict[str, list[str]]:
    return {_digest(serial): [f"{serial}.png"] for serial in serials}


def _digest(serial: int) -> str:
    return hashlib.sha256(photo(serial)).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


def _wait_until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {_DEADLINE_SECONDS} s: {what}"
        time.sleep(0.02)


def _mount() -> None:
    Path("/proc/sys/vm/dirty_writeback_centisecs").write_text("0")
    _BASE.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "commit=600", "/dev/vda", _BASE], check=True, stderr=sys.stdout)
