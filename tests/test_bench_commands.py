"""What `bench` prints and how it ends, for people and for scripts; results are made up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bshm_watchd.bench.result_files import keep, refuse_unfit
from bshm_watchd.bench.results import GpuUse, Round, SpeedResult, read, written
from bshm_watchd.bench.speed_figures import cpu_per_photo, stage_shares
from bshm_watchd.cli.main import run_command
from bshm_watchd.cli.speed_tables import print_speed, told
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import catalogue
from tests.support.results import CPU_SECONDS_A_PHOTO, a_quality_result, a_set, a_speed_result


@pytest.fixture
def old(tmp_path: Path) -> Path:
    written(tmp_path / "old.json", a_speed_result(a_set()))
    return tmp_path / "old.json"


def compared(old: Path, new: SpeedResult, *words: str) -> int:
    written(old.with_name("new.json"), new)
    return run_command(["bench", "compare", *words, str(old), str(old.with_name("new.json"))])


# -- compare -------------------------------------------------------------------------------------------------


@pytest.mark.contract("O7")
def test_a_regression_ends_with_1(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(old, a_speed_result(a_set(slower=1.3, seed=9))) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "drop to result" in line)
    assert re.fullmatch(r"regression  drop to result less settling +\d{3} ms +\d{3} ms +\+\d\d % +< \.001", line)


@pytest.mark.contract("O7")
def test_noise_ends_with_0(old: Path) -> None:
    assert compared(old, a_speed_result(a_set(seed=9))) == 0


def test_an_improvement_ends_with_0_and_is_told(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compared(old, a_speed_result(a_set(slower=0.7, seed=9))) == 0
    assert "better" in capsys.readouterr().out


def test_a_higher_threshold_lets_a_regression_pass(old: Path) -> None:
    slower = a_speed_result(a_set(slower=1.2, seed=9))
    assert compared(old, slower, "--threshold", "50") == 0


@pytest.mark.contract("O7")
def test_results_that_can_t_be_compared_end_with_78_and_what_to_do(
    old: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compared(old, a_speed_result(file_system="tmpfs")) == 78
    assert "--anyway" in capsys.readouterr().err


def test_scripts_get_every_figure(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compared(old, a_speed_result(a_set(slower=1.3, seed=9)), "--json")
    content = json.loads(capsys.readouterr().out)
    assert content["ok"] is False
    assert {"place", "subject", "unit", "old", "new", "ratio", "p", "verdict", "samples"} == set(content["figures"][0])


def test_a_picture_without_a_matte_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, failed in (("old", []), ("new", [2])):
        written(tmp_path / f"{name}.json", a_quality_result([0.01] * 8, failed=failed))
    assert run_command(["bench", "compare", str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == 1
    assert "hair-detail/2.jpg: no alpha" in capsys.readouterr().err


def test_a_missing_file_says_where_one_comes_from(old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", "compare", str(old), str(old.with_name("none.json"))]) == 78
    assert "kept with -o" in capsys.readouterr().err


# -- speed ---------------------------------------------------------------------------------------------------


def test_a_set_is_told_in_lines_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    gpu = GpuUse(memory_mib=11264, utilisation=0.87)
    print_speed(a_speed_result(a_set(gpu=gpu, batches={1: 20.0, 2: 38.5, 4: 61.0})))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("GPU") and "11264 MiB in use, 87% busy" in line for line in lines)


def test_photos_a_second_and_an_hour_are_told_and_the_share_of_the_limit(capsys: pytest.CaptureFixture[str]) -> None:
    one = a_set()
    print_speed(a_speed_result(one))
    out = capsys.readouterr().out
    assert f"{one.photos_per_second:.2f} (median of 6 bursts of 10" in out
    assert f"{one.photos_per_second * 3600:,.0f}" in out
    assert f"{one.share_of_limit(2):.0%} (what 2 cores could do at most)" in out


def test_a_place_to_measure_is_meant_from_where_one_stands_wherever_the_daemon_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = str(catalogue()["arithmetic"].directory)
    assert run_command(["bench", "speed", "--on", "missing", "--bundle", bundle]) == 78
    assert f"{tmp_path}/missing" in capsys.readouterr().err


def test_the_share_of_the_limit_is_of_all_photos_however_bursts_differ() -> None:
    """Two cores, .6 s of CPU a photo: 10 photos take 3 s at best."""
    rounds = [Round(photos=10, seconds=seconds, cpu_seconds=6, peak_mib=600) for seconds in (3.0, 3.0, 9.0)]
    assert a_set().model_copy(update={"rounds": rounds}).share_of_limit(cores=2) == pytest.approx(9 / 15)


def test_a_percentile_of_too_few_samples_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    print_speed(a_speed_result(a_set(lone=20)))
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("drop to result"))
    assert re.search(r"2\.\d\d s +2\.\d\d s +- +20 lone photos", line)  # p50, p95, p99


def test_shares_of_the_stages_add_up() -> None:
    assert sum(stage_shares(a_set()).values()) == pytest.approx(1.0)
    assert stage_shares(a_set())["matte"] == pytest.approx(0.4 / CPU_SECONDS_A_PHOTO)


def test_cpu_time_a_photo_is_that_of_the_middle_round() -> None:
    one = a_set()
    assert cpu_per_photo(one.rounds) == pytest.approx(0.95, rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0032, "3.2 ms"), (0.45, "450 ms"), (2.05, "2.05 s"), (12.34, "12.3 s"), (0.0, "0.0 ms")]
)
def test_times_are_told_with_what_matters_of_them(seconds: float, text: str) -> None:
    assert told(seconds) == text


# -- the file ------------------------------------------------------------------------------------------------


def test_a_result_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    keep(tmp_path / "one.json", a_speed_result(a_set()))
    assert read(tmp_path / "one.json") == a_speed_result(a_set())


def test_a_result_may_replace_a_result(old: Path) -> None:
    refuse_unfit(old, "speed")


@pytest.mark.contract("P2")
def test_a_result_of_another_kind_is_left_alone(old: Path) -> None:
    with pytest.raises(ConfigError, match="is a result of `bench speed`, so it is left alone"):
        refuse_unfit(old, "quality")


def test_a_place_that_does_not_take_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not kept"):
        keep(tmp_path / "missing" / "one.json", a_speed_result())
    with pytest.raises(ConfigError, match="its directory is missing"):
        refuse_unfit(tmp_path / "missing" / "one.json", "speed")


@pytest.mark.contract("P2")
def test_what_is_no_result_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear")
    with pytest.raises(ConfigError, match="left alone"):
        refuse_unfit(tmp_path / "letter", "speed")
