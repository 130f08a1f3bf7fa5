from __future__ import annotations

import mmap
import os
from pathlib import Path

import pytest

from bshm_watchd.disk.probe import Writer, ignore_lease_signals, probe_writer


@pytest.fixture(autouse=True)
def _ignore_lease_signals() -> None:
    ignore_lease_signals()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a.jpg"
    path.write_bytes(b"photo")
    return path


def probe(path: Path) -> Writer:
    fd = os.open(path, os.O_RDONLY)
    try:
        return probe_writer(fd)
    finally:
        os.close(fd)


def test_a_file_nobody_writes_is_free(photo: Path) -> None:
    assert probe(photo) is Writer.FREE


@pytest.mark.contract("I2")
def test_a_file_open_for_writing_is_busy_until_it_is_closed(photo: Path) -> None:
    with photo.open("ab"):
        assert probe(photo) is Writer.BUSY
    assert probe(photo) is Writer.FREE


@pytest.mark.contract("I2")
def test_a_mapped_file_is_busy_after_its_descriptor_is_closed(photo: Path) -> None:
    with photo.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), 1)
    assert probe(photo) is Writer.BUSY
    mapped.close()
    assert probe(photo) is Writer.FREE


def test_a_reader_is_no_writer(photo: Path) -> None:
    with photo.open("rb"):
        assert probe(photo) is Writer.FREE


def test_the_lease_is_given_back(photo: Path) -> None:
    fd = os.open(photo, os.O_RDONLY)
    assert probe_writer(fd) is Writer.FREE
    os.close(os.open(photo, os.O_WRONLY | os.O_NONBLOCK))  # EAGAIN while a lease is held
    os.close(fd)


def test_what_has_no_leases_is_unknown_not_free(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    assert probe_writer(fd) is Writer.UNKNOWN
    os.close(fd)


@pytest.mark.contract("I2")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_users_file_is_unknown_without_the_right_to_ask(photo: Path) -> None:
    photo.chmod(0o644)
    fd = os.open(photo, os.O_RDONLY)
    child = os.fork()
    if child == 0:
        os.setresuid(65534, 65534, 65534)
        os._exit(0 if probe_writer(fd) is Writer.UNKNOWN else 1)
    assert os.waitpid(child, 0)[1] == 0
    os.close(fd)
