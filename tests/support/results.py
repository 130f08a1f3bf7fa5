"""Results of `bench` as somebody might have measured them, made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bshm_watchd.bench.results import (
    Machine,
    PictureQuality,
    QualityResult,
    Round,
    SceneQuality,
    Span,
    SpeedOfSet,
    SpeedResult,
    StageCost,
    Stamp,
)


def a_stamp(**changes: Any) -> Stamp:
    machine = Machine(processor="A", cores=2, memory_mib=8192, kernel="6.18", python="3.11.7")
    content: dict[str, Any] = {
        "version": "0.1.0", "commit": "a" * 40, "made": "2026-11-25T12:00:00+00:00", "machine": machine,
        "bundle": "u2netp", "networks": {"u2netp.onnx": "b" * 64}, "runtime": "openvino", "precision": "f32",
        "device": "cpu", "libraries": {"numpy": "2.4.6"},
    }  # fmt: skip
    return Stamp(**content | changes)


def noisy(middle: float, count: int, seed: int, spread: float = 0.02) -> list[float]:
    """So many samples around it, as a quiet machine would make them."""
    return [float(one) for one in np.random.default_rng(seed).normal(middle, middle * spread, count)]


def a_set(*, slower: float = 1.0, seed: int = 0, rounds: int = 6, lone: int = 20, **changes: Any) -> SpeedOfSet:
    """2 photos/s; `slower`: times as long for all that takes time."""
    seconds = noisy(5 * slower, rounds, seed)
    content: dict[str, Any] = {
        "name": "1080p", "photos": 10, "megapixels": 2.07, "outputs": ["cutout png"], "settle_seconds": 2.0,
        "first_result_seconds": noisy(4 * slower, 6, seed + 1),
        "drop_to_result_seconds": [2.0 + one for one in noisy(0.6 * slower, lone, seed + 2)],
        "matte_seconds": noisy(0.45 * slower, lone, seed + 3),
        "in_burst_seconds": noisy(1.5 * slower, 10 * rounds, seed + 4),
        "rounds": [Round(photos=10, seconds=one, cpu_seconds=one * 1.9, peak_mib=600) for one in seconds],
        "stages": [
            StageCost(stage="decode", wall_seconds=0.012, cpu_seconds=0.01),
            StageCost(stage="matte", wall_seconds=0.46, cpu_seconds=0.5),
            StageCost(stage="render", wall_seconds=0.08, cpu_seconds=0.09),
        ],
        "batches": {}, "timeline": [Span(photo=0, stage="decode", began=0.0, ended=0.01)],
    }  # fmt: skip
    return SpeedOfSet(**content | changes)


def a_speed_result(*sets: SpeedOfSet, stamp: Stamp | None = None, **changes: Any) -> SpeedResult:
    content: dict[str, Any] = {"file_system": "ext4"}
    return SpeedResult(stamp=stamp or a_stamp(), sets=list(sets) or [a_set()], **content | changes)


def a_picture(name: str, mad: float | None, failed: str | None = None) -> PictureQuality:
    """All errors follow from the mean absolute one."""
    error = None if failed else mad
    scaled = dict.fromkeys(("sad", "mse", "gradient", "connectivity"), None if error is None else error * 10)
    psnr = None if error is None else float(-20 * np.log10(error * 5))
    return PictureQuality(
        name=name, mad=error, edge_psnr_db=psnr, matte_seconds=0.4, failed=failed, **scaled
    )  # fmt: skip


def a_quality_result(
    errors: Sequence[float], scene: str = "hair-detail", stamp: Stamp | None = None, failed: Sequence[int] = ()
) -> QualityResult:
    """A scene with a picture for each mean absolute error; those with an index in `failed` have no matte."""
    pictures = [
        a_picture(f"{number}.jpg", error, "no alpha" if number in failed else None)
        for number, error in enumerate(errors)
    ]
    return QualityResult(stamp=stamp or a_stamp(), scenes=[SceneQuality(scene=scene, pictures=pictures)])
