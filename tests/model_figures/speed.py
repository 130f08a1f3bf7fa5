"""Seconds a picture of 960 x 544, in turn, all resident: TensorFlow and OpenVINO with f32, bf16 and INT8."""

from __future__ import annotations

import statistics
from contextlib import ExitStack
from pathlib import Path

from bshm_watchd.config import ModelSettings
from tests.model_figures.resident import resident

_HEIGHT, _WIDTH = 544, 960
_WAYS = {
    "TensorFlow f32": ModelSettings(runtime="tensorflow", precision="f32", device="cpu"),
    "TensorFlow bf16": ModelSettings(runtime="tensorflow", precision="bf16", device="cpu"),
    "OpenVINO f32": ModelSettings(runtime="openvino", precision="f32", device="cpu"),
    "OpenVINO bf16": ModelSettings(runtime="openvino", precision="bf16", device="cpu"),
    "OpenVINO INT8": ModelSettings(runtime="openvino", precision="int8", device="cpu"),
}
_ROUNDS, _PICTURES = 9, 4
_BOUNDS = {"TensorFlow f32": 3.0, "TensorFlow bf16": 1.8}


def show(directory: Path) -> bool:
    """INT8 must be 3 times as fast as plain TensorFlow, and 1.8 times as TensorFlow with bf16."""
    seconds: dict[str, list[float]] = {}
    with ExitStack() as stack:
        ways = [
            stack.enter_context(resident(name, settings.model_copy(update={"bundle": str(directory)}), _HEIGHT, _WIDTH))
            for name, settings in _WAYS.items()
        ]
        for number in range(_ROUNDS + 1):
            for way in ways:
                taken = way.seconds_for(_PICTURES) / _PICTURES
                if number:  # the first round is not counted
                    seconds.setdefault(way.name, []).append(taken)
    print(f"seconds a picture of {_WIDTH} x {_HEIGHT}, {_ROUNDS} rounds in turn, {_PICTURES} pictures each")
    print("| | median s | times as fast as TensorFlow f32 | as TensorFlow bf16 |\n|---|---|---|---|")
    ratios = {}
    for name, taken in seconds.items():
        ratios[name] = {base: _ratio(seconds[base], taken) for base in _BOUNDS}
        told = " | ".join(f"{ratios[name][base]:.2f}" for base in _BOUNDS)
        print(f"| {name} | {statistics.median(taken):.3f} | {told} |")
    return all(ratios["OpenVINO INT8"][base] >= bound for base, bound in _BOUNDS.items())


def _ratio(base: list[float], taken: list[float]) -> float:
    """The median of the rounds' own ratios: what disturbs a round disturbs both."""
    return statistics.median(one / other for one, other in zip(base, taken, strict=True))
