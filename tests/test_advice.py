"""What `doctor` says would make it faster: each rule, by made-up machines, and what must not be said."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.cli.advice import MEASURED, Situation, advice

_ROOT = Path(__file__).parents[1]
_FAST_CPU = {"int8": "avx512_vnni", "bf16": "avx512_bf16"}
_AT_ITS_BEST = Situation(
    bundle="studio", named="studio",
    device="cpu", runtime="openvino", precision="int8", precisions=("f32", "bf16", "int8"),
    has_int8=True, fast=_FAST_CPU, cores=16, cores_of_machine=16, max_batch=4, takes_batches=False,
)  # fmt: skip
_ON_GPU: dict[str, Any] = {
    "device": "gpu", "runtime": "tensorflow", "precision": "fp16", "precisions": ("fp16", "f32"), "has_int8": False,
    "takes_batches": True,
}  # fmt: skip


def said(**changes: Any) -> list[tuple[str, str]]:
    return [(one.what, one.how) for one in advice(replace(_AT_ITS_BEST, **changes))]


@pytest.mark.parametrize("changes", [{}, _ON_GPU], ids=["cpu", "gpu"])
def test_where_all_is_at_its_best_nothing_is_said(changes: dict[str, Any]) -> None:
    assert said(**changes) == []


@pytest.mark.parametrize(
    ("changes", "what", "how"),
    [
        ({"gpu_unused": "model.device is cpu: model: {device: auto}"}, "a GPU is there", "model: {device: auto}"),
        ({"gpu_unused": "TensorFlow sees none"}, "a GPU is there", "docs/gpu.md"),
        ({**_ON_GPU, "precision": "f32"}, "fp16", "model: {precision: auto}"),
        ({**_ON_GPU, "max_batch": 1}, "batches", "batch: {max_size: 4}"),
        ({"precision": "bf16", "has_int8": False}, "INT8", "bshm-watchd model quantize studio DIR"),
        ({"precision": "bf16"}, "INT8, which is made already", "model: {precision: int8}"),
        ({"precision": "f32", "fast": {"bf16": "amx_bf16"}}, "bf16", "model: {precision: bf16}"),
        ({"working_side": 1920}, "a smaller working side", "model: {working_side: 1280}"),
        ({"working_side": 1024}, "a smaller working side", "model: {working_side: 960}"),
        ({"cores": 2, "cores_of_machine": 2}, "more cores", "--cpus"),
        ({"cores": 4}, "all cores", "AllowedCPUs="),
        ({"state_on": "nfs4"}, "a local state directory", "state_dir:"),
    ],
)
def test_each_thing_that_would_help_is_said_with_how(changes: dict[str, Any], what: str, how: str) -> None:
    ((told, way),) = said(**changes)
    assert told.startswith(what)
    assert how in way


def test_what_is_worth_most_comes_first() -> None:
    worst = said(
        precision="f32", has_int8=False, gpu_unused="x: y", working_side=1920, cores=1, cores_of_machine=1,
        state_on="cifs",
    )  # fmt: skip
    assert [what for what, _ in worst] == [
        "a GPU is there and not used", "INT8", "bf16", "a smaller working side", "more cores",
        "a local state directory",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {"precision": "f32", "fast": {}},
        {"precision": "f32", "precisions": ("f32",)},
        {**_ON_GPU, "max_batch": 1, "takes_batches": False},
        {**_ON_GPU, "fast": _FAST_CPU},
        {"max_batch": 1},
        {"working_side": 960},
    ],
    ids=[
        "a CPU without either",
        "a runtime without either",
        "one picture a call",
        "a GPU",
        "no batches on a CPU",
        "a small side",
    ],
)
def test_what_this_machine_or_model_cannot_do_is_not_advised(changes: dict[str, Any]) -> None:
    assert said(**changes) == []


def test_a_runtime_that_was_named_and_has_no_int8_is_unnamed_in_the_advice() -> None:
    (told,) = advice(replace(_AT_ITS_BEST, runtime="tensorflow", precision="bf16"))
    assert told.how == "model: {precision: int8, runtime: auto}"


def test_a_figure_is_given_only_for_what_was_measured() -> None:
    measured, other = (
        advice(replace(_AT_ITS_BEST, bundle=bundle, precision="bf16"))[0].why for bundle in ("portrait", "studio")
    )
    assert "2.45 times as fast as f32 where it was measured (docs/models.md)" in measured
    assert "times" not in other


@pytest.mark.parametrize(("bundle", "precision"), MEASURED)
def test_a_figure_is_the_one_that_the_page_has(bundle: str, precision: str) -> None:
    """The last column of the table's rows, which follow the row that names the bundle."""
    _, _, table = (_ROOT / "docs" / "models.md").read_text(encoding="utf-8").partition("\n## INT8\n")
    rows = [[cell.strip(" *`") for cell in line.split("|")[1:-1]] for line in table.splitlines() if line[:1] == "|"]
    named = next(index for index, row in enumerate(rows) if row[0] == bundle and row[1] == "f32")
    row = next(row for row in rows[named:] if row[1].lower() == precision)
    assert re.fullmatch(r"[\d.]+", row[-1])
    assert float(row[-1]) == MEASURED[bundle, precision]


def test_a_bundle_that_is_named_by_its_path_is_quantised_by_it() -> None:
    found = replace(_AT_ITS_BEST, named="/srv/models/studio", precision="bf16", has_int8=False)
    assert advice(found)[0].how.startswith("bshm-watchd model quantize /srv/models/studio DIR")
