"""Which commit the program was built from, by each way it can come onto a machine."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bshm_watchd.build_stamp import Stamp, of_checkout, stamp, told_by_pip, written

_ROOT = Path(__file__).parents[1]
_COMMIT = "0123456789abcdef0123456789abcdef01234567"


def git(directory: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(["git", *who, *arguments], cwd=directory, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def checkout(directory: Path) -> str:
    """A repository with one commit; returns that."""
    directory.mkdir()
    git(directory, "init", "--quiet")
    (directory / "file").write_text("one\n")
    git(directory, "add", "file")
    git(directory, "commit", "--quiet", "-m", "One")
    return git(directory, "rev-parse", "HEAD")


def test_a_checkout_tells_its_commit(tmp_path: Path) -> None:
    commit = checkout(tmp_path / "here")
    found = of_checkout(tmp_path / "here")
    assert found is not None
    assert (found.commit, found.changed) == (commit, False)


def test_a_checkout_that_was_changed_says_so(tmp_path: Path) -> None:
    checkout(tmp_path / "here")
    (tmp_path / "here" / "file").write_text("two\n")
    assert str(of_checkout(tmp_path / "here")).endswith(", with changes of its own")


def test_a_directory_within_somebody_elses_repository_is_not_taken_for_a_checkout(tmp_path: Path) -> None:
    checkout(tmp_path / "here")
    (tmp_path / "here" / "site-packages").mkdir()
    assert of_checkout(tmp_path / "here" / "site-packages") is None


def test_a_repository_without_a_commit_tells_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert of_checkout(tmp_path) is None


def test_pip_notes_the_commit_it_took() -> None:
    noted = {"url": "https://example.org/x.git", "vcs_info": {"vcs": "git", "commit_id": _COMMIT}}
    assert told_by_pip(json.dumps(noted)) == Stamp(_COMMIT)


@pytest.mark.parametrize("noted", [None, "", "{", "[]", '{"url": "file:///x", "dir_info": {"editable": true}}'])
def test_what_pip_does_not_note_is_not_known(noted: str | None) -> None:
    assert told_by_pip(noted) is None


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"commit": "x"}'])
def test_a_damaged_stamp_tells_nothing(content: str, tmp_path: Path) -> None:
    (tmp_path / "built_from.json").write_text(content)
    assert written(tmp_path) is None


def test_this_program_runs_from_a_checkout_or_says_that_it_does_not_know() -> None:
    if not (_ROOT / ".git").exists():
        assert stamp() is None
    else:
        assert stamp() == of_checkout(_ROOT)


def test_what_is_built_bears_the_commit_it_was_built_from(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", reason="setup.py needs it; an environment of Python 3.12 comes without")
    source = tmp_path / "source"
    commit = checkout(source)
    (source / "setup.py").write_bytes((_ROOT / "setup.py").read_bytes())
    (source / "pyproject.toml").write_text(
        '[project]\nname = "bshm-watchd"\nversion = "1"\n[tool.setuptools]\npackages = ["bshm_watchd"]\n'
    )
    (source / "bshm_watchd").mkdir()
    (source / "bshm_watchd" / "__init__.py").write_text("")
    built = [sys.executable, "setup.py", "--quiet", "build", "--build-base", str(tmp_path / "build")]
    subprocess.run(built, cwd=source, check=True, capture_output=True)
    found = written(tmp_path / "build" / "lib" / "bshm_watchd")
    assert found is not None
    assert found.commit == commit
    assert not (source / "bshm_watchd" / "built_from.json").exists()
