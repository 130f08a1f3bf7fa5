"""A baseline and what is measured later: what differs, by made-up measurements, and files that are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.cli.baseline import (
    Baseline,
    baseline,
    differences,
    is_outside,
    may_be_noise,
    read,
    refuse_unfit,
    write,
)
from bshm_watchd.cli.measuring import Measured, Setup, better
from bshm_watchd.errors import ConfigError

SETUP = Setup(
    bundle="bshm", networks={"tf_graph.pb": "ab" * 32}, device="gpu", device_name="NVIDIA GeForce RTX 4090", cores=16,
    runtime="tensorflow", precision="fp16", batch=4, working_size="1920 x 1080",
)  # fmt: skip
MEASURED = Measured(
    SETUP, ready_seconds=20.0, first_seconds=1.5, steady_seconds=1.4, resident_mib=5100.0, rounds=3,
)  # fmt: skip
VERSIONS: dict[str, str | None] = {"tensorflow": "2.21.0", "GPU driver": "550.54.15", "nncf": None}


def stored(measured: Measured = MEASURED, versions: dict[str, str | None] | None = None) -> Baseline:
    return baseline(measured, versions or VERSIONS, "2026-11-25T12:00:00.000+01:00")


def outside(now: Measured, tolerance: float = 1.3) -> list[tuple[str, str]]:
    found = differences(stored(), stored(now), tolerance)
    told = [(one.subject, one.message) for one in found if one.level == "outside"]
    assert is_outside(found) == bool(told)
    return told


def test_the_same_is_as_stored_and_tells_its_figures() -> None:
    found = differences(stored(), stored())
    assert [(one.level, one.subject) for one in found] == [
        ("ok", "each later photo"), ("ok", "first photo"), ("ok", "until it is ready"), ("ok", "resident memory"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "subject", "message"),
    [
        ({"bundle": "portrait"}, "bundle", "portrait, stored is bshm"),
        ({"device": "cpu"}, "device", "cpu, stored is gpu"),
        ({"device_name": "Tesla T4"}, "name of the device", "Tesla T4, stored is NVIDIA GeForce RTX 4090"),
        ({"cores": 2}, "cores", "2, stored is 16"),
        ({"runtime": "openvino"}, "runtime", "openvino, stored is tensorflow"),
        ({"precision": "f32"}, "precision", "f32, stored is fp16"),
        ({"batch": 1}, "largest batch", "1, stored is 4"),
        ({"working_size": "960 x 540"}, "working size", "960 x 540, stored is 1920 x 1080"),
        ({"networks": {"tf_graph.pb": "cd" * 32}}, "network", "tf_graph.pb is another file: sha256 cdcdcdcdcdcd"),
        ({"networks": {**SETUP.networks, "int8/a.xml": "cd" * 32}}, "network", "int8/a.xml is new"),
    ],
)
def test_what_computes_must_be_exactly_the_same(changes: dict[str, Any], subject: str, message: str) -> None:
    ((told, why),) = outside(replace(MEASURED, setup=replace(SETUP, **changes)))
    assert told == subject
    assert why.startswith(message)


def test_a_network_that_is_gone_is_said() -> None:
    (told, *_) = outside(replace(MEASURED, setup=replace(SETUP, networks={"other.pb": "ab" * 32})))
    assert told == ("network", "other.pb is new")
    assert ("network", "tf_graph.pb is not used any more") in outside(
        replace(MEASURED, setup=replace(SETUP, networks={"other.pb": "ab" * 32}))
    )


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({"steady_seconds": 3.2}, "each later photo"),
        ({"first_seconds": 2.0}, "first photo"),
        ({"resident_mib": 8200.0}, "resident memory"),
    ],
)
def test_slower_or_larger_than_allowed_is_outside(changes: dict[str, float], subject: str) -> None:
    ((told, why),) = outside(replace(MEASURED, **changes))  # type: ignore[arg-type]
    assert told == subject
    assert "allowed are" in why


@pytest.mark.parametrize(
    "changes",
    [{"steady_seconds": 1.81}, {"first_seconds": 1.94}, {"resident_mib": 6100.0}, {"ready_seconds": 200.0}],
    ids=["a later photo", "the first", "memory", "the start, however long"],
)
def test_a_little_slower_or_larger_is_not(changes: dict[str, float]) -> None:
    assert outside(replace(MEASURED, **changes)) == []  # type: ignore[arg-type]


def test_a_longer_start_is_a_note() -> None:
    found = {one.subject: one for one in differences(stored(), stored(replace(MEASURED, ready_seconds=200.0)))}
    assert found["until it is ready"].level == "note"


def test_the_tolerance_is_the_callers() -> None:
    slower = replace(MEASURED, steady_seconds=2.5)
    assert outside(slower, 2.0) == []
    assert len(outside(slower, 1.1)) == 1


def test_faster_is_fine_and_said() -> None:
    found = differences(stored(replace(MEASURED, steady_seconds=3.2)), stored())
    assert not is_outside(found)
    assert found[0].message == "1.40 s, stored is 3.20 s: 2.29 times as fast"


def test_times_too_short_to_tell_anything_are_not_held_against_each_other() -> None:
    short = replace(MEASURED, steady_seconds=0.002, first_seconds=0.002)
    assert not is_outside(differences(stored(short), stored(replace(short, steady_seconds=0.009, first_seconds=0.011))))


def test_versions_are_told_and_cost_nothing() -> None:
    now = stored(versions={"tensorflow": "2.22.0", "GPU driver": "550.54.15", "nncf": "3.4.0"})
    found = differences(stored(), now)
    assert not is_outside(found)
    assert [(one.level, one.subject, one.message) for one in found if "version" in one.subject] == [
        ("note", "version of nncf", "3.4.0, stored is not there"),
        ("note", "version of tensorflow", "2.22.0, stored is 2.21.0"),
    ]


@pytest.mark.parametrize(
    ("now", "worth_it"),
    [
        (replace(MEASURED, steady_seconds=9.0), True),
        (replace(MEASURED, steady_seconds=9.0, setup=replace(SETUP, precision="f32")), False),
        (MEASURED, False),
    ],
    ids=["only slower", "another precision", "as stored"],
)
def test_only_what_may_be_noise_is_worth_another_measurement(now: Measured, worth_it: bool) -> None:
    assert may_be_noise(differences(stored(), stored(now))) is worth_it


def test_of_two_measurements_the_best_figures_count() -> None:
    busy = replace(MEASURED, steady_seconds=9.0, first_seconds=1.2, rounds=1)
    assert better(busy, MEASURED) == replace(MEASURED, first_seconds=1.2, rounds=4)


# -- the file ------------------------------------------------------------------------------------------------


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "fast.json", stored())
    assert read(tmp_path / "fast.json") == stored()
    assert [path.name for path in tmp_path.iterdir()] == ["fast.json"]


def test_it_is_readable_for_people(tmp_path: Path) -> None:
    write(tmp_path / "fast.json", stored())
    lines = (tmp_path / "fast.json").read_text().splitlines()
    assert '    "precision": "fp16",' in lines
    assert '    "steady_seconds": 1.4,' in lines


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "not JSON"),
        (b"\xff\xd8\xff\xe0", "not JSON"),
        ("[]", "is no baseline"),
        ('{"kind": "something else"}', "is no baseline"),
        ({"version": 2}, "a baseline of version 2, this program knows 1"),
        ({"figures": {}}, "figures.ready_seconds: Field required"),
        ({"versions": 3}, "versions: "),
        ({"setup": {"bundle": "x"}}, "setup.networks: "),
        ({"another": 1}, "another: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_is_none_is_refused_with_what_to_do(content: Any, why: str, tmp_path: Path) -> None:
    if isinstance(content, dict):
        content = json.dumps({**stored().model_dump(mode="json"), **content})
    path = tmp_path / "fast.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as refused:
        read(path)
    (problem,) = refused.value.problems
    assert problem.startswith(f"{path}: {why}")
    assert problem.endswith(f"make one on this machine with: bshm-watchd doctor --store {path}")


@pytest.mark.parametrize("content", ["anna", "{}", "[1]", '{"kind": "another"}'])
def test_somebody_elses_file_is_not_replaced(content: str, tmp_path: Path) -> None:
    path = tmp_path / "anna.jpg"
    path.write_text(content)
    with pytest.raises(ConfigError, match="is no baseline, so it is left alone"):
        refuse_unfit(path)


def test_a_directory_that_is_not_there_is_said_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its directory is missing"):
        refuse_unfit(tmp_path / "none" / "fast.json")


def test_an_older_baseline_is_replaced(tmp_path: Path) -> None:
    write(tmp_path / "fast.json", stored(replace(MEASURED, steady_seconds=3.2)))
    refuse_unfit(tmp_path / "fast.json")
    write(tmp_path / "fast.json", stored())
    assert read(tmp_path / "fast.json").figures.steady_seconds == 1.4
