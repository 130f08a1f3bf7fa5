"""The versions tested together, held against where they come from."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bshm_watchd.cli.processor import processor
from bshm_watchd.cli.tested import GPU_TOGETHER, TESTED, gpu_versions, held_against_tested
from bshm_watchd.matting.devices.evidence import Build, numbers
from tests.support.gpus import NO_GPU, evidence

_ROOT = Path(__file__).parents[1]


def test_the_tested_versions_are_those_of_the_lock() -> None:
    lines = (_ROOT / ".ci" / "requirements.lock").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if "==" in line)
    assert {name: locked[name] for name in TESTED} == TESTED


def test_the_gpu_versions_are_those_of_the_page() -> None:
    page = (_ROOT / "docs" / "gpu.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d., ]+) \| ([\d.]+) \| (\d[\d.]*)[^|]* \| ([\d.]+) \|$", page, re.MULTILINE)
    told = {
        numbers(version): (cuda, cudnn, driver)
        for versions, cuda, cudnn, driver in rows
        for version in versions.split(", ")
    }
    assert told == {version: (one.cuda, one.cudnn, one.driver) for version, one in GPU_TOGETHER.items()}


@pytest.mark.parametrize(
    ("version", "level", "told"),
    [("2.4.6", "ok", "2.4.6, as tested"), ("2.5.0", "note", "2.5.0, tested is 2.4.6: pip install 'numpy==2.4.6'")],
)
def test_another_version_than_the_tested_one_is_a_note(version: str, level: str, told: str) -> None:
    found = {one.subject: one for one in held_against_tested({"numpy": version}.get)}
    assert found["numpy"].level == level
    assert found["numpy"].message.startswith(told)


def test_what_only_quantising_needs_may_be_missing() -> None:
    (finding,) = held_against_tested(lambda _: None)
    assert (finding.subject, finding.level) == ("nncf", "ok")


def test_what_tensorflow_goes_with_is_told_where_there_is_a_gpu() -> None:
    (finding,) = gpu_versions(evidence())
    assert "CUDA 12.5.1, cuDNN 9 and driver 525.60.13 or newer" in finding.message
    assert list(gpu_versions(NO_GPU)) == []


def test_a_tensorflow_that_no_table_has_is_a_note() -> None:
    (finding,) = gpu_versions(evidence(tensorflow=Build("3.0.0", True, "14.0", "10")))
    assert finding.level == "note"


@pytest.mark.parametrize(
    ("flags", "fast"),
    [
        ("avx2 avx512_vnni avx512_bf16", {"int8": "avx512_vnni", "bf16": "avx512_bf16"}),
        ("avx512_vnni amx_int8 amx_bf16", {"int8": "amx_int8", "bf16": "amx_bf16"}),
        ("avx2 avx_vnni", {"int8": "avx_vnni"}),
        ("sse avx2 fma", {}),
    ],
)
def test_the_processor_tells_which_precisions_it_makes_fast(flags: str, fast: dict[str, str]) -> None:
    assert processor(f"flags\t\t: {flags}\n").fast == fast


def test_an_arm_processor_is_read_by_its_own_words() -> None:
    assert processor("Features\t: fp asimd asimddp i8mm bf16\n").fast == {"int8": "i8mm", "bf16": "bf16"}


def test_cores_that_are_not_ours_are_told() -> None:
    finding, _ = processor("flags: avx2\n", cores=2, cores_of_machine=16).findings()
    assert "2 of 16 cores for us" in finding.message
