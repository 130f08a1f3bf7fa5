"""What the sidecar says, to people and to scripts."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from bshm_watchd.delivery.sidecar import content
from bshm_watchd.jobs import Problem, State
from tests.support.trees import BROKEN, WALL, a_job, settings_of

_SETTINGS = settings_of(Path("/srv/hot"))


def test_a_sidecar_says_all_that_is_known() -> None:
    job = a_job(_SETTINGS, "a.jpg", "sub", state=State.REJECTING, problem=BROKEN, attempts=2)
    note = json.loads(content(job, WALL))
    assert note.pop("when").startswith("2026-09-2")
    assert note == {
        "version": 1,
        "job": job.id,
        "name": "sub/a.jpg",
        "name_base64": base64.b64encode(b"sub/a.jpg").decode(),
        "reason": "broken",
        "message": "it is broken",
        "what_to_do": "send another",
        "attempts": 2,
    }


@pytest.mark.contract("S4")
@pytest.mark.parametrize("name", ["été.jpg", "two\nlines.jpg", "\x1b[31mred.jpg", "\udcff\udcfe.jpg", '"quoted".jpg'])
def test_any_name_is_shown_as_one_line_and_kept_to_the_byte(name: str) -> None:
    text = content(a_job(_SETTINGS, name, problem=BROKEN), WALL)
    note = json.loads(text.decode("utf-8"))
    assert note["name"].isprintable()
    assert base64.b64decode(note["name_base64"]) == os.fsencode(name)


@pytest.mark.contract("S4")
def test_a_message_that_names_a_file_which_is_no_text_is_written_all_the_same() -> None:
    problem = Problem("broken", "\udcff.jpg\x1b[2J is broken", "send another")
    text = content(a_job(_SETTINGS, problem=problem), WALL)
    assert b"\x1b" not in text
    assert "is broken" in json.loads(text)["message"]


def test_accents_can_be_read_without_a_decoder() -> None:
    assert "été" in content(a_job(_SETTINGS, "été.jpg", problem=BROKEN), WALL).decode()
