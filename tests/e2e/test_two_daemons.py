"""Two real daemons at one hot folder: it changes hands while its owner is frozen, and when its owner dies.

`TAKES=200` takes it more often than the few times that are part of CI.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
import yaml

from bshm_watchd.ending import EXIT_OWNED
from bshm_watchd.ops.asking import ControlError, ask
from tests.e2e.program import Program, processor_seconds, wait_until
from tests.support.contracts import Evidence
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_TAKES = int(os.environ.get("TAKES", "6"))
_PHOTOS = 8


def _two(base: Path) -> tuple[Program, Program]:
    """With two results a photo, so that an owner may freeze between them."""
    outputs = [{"kind": "cutout", "path": "results/{stem}.png"}, {"kind": "matte", "path": "mattes/{stem}.png"}]
    ours = Program(base, settle_seconds=0.2, rescan_seconds=1, outputs=outputs)
    (base / "theirs").mkdir()
    theirs = Program(base / "theirs")
    content = yaml.safe_load(ours.config.read_text()) | {"state_dir": str(theirs.state_dir)}
    theirs.config.write_text(yaml.safe_dump(content))
    return ours, theirs


def _take(program: Program) -> None:
    """Again, while the daemon is just looking by itself."""

    def taken() -> bool:
        with contextlib.suppress(ControlError):
            ask(program.state_dir / "control.sock", "folder_take", {"name": "portraits"})
            return True
        return bool(program.folder().get("state") == "watching")

    wait_until(taken, 30, "the other one asks for the folder")


@pytest.mark.contract("I3", "D1", "D3", "O6", "L5")
def test_a_folder_that_changes_hands_while_its_owner_is_frozen_gets_each_photo_once(
    tmp_path: Path, evidence: Evidence
) -> None:
    ours, theirs = _two(tmp_path)
    chance = random.Random(11)
    dropped = 0
    with ours.running() as first, theirs.started("run") as second:
        wait_until(lambda: theirs.folder().get("state") == "owned_elsewhere", 60, "the second stands aside", second)
        assert f"process {first.pid}" in theirs.folder()["reason"]
        assert theirs.once("--wait", "0").returncode == EXIT_OWNED
        owner, other = (ours, first), (theirs, second)
        for _ in range(_TAKES):
            for _ in range(_PHOTOS):
                (ours.drop / f"{dropped}.png").write_bytes(png(dropped, 60, 60))
                dropped += 1
            time.sleep(0.3 + chance.random())  # somewhere in the middle of them
            owner[1].send_signal(signal.SIGSTOP)
            _take(other[0])
            time.sleep(chance.random())
            owner[1].send_signal(signal.SIGCONT)
            wait_until(lambda: len(ours.done()) == dropped, 90, "all are done", other[1])  # noqa: B023
            wait_until(lambda: owner[0].folder()["state"] == "owned_elsewhere", 30, "it stands aside", owner[1])  # noqa: B023
            owner, other = other, owner
        for place in ("results", "mattes"):
            assert ours.names(place) == sorted(f"{number}.png" for number in range(dropped))
        assert (ours.names("drop"), ours.names(".bshm/work")) == ([], [])
        assert ours.names("failed") == ours.names("rejected") == []

        spent, begun = processor_seconds(other[1]), time.monotonic()
        time.sleep(4)
        share = (processor_seconds(other[1]) - spent) / (time.monotonic() - begun)
        print(f"{share:.1%} of a core while owned elsewhere")
        assert share < 0.03

        owner[1].kill()
        begun = time.monotonic()
        (ours.drop / "last.png").write_bytes(png(dropped))
        wait_until(lambda: other[0].folder()["state"] == "watching", 30, "it takes over", other[1])
        took = time.monotonic() - begun
        wait_until(lambda: len(ours.done()) == dropped + 1, 60, "the last is done", other[1])
    print(f"taken over {took:.1f} s after the owner was killed")
    assert took < 10
    evidence(takes=_TAKES + 1, photos_dropped=dropped + 1)
