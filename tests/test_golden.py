"""Golden pictures: both figures, both bounds, and what is said where one is missed."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bshm.importing import Wanted, import_network
from bshm_watchd.matting.bundle import read_bundle
from bshm_watchd.matting.check import check_bundle
from bshm_watchd.matting.golden import edge_bound, golden_found, mean_bound
from bshm_watchd.matting.runtimes import Precision
from tests.support.golden import golden_bundle
from tests.support.graphs import SMALL, stand_in
from tests.support.runtimes import ScriptedRuntime, green, portrait_bundle, selfie_bundle, u2netp_bundle


def softened(pixels: np.ndarray) -> np.ndarray:
    """Right on average over the picture, and wrong at every edge."""
    return np.asarray(cv2.GaussianBlur(green(pixels), (0, 0), 4), np.uint8)


def test_a_matte_that_is_right_on_average_and_poor_at_its_edge_is_out_of_bounds(tmp_path: Path) -> None:
    bundle = golden_bundle(tmp_path, mean=0.2, edge_psnr_db=30)
    with Batcher(ScriptedRuntime(softened), bundle, 1, 0) as batcher:
        found = golden_found(bundle, bundle.manifest.golden[0], batcher, "f32")
    (missed,) = found.misses
    assert missed.startswith("its edge is ")
    assert missed.endswith(" dB too poor")


def test_a_matte_that_is_as_it_must_be_is_told_with_both_figures_and_bounds(tmp_path: Path) -> None:
    bundle = golden_bundle(tmp_path, mean=0.002, edge_psnr_db=38)
    *_, checked = check_bundle(bundle, ModelSettings(), tmp_path)
    assert checked.passed
    assert checked.message == (
        "alpha differs by 0.00000 on average at f32 (at most 0.002), its edge has 60.0 dB (at least 38)"
    )
    assert (checked.difference, checked.edge_psnr_db, checked.edge_bound_db) == (0, 60, 38)


def test_a_bundle_without_a_bound_for_its_edge_is_judged_by_the_mean_alone(tmp_path: Path) -> None:
    bundle = golden_bundle(tmp_path, mean=0.2, edge_psnr_db=None)
    with Batcher(ScriptedRuntime(softened), bundle, 1, 0) as batcher:
        found = golden_found(bundle, bundle.manifest.golden[0], batcher, "f32")
    assert not found.misses
    assert "at least" not in found.told()


def test_a_bound_that_no_edge_can_reach_is_refused_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"golden\.0\.edge_psnr_db\.f32"):
        golden_bundle(tmp_path, mean=0.2, edge_psnr_db=61)


@pytest.mark.parametrize(("psnr_db", "bound"), [(60.0, 38.4), (20.0, 13.6), (14.0, 7.8)])
def test_an_edge_may_be_twice_as_far_off_as_it_was_measured(psnr_db: float, bound: float) -> None:
    assert edge_bound(psnr_db) == pytest.approx(bound, abs=0.05)


def test_a_mean_may_be_twice_what_was_measured() -> None:
    assert mean_bound(0.01) == pytest.approx(0.022)


@pytest.mark.parametrize("fetched", [portrait_bundle, u2netp_bundle, selfie_bundle])
def test_the_bundles_of_the_catalogue_bound_the_edge_wherever_they_bound_the_mean(fetched: object) -> None:
    assert callable(fetched)
    for golden in read_bundle(fetched().directory).manifest.golden:
        assert golden.edge_psnr_db.keys() == golden.mean_difference.keys()


@pytest.mark.slow
def test_an_imported_bundle_bounds_the_edge_by_what_was_measured_and_is_within(tmp_path: Path) -> None:
    bundle = import_network(Wanted(stand_in(), size=SMALL), tmp_path, lambda _: None, "cpu").bundle
    (golden,) = bundle.manifest.golden
    precisions: set[Precision] = {"f32", "bf16"}
    assert precisions <= golden.edge_psnr_db.keys()
    assert golden.edge_psnr_db["f32"] > golden.edge_psnr_db["bf16"]
    *_, checked = check_bundle(bundle, ModelSettings(runtime="openvino"), tmp_path)
    assert checked.passed
