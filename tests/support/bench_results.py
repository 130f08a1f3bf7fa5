"""Made-up results of measurements, as a machine might leave them; the same numbers each time."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np

from bshm_watchd.bench.results import (
    GpuUse,
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
_CPU: dict[Stage, float] = {
    "read": 0.004,
    "decode": 0.061,
    "matte": 0.274,
    "render": 0.052,
    "write": 0.071,
    "publish": 0.002,
    "file": 0.003,
}


def a_machine(processor: str = "Xeon (Sapphire Rapids)", gpu: str | None = None) -> Machine:
    return Machine(processor=processor, cores=2, memory_mib=24_100, kernel="6.18.3", python="3.11.7", gpu=gpu)


def a_stamp(version: str = "0.2.0", made: str = "2026-11-25T15:20:00+00:00", machine: Machine | None = None) -> Stamp:
    return Stamp(
        version=version,
        commit="e4a85d0" + 33 * "1",
        made=made,
        machine=machine or a_machine(),
        bundle="portrait",
        networks={"modnet.onnx": 64 * "a", "u2netp.onnx": 64 * "b"},
        runtime="openvino",
        precision="bf16",
        device="cpu",
        libraries={"openvino": "2026.4.1", "tensorflow": "2.21.0", "numpy": "2.4.6"},
    )


def a_set(name: str = "1080p", pace: float = 1.0, photos: int = 24, gpu: GpuUse | None = None) -> SpeedOfSet:
    """`pace`: how many times as long everything takes."""
    chance = random.Random(f"{name} {pace}")

    def around(middle: float, count: int) -> list[float]:
        return [middle * pace * chance.lognormvariate(0, 0.08) for _ in range(count)]

    return SpeedOfSet(
        name=name,
        photos=photos,
        megapixels=2.07,
        outputs=["cutout", "matte"],
        first_result_seconds=around(3.4, 3),
        settle_seconds=0.5,
        drop_to_result_seconds=[0.5 + one for one in around(0.41, 20)],
        matte_seconds=around(0.14, 40),
        in_burst_seconds=around(2.2, 3 * photos),
        rounds=[
            Round(photos=photos, seconds=one, cpu_seconds=1.9 * one, peak_mib=chance.uniform(1200, 1320))
            for one in around(photos / 3.9, 5)
        ],
        stages=[StageCost(stage=stage, wall_seconds=0.7 * cpu, cpu_seconds=pace * cpu) for stage, cpu in _CPU.items()],
        batches={1: 5.1 / pace, 2: 6.3 / pace, 4: 6.9 / pace, 8: 7.0 / pace},
        timeline=_a_burst(chance, photos, pace),
        gpu=gpu,
    )


def a_speed_result(stamp: Stamp | None = None, sets: list[SpeedOfSet] | None = None) -> SpeedResult:
    return SpeedResult(stamp=stamp or a_stamp(), sets=[a_set()] if sets is None else sets)


def a_picture(name: str, mad: float = 0.01, failed: str | None = None) -> PictureQuality:
    if failed is not None:
        nothing = dict.fromkeys(("sad", "mse", "mad", "gradient", "connectivity", "edge_psnr_db", "matte_seconds"))
        return PictureQuality(name=name, failed=failed, **nothing)
    return PictureQuality(
        name=name,
        sad=mad * 2070,
        mse=mad * 0.6,
        mad=mad,
        gradient=mad * 900,
        connectivity=mad * 2000,
        edge_psnr_db=24 - 200 * mad,
        matte_seconds=0.14,
    )


def a_quality_result(
    stamp: Stamp | None = None, scenes: list[SceneQuality] | None = None, shown: dict[str, list[str]] | None = None
) -> QualityResult:
    return QualityResult(stamp=stamp or a_stamp(), scenes=scenes or all_scenes(), shown=shown or {})


def all_scenes(worse: float = 1.0) -> list[SceneQuality]:
    chance = random.Random(int(worse * 100))
    scenes = []
    for scene in SCENES:
        mads = [worse * 0.008 * chance.lognormvariate(0, 0.6) for _ in range(8)]
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


def _a_burst(chance: random.Random, photos: int, pace: float) -> list[Span]:
    """Every stage has one place, taken by one photo after the other."""
    free: dict[Stage, float] = dict.fromkeys(STAGES, 0.0)
    spans = []
    for photo in range(photos):
        ready = 0.0
        for stage in STAGES:
            began = max(ready, free[stage])
            ready = began + pace * _CPU[stage] * chance.uniform(0.7, 1.1)
            free[stage] = ready
            spans.append(Span(photo=photo, stage=stage, began=began, ended=ready))
    return spans
