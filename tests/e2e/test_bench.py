"""`bench speed` measures the real daemon and leaves nothing behind; `bench compare` tells a slower one from itself."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from bshm_watchd.bench.results import SpeedResult, read
from bshm_watchd.matting.bundle import catalogue
from bshm_watchd.stages import STAGES
from tests.e2e.program import Program

pytestmark = pytest.mark.e2e

_FEW = ("--photos", "4", "--rounds", "5", "--lone", "5", "--cold", "1")
_SLOW_SECONDS = 0.3


class Studio:
    """A configuration with a daemon that is not running, photos, and a bundle that takes its time."""

    def __init__(self, base: Path) -> None:
        self.program = Program(base, settle_seconds=0.1)
        self.photos, self.on = base / "shoot", base / "disk"
        for directory in (self.photos, self.on):
            directory.mkdir()
        for number in range(3):
            pixels = np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8)
            cv2.imwrite(str(self.photos / f"{number}.jpg"), pixels)
        (self.photos / "broken.jpg").write_text("hello")
        self.slow = base / "slow"
        self.slow.mkdir()
        manifest: Any = yaml.safe_load((catalogue()["arithmetic"].directory / "bundle.yaml").read_text())
        manifest["model"]["delay_seconds_per_batch"] = _SLOW_SECONDS
        (self.slow / "bundle.yaml").write_text(yaml.safe_dump(manifest))

    def bench(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = self.program.command("bench", *words)
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    def speed(self, output: Path, *words: str) -> subprocess.CompletedProcess[str]:
        done = self.bench("speed", str(self.photos), "-o", str(output), "--on", str(self.on), *_FEW, *words)
        assert done.returncode == 0, done.stderr
        return done


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Studio:
    return Studio(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def measured(studio: Studio) -> tuple[Path, str, str]:
    """The result's file, and what was printed and complained."""
    output = studio.program.base / "fast.json"
    done = studio.speed(output)
    return output, done.stdout, done.stderr


def test_all_that_is_measured_is_in_the_result(measured: tuple[Path, str, str]) -> None:
    result = read(measured[0])
    assert isinstance(result, SpeedResult)
    (one,) = result.sets
    assert (one.name, one.photos, one.outputs, one.settle_seconds) == ("shoot", 4, ["cutout png"], 0.1)
    assert [len(samples) for samples in (one.first_result_seconds, one.drop_to_result_seconds, one.matte_seconds)] == [
        1,
        5,
        5,
    ]
    assert len(one.in_burst_seconds) == 20
    assert [burst.photos for burst in one.rounds] == [4] * 5
    assert all(burst.cpu_seconds > 0 and burst.peak_mib > 50 for burst in one.rounds)
    assert [stage.stage for stage in one.stages] == list(STAGES)
    assert all(stage.wall_seconds > 0 and stage.cpu_seconds > 0 for stage in one.stages)
    assert {span.photo for span in one.timeline} == {0, 1, 2, 3}
    assert set(one.batches) == {1, 2, 4}
    assert all(seconds >= one.settle_seconds for seconds in one.drop_to_result_seconds)


def test_what_is_odd_is_told(measured: tuple[Path, str, str]) -> None:
    complaints = measured[2]
    assert "left out: broken.jpg: not a photo" in complaints
    assert "3 of your photos in a burst of 4: they are repeated under other names" in complaints


def test_people_get_tables(measured: tuple[Path, str, str]) -> None:
    for told in (
        "photos/s",
        "photos/h",
        "drop to result",
        "peak memory",
        "of the limit",
        "not counted: the first",
    ):
        assert told in measured[1]


@pytest.mark.contract("P7")
def test_measuring_leaves_nothing_behind_and_touches_nothing(studio: Studio, measured: tuple[Path, str, str]) -> None:
    assert list(studio.on.iterdir()) == []
    assert [path for path in studio.program.hot.rglob("*") if path.is_file()] == []
    assert not studio.program.state_dir.exists()
    assert len(list(studio.photos.iterdir())) == 4


def test_a_result_is_no_worse_than_itself(studio: Studio, measured: tuple[Path, str, str]) -> None:
    done = studio.bench("compare", str(measured[0]), str(measured[0]))
    assert done.returncode == 0, done.stderr
    assert "0 worse, 0 better" in done.stdout


def test_a_slower_model_is_a_regression(studio: Studio, measured: tuple[Path, str, str]) -> None:
    slower = studio.program.base / "slow.json"
    studio.speed(slower, "--bundle", str(studio.slow))
    done = studio.bench("compare", "--json", str(measured[0]), str(slower))
    assert done.returncode == 1, done.stderr
    found = {one["subject"]: one for one in json.loads(done.stdout)["figures"]}
    assert found["matte, alone"]["verdict"] == "regression"
    assert found["matte, alone"]["new"] >= _SLOW_SECONDS


def test_a_missing_model_is_told_before_anything_is_measured(studio: Studio) -> None:
    done = studio.bench("speed", str(studio.photos), "--bundle", "portrait", *_FEW)
    assert done.returncode == 78
    assert "model fetch portrait" in done.stderr


def test_a_file_of_somebody_else_s_is_not_written_over(studio: Studio) -> None:
    letter = studio.program.base / "letter.txt"
    letter.write_text("dear")
    done = studio.bench("speed", str(studio.photos), "-o", str(letter), *_FEW)
    assert done.returncode == 78
    assert letter.read_text() == "dear"


def test_a_termination_while_it_measures_leaves_nothing_behind(studio: Studio) -> None:
    command = studio.program.command("bench", "speed", str(studio.photos), "--on", str(studio.on), *_FEW)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "lone photos" in line:
                break
        process.terminate()
        process.stderr.read()
        assert process.wait(120) == 143
    assert list(studio.on.iterdir()) == []
