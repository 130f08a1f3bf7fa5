"""A bundle tried in a process of its own: what is measured, by delays that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle, catalogue, read_bundle
from bshm_watchd.matting.trial import Effort, tried

_PICTURE = np.full((40, 60, 3), 200, np.uint8)


def slowed(directory: Path, seconds: float) -> Bundle:
    content = yaml.safe_load(catalogue()["arithmetic"].path("bundle.yaml").read_text())
    content["model"]["delay_seconds_per_photo"] = seconds
    directory.mkdir()
    (directory / "bundle.yaml").write_text(yaml.safe_dump(content))
    return read_bundle(directory)


def test_every_photo_takes_at_least_what_the_model_takes(tmp_path: Path) -> None:
    trial = tried(slowed(tmp_path / "slow", 0.2), ModelSettings(), _PICTURE, Effort(photos=2))
    figures = trial.figures
    assert min(figures.first_seconds, figures.steady_seconds) >= 0.2
    assert 0 < figures.resident_mib <= figures.peak_mib
    assert (trial.alpha == 200).all()


def test_a_slow_model_is_given_fewer_photos(tmp_path: Path) -> None:
    bundle = slowed(tmp_path / "slow", 1.0)
    effort = Effort(photos=1_000, seconds=0.1, patience_seconds=100)
    assert tried(bundle, ModelSettings(), _PICTURE, effort).figures.steady_seconds >= 1


@pytest.mark.parametrize(("configured", "told"), [(1, 1), (4, 4), (64, 8)])
def test_the_largest_batch_is_the_smaller_of_what_is_configured_and_possible(configured: int, told: int) -> None:
    bundle = catalogue()["arithmetic"]
    figures = tried(bundle, ModelSettings(), _PICTURE, Effort(photos=1, max_batch=configured)).figures
    assert figures.largest_batch == told


def test_a_model_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no answer in 3 seconds"):
        tried(slowed(tmp_path / "hung", 1_000), ModelSettings(), _PICTURE, Effort(patience_seconds=3))
