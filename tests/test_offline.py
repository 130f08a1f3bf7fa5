"""What is asked of a hot folder while no daemon runs: it is left as a daemon at its clean stop leaves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bshm_watchd import offline
from bshm_watchd.ending import EXIT_FINE
from tests.support.studio import Studio


@pytest.mark.contract("I3")
def test_a_requeue_that_finds_no_place_for_results_leaves_the_folder_to_everybody(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    assert studio.run() == EXIT_FINE
    moved = Studio(tmp_path, f'    outputs: [{{kind: cutout, path: "{tmp_path}/out/{{stem}}.png"}}]\n')
    told = offline.requeue(moved.settings(), [studio.rows()[0].id])
    assert not told["requeued"]
    assert f"{tmp_path}/out" in told["failed"][0]["why"]
    assert not (studio.hot / ".bshm/owner").exists(), "a daemon on another machine would be kept out for ever"
