"""Made-up results of `bench`, as a machine might leave them; the same numbers each time."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
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
    written,
)
from bshm_watchd.stages import STAGES, Stage

SCENES = ("profile-close-up", "hair-detail", "full-body", "group", "back-lit-silhouette", "dark-background")
_CPU_SECONDS: dict[Stage, float] = {
    "read": 0.005,
    "decode": 0.06,
    "matte": 0.4,
    "render": 0.06,
    "write": 0.07,
    "publish": 0.002,
    "file": 0.003,
}
CPU_SECONDS_A_PHOTO = 0.6


def a_machine(processor: str = "Xeon (Sapphire Rapids)", cores: int = 2, gpu: str | None = None) -> Machine:
    return Machine(processor=processor, cores=cores, memory_mib=24_100, kernel="6.18.3", python="3.11.7", gpu=gpu)


def a_stamp(version: str = "0.2.0", made: str = "2026-11-25T15:20:00+00:00", **changes: Any) -> Stamp:
    content: dict[str, Any] = {
        "version": version, "commit": "e4a85d0" + 33 * "1", "made": made, "machine": a_machine(), "bundle": "portrait",
        "networks": {"modnet.onnx": 64 * "a", "u2netp.onnx": 64 * "b"}, "runtime": "openvino", "precision": "bf16",
        "device": "cpu", "libraries": {"openvino": "2026.4.1", "tensorflow": "2.21.0", "numpy": "2.4.6"},
    }  # fmt: skip
    return Stamp(**content | changes)


def noisy(middle: float, count: int, seed: int, spread: float = 0.02) -> list[float]:
    """So many samples around it, as a quiet machine would make them."""
    return [float(one) for one in np.random.default_rng(seed).normal(middle, middle * spread, count)]


def a_set(
    name: str = "1080p", slower: float = 1.0, *, seed: int = 0, rounds: int = 6, lone: int = 20, **changes: Any
) -> SpeedOfSet:
    """2 photos/s; `slower`: times as long for all that takes time."""
    seconds = noisy(5 * slower, rounds, seed)
    content: dict[str, Any] = {
        "name": name, "photos": 10, "megapixels": 2.07, "outputs": ["cutout png"], "settle_seconds": 2.0,
        "first_result_seconds": noisy(4 * slower, 6, seed + 1),
        "drop_to_result_seconds": [2.0 + one for one in noisy(0.6 * slower, lone, seed + 2)],
        "matte_seconds": noisy(0.45 * slower, lone, seed + 3),
        "in_burst_seconds": noisy(1.5 * slower, 10 * rounds, seed + 4),
        "rounds": [Round(photos=10, seconds=one, cpu_seconds=one * 1.9, peak_mib=600) for one in seconds],
        "stages": [
            StageCost(stage=stage, wall_seconds=0.7 * cpu, cpu_seconds=cpu) for stage, cpu in _CPU_SECONDS.items()
        ],
        "batches": {1: 5.1 / slower, 2: 6.3 / slower, 4: 6.9 / slower, 8: 7.0 / slower},
        "timeline": _a_burst(random.Random(f"{name} {slower}"), 10, slower),
    }  # fmt: skip
    return SpeedOfSet(**content | changes)


def a_speed_result(*sets: SpeedOfSet, stamp: Stamp | None = None, **changes: Any) -> SpeedResult:
    content: dict[str, Any] = {"file_system": "ext4"}
    return SpeedResult(stamp=stamp or a_stamp(), sets=list(sets) or [a_set()], **content | changes)


def a_picture(name: str, mad: float = 0.01, failed: str | None = None) -> PictureQuality:
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
    return quality_of(SceneQuality(scene=scene, pictures=pictures), stamp=stamp)


def quality_of(
    *scenes: SceneQuality, stamp: Stamp | None = None, shown: dict[str, list[str]] | None = None
) -> QualityResult:
    """Of all scenes that there are where none is named."""
    return QualityResult(stamp=stamp or a_stamp(), scenes=list(scenes) or all_scenes(), shown=shown or {})


def all_scenes() -> list[SceneQuality]:
    chance = random.Random(1)
    scenes = []
    for scene in SCENES:
        mads = [0.008 * chance.lognormvariate(0, 0.6) for _ in range(8)]
        pictures = [a_picture(f"{scene}-{place:02d}", mad) for place, mad in enumerate(mads)]
        scenes.append(SceneQuality(scene=scene, pictures=pictures))
    scenes[3].pictures.append(a_picture("group-08", failed="nobody was found"))
    return scenes


def small_jpegs(directory: Path, photo: str) -> list[str]:
    """The four pictures of one photo, and their names."""
    directory.mkdir(parents=True, exist_ok=True)
    names = []
    for place, kind in enumerate(("photo", "true", "ours", "cutout")):
        picture = np.full((180, 240, 3), (60 * place, 120, 200 - 40 * place), np.uint8)
        cv2.circle(picture, (120, 90), 60, (220, 220, 220), -1)
        _, jpeg = cv2.imencode(".jpg", picture)
        names.append(f"{photo}-{kind}.jpg")
        (directory / names[-1]).write_bytes(jpeg.tobytes())
    return names


def stored(path: Path, result: SpeedResult | QualityResult) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    written(path, result)
    return path


def _a_burst(chance: random.Random, photos: int, slower: float) -> list[Span]:
    """Every stage has one place, taken by one photo after the other."""
    free: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
    spans = []
    for photo in range(photos):
        ready = 0.0
        for stage in STAGES:
            began = max(ready, free[stage])
            ready = began + slower * _CPU_SECONDS[stage] * chance.uniform(0.7, 1.1)
            free[stage] = ready
            spans.append(Span(photo=photo, stage=stage, began=began, ended=ready))
    return spans
