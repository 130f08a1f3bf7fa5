"""One hot folder on a disk that is unmounted, exchanged, mounted again, made read-only and filled to the last byte."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program, wait_until
from tests.support.contracts import Evidence
from tests.support.mounts import image, mount, mount_or_skip, unmount
from tests.support.studio import png

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

_SETTLE_SECONDS = 2.0
_SOONER_THAN_A_RESCAN_SECONDS = 25.0  # which comes every 30 s


class OnADisk(Program):
    """The hot folder is a disk of its own, of 16 MiB and 300 inodes."""

    def __init__(self, base: Path, disk: Path) -> None:
        super().__init__(base, settle_seconds=_SETTLE_SECONDS)
        self._disk = disk
        self._serial = 0
        self.drop.rmdir()

    def mount_first(self) -> None:
        mount_or_skip("-o", "loop", self._disk, self.hot)
        self.drop.mkdir()

    def mount(self) -> None:
        mount("-o", "loop", self._disk, self.hot)

    def unmount(self) -> None:
        subprocess.run(["umount", self.hot], check=True, capture_output=True)

    def drop_one(self) -> None:
        self._serial += 1
        (self.drop / f"{self._serial}.png").write_bytes(png(self._serial))

    @property
    def dropped(self) -> int:
        return self._serial

    def becomes(self, state: str) -> None:
        wait_until(lambda: self.folder().get("state") == state, 30, f"it is {state}")

    def all_done(self, deadline_seconds: float = 60) -> None:
        wait_until(lambda: len(self.done()) == self._serial, deadline_seconds, f"{self._serial} are done")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[OnADisk]:
    with image(tmp_path / "disk", 16, 300) as disk, contextlib.ExitStack() as stack:
        program = OnADisk(tmp_path, disk)
        stack.callback(unmount, program.hot)
        program.mount_first()
        yield program


def _exchanged_at_once(program: OnADisk, process: subprocess.Popen[bytes]) -> bool:
    """Unmounted and mounted again while no look can fall in between; not while a look holds it open."""
    process.send_signal(signal.SIGSTOP)
    try:
        program.unmount()
        program.mount()
    except subprocess.CalledProcessError:
        return False
    finally:
        process.send_signal(signal.SIGCONT)
    return True


def _touch_until_full(directory: Path) -> None:
    directory.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        for number in range(400):
            (directory / str(number)).touch()


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


@pytest.mark.contract("I1", "I7", "D6", "O6")
def test_a_disk_that_is_taken_away_and_brought_back_is_listened_to_again(program: OnADisk, evidence: Evidence) -> None:
    with program.running() as process:
        program.drop_one()
        program.all_done()

        program.unmount()
        program.becomes("unreachable")
        assert list(program.hot.iterdir()) == [], "something was made in the empty mount point"
        program.mount()
        program.drop_one()
        program.becomes("watching")
        program.all_done()

        mount("-t", "tmpfs", "tmpfs", program.hot)  # another one on top
        program.becomes("unreachable")
        assert list(program.hot.iterdir()) == [], "something was made on a strange disk"
        program.unmount()
        program.becomes("watching")

        wait_until(lambda: _exchanged_at_once(program, process), 30, "it is mounted anew between two looks", process)
        program.drop_one()
        program.all_done(_SOONER_THAN_A_RESCAN_SECONDS)
        program.drop_one()
        program.all_done(_SOONER_THAN_A_RESCAN_SECONDS)

        program.drop.rename(program.hot / "old")  # somebody tidies up
        program.drop.mkdir()
        program.drop_one()
        program.all_done(_SOONER_THAN_A_RESCAN_SECONDS)
    assert program.names("drop") == []
    evidence(photos_dropped=program.dropped)


@pytest.mark.contract("D6", "L4", "O6")
def test_a_disk_that_takes_nothing_more_holds_the_folder_which_goes_on_by_itself(
    program: OnADisk, evidence: Evidence
) -> None:
    with program.running():
        program.drop_one()
        program.all_done()

        program.drop_one()
        mount("-o", "remount,ro", program.hot)
        program.becomes("held")
        assert "writable" in program.folder()["reason"]
        mount("-o", "remount,rw", program.hot)
        program.all_done()

        _fill(program.hot / "filler")
        os.truncate(program.hot / "filler", (program.hot / "filler").stat().st_size - (1 << 16))
        program.drop_one()
        _fill(program.hot / "filler")
        program.becomes("held")
        assert "space" in program.folder()["reason"]
        assert program.status()["state"] == "degraded"
        (program.hot / "filler").unlink()
        program.all_done()

        fillers = program.hot / "fillers"
        _touch_until_full(fillers)
        for path in list(fillers.iterdir())[:2]:
            path.unlink()
        program.drop_one()
        _touch_until_full(fillers)
        program.becomes("held")
        for path in fillers.iterdir():
            path.unlink()
        program.all_done()
        assert program.folder()["failed"] == program.folder()["rejected"] == 0
    evidence(photos_dropped=program.dropped, holds=3)


@pytest.mark.contract("D6", "O6")
def test_a_disk_of_the_state_that_is_full_holds_the_work_which_goes_on_by_itself(
    tmp_path: Path, evidence: Evidence
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    mount_or_skip("-t", "tmpfs", "-o", "size=1m", "tmpfs", state)
    program = Program(tmp_path, state_dir=state, settle_seconds=_SETTLE_SECONDS)
    try:
        with program.running():
            _fill(state / "filler")
            for serial in range(4):
                (program.drop / f"{serial}.png").write_bytes(png(serial))
            wait_until(lambda: program.folder().get("state") == "held", 30, "it is held")
            assert "journal" in program.folder()["reason"], program.folder()
            assert program.status()["state"] == "degraded"
            assert program.names("results") == []
            (state / "filler").unlink()
            wait_until(lambda: len(program.done()) == 4, 60, "all are done")
            assert program.folder()["failed"] == program.folder()["rejected"] == 0
    finally:
        unmount(state)
    evidence(photos_dropped=4, holds=1)
