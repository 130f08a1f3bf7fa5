"""The control socket's surroundings for tests: a main thread that answers, a journal with jobs, a typed command."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.cli.main import run_command
from bshm_watchd.config import HotFolderSettings
from bshm_watchd.events import Asked, Event, Inbox, StopAsked
from bshm_watchd.jobs import Job, Place, Plan, Problem, Stamp, State, new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal
from bshm_watchd.ops.asking import SOCKET_NAME
from bshm_watchd.ops.control import ControlServer
from tests.support.clock import FakeClock

WALL = 1_790_000_000.0


@contextlib.contextmanager
def main_thread(answer: Callable[[Asked], Any]) -> Iterator[Callable[[Event], None]]:
    """Takes events and answers them with what `answer` returns or raises; yields the inbox's `put`."""
    inbox = Inbox()

    def serve() -> None:
        while True:
            for event in inbox.take(60.0):
                if not isinstance(event, Asked):
                    return
                try:
                    event.answer.set_result(answer(event))
                except Exception as error:  # noqa: BLE001  carried to whoever asked
                    event.answer.set_exception(error)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield inbox.put
    finally:
        inbox.put(StopAsked(15))
        thread.join(10)


@contextlib.contextmanager
def a_daemon(state_dir: Path, answer: Callable[[Asked], Any]) -> Iterator[None]:
    """A control socket in `state_dir`, as a running daemon has it."""
    with (
        main_thread(answer) as put,
        Journal(state_dir / JOURNAL_NAME, FakeClock()) as journal,
        ControlServer(state_dir / SOCKET_NAME, put, journal),
    ):
        yield


def finished_job(
    name: str, state: State = State.DONE, folder: str = "portraits", reason: str = "", wall: float = WALL
) -> Job:
    plan = Plan.of(HotFolderSettings(name=folder, path=Path("/srv/hot") / folder))
    problem = Problem(reason, "the file is cut short", "copy it again") if reason else None
    filed = Place("", str(state), name)
    return Job(
        new_id(wall), folder, name, "", Stamp(1, 2, 3000, 4, 5), wall, plan, state=state, problem=problem,
        filed_as=filed, finished_wall=wall + 1,
    )  # fmt: skip


def write_journal(state_dir: Path, *jobs: Job) -> None:
    state_dir.mkdir(parents=True, exist_ok=True)
    with Journal(state_dir / JOURNAL_NAME, FakeClock()) as journal:
        for job in jobs:
            journal.record(job)


@dataclass(frozen=True, slots=True)
class Told:
    """What a command ended with and printed."""

    code: int
    out: str
    err: str


def typed(*arguments: str) -> Told:
    """A command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run_command(list(arguments))
    return Told(code, out.getvalue(), err.getvalue())


def typed_in_shell(*arguments: str, **variables: str) -> Told:
    """A command in a process of its own."""
    command = [sys.executable, "-m", "bshm_watchd.cli.main", *arguments]
    result = subprocess.run(command, capture_output=True, env=os.environ | variables, timeout=120, check=False)
    return Told(result.returncode, result.stdout.decode(), result.stderr.decode())


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration with one hot folder, `portraits`, that commands find by default."""

    config: Path
    state_dir: Path
    folder: Path

    def add(self, text: str) -> None:
        self.config.write_text(self.config.read_text() + text)


def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configured:
    studio = Configured(tmp_path / "config.yaml", tmp_path / "state", tmp_path / "portraits")
    monkeypatch.setenv("BSHM_WATCHD_CONFIG", str(studio.config))
    studio.state_dir.mkdir()
    studio.folder.mkdir()
    studio.config.write_text(
        f"version: 1\nstate_dir: {studio.state_dir}\nmodel: {{bundle: arithmetic}}\nlimits: {{min_free_mib: 0}}\n"
        f"hot_folders:\n  - name: portraits\n    path: {studio.folder}\n    settle_seconds: 0.1\n"
    )
    return studio
