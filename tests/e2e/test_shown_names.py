"""File names made to deceive, through the real program: its log, its tables, its sidecars and its journal."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import unicodedata
from pathlib import Path

import pytest

from bshm_watchd.journal import JOURNAL_NAME
from tests.e2e.program import Program
from tests.support.contracts import Evidence
from tests.support.studio import png

pytestmark = pytest.mark.e2e

# Every control character but the two that end a name or a component, and every one that turns or hides text.
_DECEIVING = [
    character
    for character in map(chr, range(1, 0x110000))
    if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp") and character != "/"
]
_FAKE_LINE = "2026-01-01 00:00:00,000"
_FAKES = (f"\n{_FAKE_LINE} info done JOB_ID=0", '" JOB_ID="1', "\x1b]0;title\x07", "\x1b[2J", "\r\r", "[red]x")
_A_NAME = 40


def _names() -> list[bytes]:
    """All of these characters, some to a name; bytes that are no UTF-8; text made to look like a line of the log."""
    texts = ["".join(_DECEIVING[start : start + _A_NAME]) for start in range(0, len(_DECEIVING), _A_NAME)]
    names = [os.fsencode(f"{text}-{number}.png") for number, text in enumerate([*texts, *_FAKES])]
    return [*names, b"".join(bytes([byte]) for byte in range(128, 256)) + b".png"]


def _ran(program: Program, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(program.command(*words), capture_output=True, timeout=120, check=False)


def _assert_plain(output: bytes) -> int:
    """Text of which every character can be seen, and no line that a name has begun. How many lines."""
    text = output.decode("utf-8")
    strange = {f"U+{ord(c):04X}" for c in text if not c.isprintable() and c != "\n"}
    assert not strange, strange
    assert not any(line.startswith(_FAKE_LINE) for line in text.split("\n"))
    return text.count("\n")


@pytest.mark.contract("S4")
def test_no_name_gets_a_control_character_into_any_output(tmp_path: Path, evidence: Evidence) -> None:
    program, names, lines = Program(tmp_path), _names(), 0
    for number, name in enumerate(names):
        Path(os.fsdecode(os.fsencode(program.drop) + b"/" + name)).write_bytes(png(number) if number % 2 else b"none")
    linked = program.drop / "linked\x1b[31m.png"
    os.link(next(program.drop.iterdir()), linked)
    once = _ran(program, "once", "--wait", "1")
    linked.unlink()
    lines += _assert_plain(once.stdout + once.stderr)
    for words in (("jobs", "list", "--limit", "1000"), ("jobs", "list", "--json")):
        told = _ran(program, *words)
        lines += _assert_plain(told.stdout + told.stderr)
    with sqlite3.connect(program.state_dir / JOURNAL_NAME) as journal:
        rows = dict(journal.execute("SELECT id, name FROM jobs").fetchall())
    told = _ran(program, "jobs", "show", *list(rows)[:1])
    lines += _assert_plain(told.stdout + told.stderr)
    sidecars = list((program.hot / "rejected").glob("*.error.json"))
    assert all(json.loads(path.read_bytes())["name"].isprintable() for path in sidecars)
    lines += sum(_assert_plain(path.read_bytes()) for path in sidecars)
    assert len(sidecars) >= len(names) // 2 - 1
    assert set(rows.values()) <= set(names) and len(rows) >= len(names) - 1
    evidence(names_tried=len(names), lines_checked=lines)
