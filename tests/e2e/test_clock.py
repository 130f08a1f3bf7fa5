"""The wall clock of the real program jumps by hours, forward and back, while photos settle and are worked on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.e2e.program import Program, wait_until
from tests.support.contracts import Evidence
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@pytest.mark.contract("I1")
@pytest.mark.skipif(not _LIBRARIES, reason="needs libfaketime (Debian: faketime)")
def test_a_clock_that_jumps_loses_no_photo_and_rejects_none_that_is_still_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evidence: Evidence
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("+0")
    for name, value in {
        "LD_PRELOAD": str(_LIBRARIES[0]),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",  # the file system has another clock, as a server has
    }.items():
        monkeypatch.setitem(os.environ, name, value)
    program = Program(tmp_path, settle_seconds=1, rescan_seconds=1)
    half = png(99, 300, 300)
    with program.running() as process:
        growing = open(program.drop / "growing.png", "wb")  # noqa: SIM115  open over all jumps
        with growing:
            growing.write(half[: len(half) // 2])
            growing.flush()
            wait_until(lambda: program.folder()["waiting"] == 1, 30, "it is seen", process)
            for serial, jump in enumerate(("+6h", "-6h", "+12h", "+0")):
                (program.drop / f"before{serial}.png").write_bytes(png(2 * serial))
                wait_until(lambda: program.folder()["waiting"] >= 2, 30, "it settles", process)
                offset.write_text(jump)
                (program.drop / f"after{serial}.png").write_bytes(png(2 * serial + 1))
                wait_until(lambda: len(program.done()) == 2 * serial + 2, 60, "both are done", process)  # noqa: B023
            assert program.folder()["rejected"] == 0
            growing.write(half[len(half) // 2 :])
        wait_until(lambda: len(program.done()) == 9, 60, "the slow one is done, too", process)
        assert program.folder()["rejected"] == program.folder()["failed"] == 0
    evidence(photos_dropped=9, clock_jumps=4)
