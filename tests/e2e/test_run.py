"""`run` with what people do beside writing photos (that is in test_zoo.py), with crowds of files, and idle."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program, wait_until
from tests.support.studio import png

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, subprocess.Popen[bytes]]]:
    """One daemon for all of these tests: each has names of its own."""
    program = Program(tmp_path_factory.mktemp("zoo"))
    with program.running() as process:
        yield program, process


def _is_done(program: Program, name: str) -> bool:
    return name in program.done()


def test_a_part_file_is_taken_once_it_has_its_name(zoo: tuple[Program, subprocess.Popen[bytes]]) -> None:
    program, process = zoo
    part = program.drop / "part.png.part"
    part.write_bytes(png(3))
    wait_until(lambda: program.folder()["waiting"] == 0, 30, "it is not counted as waiting", process)
    part.rename(program.drop / "part.png")
    wait_until(lambda: _is_done(program, "part.png"), 30, "it is done", process)


def test_folders_moved_and_copied_in_are_taken_whole(
    zoo: tuple[Program, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    program, process = zoo
    for name in ("moved", "copied"):
        (tmp_path / name / "raw").mkdir(parents=True)
        for serial in range(50):
            (tmp_path / name / "raw" / f"{serial}.png").write_bytes(png(1000 + serial))
    shutil.move(tmp_path / "moved", program.drop)
    subprocess.run(["cp", "-r", tmp_path / "copied", program.drop], check=True)
    names = {f"{folder}/raw/{serial}.png" for folder in ("moved", "copied") for serial in range(50)}
    wait_until(lambda: names <= set(program.done()), 90, "all hundred are done", process)
    assert names <= set(program.names("results"))


def test_a_linked_delivery_is_taken_when_the_sender_lets_go(
    zoo: tuple[Program, subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    program, process = zoo
    spool = program.base / "spool.png"
    spool.write_bytes(png(4))
    os.link(spool, program.drop / "linked.png")
    wait_until(lambda: program.folder()["left"] == 1, 30, "a file with a second link is left", process)
    assert not _is_done(program, "linked.png")
    spool.unlink()
    wait_until(lambda: _is_done(program, "linked.png"), 60, "it is done", process)


@pytest.mark.contract("I4")
def test_a_photo_that_its_owner_takes_back_is_not_missed(zoo: tuple[Program, subprocess.Popen[bytes]]) -> None:
    program, process = zoo
    (program.drop / "mistake.png").write_bytes(png(7))
    (program.drop / "mistake.png").unlink()
    (program.drop / "meant.png").write_bytes(png(8))
    wait_until(lambda: _is_done(program, "meant.png"), 30, "the other is done", process)
    assert not _is_done(program, "mistake.png")
    assert program.folder()["rejected"] == program.folder()["failed"] == 0


@pytest.mark.slow
@pytest.mark.contract("I1")
def test_twenty_thousand_files_dropped_while_it_is_stopped_are_all_accounted_for(tmp_path: Path) -> None:
    """Far more events than the kernel keeps: 19,900 files of other kinds, and 100 photos among them."""
    program = Program(tmp_path)
    with program.running() as process:
        process.send_signal(signal.SIGSTOP)
        for number in range(20_000):
            path = program.drop / f"{number % 40:02}" / f"{number:05}.{'png' if number % 200 == 0 else 'xmp'}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png(number) if number % 200 == 0 else b"<x/>")
        process.send_signal(signal.SIGCONT)
        program.wait_done(100, 300, process)
        wait_until(lambda: program.folder()["not_photos"] == 19_900, 60, "the others are counted", process)
        assert len(program.names("results")) == 100
        assert len(program.names("drop")) == 19_900
        assert program.folder()["waiting"] == program.folder()["in_flight"] == 0


@pytest.mark.slow
@pytest.mark.contract("L5")
def test_idle_it_uses_no_processor_and_writes_nothing(tmp_path: Path) -> None:
    """A minute beside 10,000 finished files: less than half a percent of a core, and not a byte to the disk."""
    program = Program(tmp_path)
    done = program.hot / "done" / "2026-01-01"
    done.mkdir(parents=True)
    for number in range(10_000):
        (done / f"{number}.png").write_bytes(b"filed")
    (program.drop / "one.png").write_bytes(png(1))
    with program.running() as process:
        program.wait_done(10_001, 60, process)
        wait_until(lambda: program.status()["state"] == "idle", 60, "it is idle", process)
        # The first scan after a change makes the kernel note the directory's access time: once, and not our doing.
        wait_until(lambda: _access_is_noted(program.drop), 60, "the folder was scanned once more", process)
        processor, written = _used(process.pid)
        time.sleep(60)
        processor_now, written_now = _used(process.pid)
    share = (processor_now - processor) / 60
    print(f"idle for 60 s: {100 * share:.2f} % of a core, {written_now - written} bytes written")
    assert share < 0.005
    assert written_now == written


def _access_is_noted(directory: Path) -> bool:
    status = directory.stat()
    return status.st_atime_ns > status.st_mtime_ns or bool(os.statvfs(directory).f_flag & os.ST_NOATIME)


def _used(pid: int) -> tuple[float, int]:
    """Processor seconds of a process and its children that live, and bytes they sent to the disk."""
    pids = [pid, *_children(pid)]
    ticks = os.sysconf("SC_CLK_TCK")
    stats = [Path(f"/proc/{p}/stat").read_text().rpartition(")")[2].split() for p in pids]
    io = [line for p in pids for line in Path(f"/proc/{p}/io").read_text().splitlines()]
    written = sum(int(line.split()[1]) for line in io if line.startswith("write_bytes"))
    return sum(int(stat[11]) + int(stat[12]) for stat in stats) / ticks, written


def _children(pid: int) -> list[int]:
    return [int(c) for p in Path(f"/proc/{pid}/task").glob("*/children") for c in p.read_text().split()]
