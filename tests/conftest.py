"""Fixtures for all tests, and the line a contract that `--contracts` prints."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.contracts import CONTRACTS, Evidence, Proofs

# How long an example takes is the machine's affair, which may be busy with something else.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

_COUNTS = pytest.StashKey[Counter[str]]()
_PROOF = "contract"
_PROOFS = pytest.StashKey[Proofs]()


_UMASK = os.umask(0o022)
os.umask(_UMASK)


@pytest.fixture(autouse=True)
def _umask() -> None:
    """As it was at the start: a daemon that an earlier test ran in this process has set its own."""
    os.umask(_UMASK)


@pytest.fixture
def fast_path() -> Iterator[Path]:
    """A real directory on a file system in memory where there is one: for loops over hundreds of small runs."""
    memory = Path("/dev/shm")
    base = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="bshm-watchd-", dir=base))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def evidence(request: pytest.FixtureRequest) -> Evidence:
    """Adds to what this test's contracts went through: `evidence(points_killed=212)`."""
    counts = request.node.stash.setdefault(_COUNTS, Counter())

    def add(**found: int) -> None:
        counts.update(found)

    return add


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--contracts", action="store_true", help="print one line for each contract that was tested")


class _Gathering:
    """Hears of all reports in the process that tells the result, also where others run the tests."""

    def __init__(self, proofs: Proofs) -> None:
        self._proofs = proofs

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for kind, proof in report.user_properties:
            if kind == _PROOF:
                name, counts = proof
                self._proofs.add(name, report.outcome, counts)


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_PROOFS] = Proofs()
    config.pluginmanager.register(_Gathering(config.stash[_PROOFS]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        unknown = _contracts(item) - CONTRACTS.keys()
        if unknown:
            raise pytest.UsageError(f"{item.nodeid} names contracts that do not exist: {sorted(unknown)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    report.sections = [(title, _sendable(content)) for title, content in report.sections]
    if report.when == "call" or not report.passed:
        counts = dict(item.stash.get(_COUNTS, {}))
        report.user_properties += [(_PROOF, (name, counts)) for name in sorted(_contracts(item))]
    return report


def _sendable(content: str) -> str:
    """From one process to another: names of files that are no UTF-8 stand in what was captured."""
    return content.encode(errors="backslashreplace").decode()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--contracts"):
        terminalreporter.section("contracts")
        for line in config.stash[_PROOFS].lines():
            terminalreporter.write_line(line)


def _contracts(item: pytest.Item) -> set[str]:
    return {name for marker in item.iter_markers("contract") for name in marker.args}
