"""The log: one event a line, and no file name can fake another."""

from __future__ import annotations

import io
import logging
import re
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd import logs

_logger = logging.getLogger("bshm_watchd")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.BytesIO]:
    """What goes to a standard error that takes UTF-8 and nothing else."""
    written = io.BytesIO()
    before = (_logger.handlers[:], _logger.level, _logger.propagate)
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(written, "utf-8", write_through=True))
    logs.start()
    yield written
    _logger.handlers[:], _logger.level, _logger.propagate = before


def _lines(said: io.BytesIO) -> list[str]:
    return [re.sub(r"^[\d-]+ [\d:,]+ ", "", line) for line in said.getvalue().decode().split("\n")[:-1]]


def test_an_event_is_one_line_of_text_and_fields(said: io.BytesIO) -> None:
    logs.info("claimed", JOB_ID="01ABC", photo="a.png")
    logs.warning("held", why="disk full", reason="")
    assert _lines(said) == ["info claimed JOB_ID=01ABC photo=a.png", 'warning held why="disk full" reason=""']


@pytest.mark.contract("S4")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a.png", "a.png"),
        ("été.png", "été.png"),
        ("a\nerror x", '"a\\nerror x"'),
        ("\x1b[2J.png", "\\x1b[2J.png"),
        ("\udcff.png", "\\xff.png"),
        ("\u202egnp.png", "\\u202egnp.png"),
        ('a" JOB_ID="fake', '"a\\" JOB_ID=\\"fake"'),
        ("a.png=1", '"a.png=1"'),
    ],
)
def test_a_file_name_can_fake_neither_a_line_nor_a_field(said: io.BytesIO, name: str, shown: str) -> None:
    logs.info("claimed", photo=name)
    assert _lines(said) == [f"info claimed photo={shown}"]


def test_a_percent_sign_in_a_name_is_just_one(said: io.BytesIO) -> None:
    logs.info("100%s claimed", photo="%s%d.png")
    assert _lines(said) == ["info 100%s claimed photo=%s%d.png"]


@pytest.mark.contract("S4")
def test_a_traceback_can_not_begin_a_line_with_what_a_file_name_says(said: io.BytesIO) -> None:
    try:
        raise ValueError("a\n<0>error: all is lost\x1b[2J\udcff.png")
    except ValueError as error:
        logs.error("the program must end", error)
    first, *rest = _lines(said)
    assert first == "error the program must end"
    assert any("all is lost" in line for line in rest)
    assert all(line.startswith("  ") and line.isprintable() for line in rest)


@pytest.mark.contract("S4")
@given(st.binary(max_size=80).map(lambda name: name.decode("utf-8", "surrogateescape")) | st.text(max_size=80))
def test_any_name_can_be_shown_as_one_printable_line(name: str) -> None:
    assert logs.shown(name).isprintable()
