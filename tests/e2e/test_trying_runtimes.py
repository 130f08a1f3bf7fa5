"""The real program while it finds out which runtime is the faster one: it answers, and it stops when it is told to."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.e2e.program import Program, wait_until
from tests.support.graphs import stand_in_bundle
from tests.support.studio import png

pytestmark = pytest.mark.e2e


def test_a_first_start_answers_and_ends_while_runtimes_are_tried_and_takes_no_photo(tmp_path: Path) -> None:
    program = Program(tmp_path, bundle=str(stand_in_bundle().directory), settle_seconds=0.1)
    (program.drop / "a.png").write_bytes(png(1))
    with program.started("run") as process:
        wait_until(program.status, 60, "the daemon answers", process)
        wait_until(lambda: "trying the runtimes" in program.log.read_text(), 60, "runtimes are tried", process)
        status = program.status()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, program.log.read_text()
    assert (status["state"], status["ready"]) == ("starting", False)
    assert "runtime chosen" not in program.log.read_text()
    assert program.names("drop") == ["a.png"]
