"""Several networks as one runtime: who gets which picture, and whose failure is whose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import RuntimeBroken
from bshm_watchd.matting.fused_runtime import FusedRuntime, Part
from bshm_watchd.matting.fusion_rule import FusionRule
from bshm_watchd.matting.runtime import MattingFailed
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.runtimes import ScriptedRuntime, green, portrait_bundle

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

BAD = 13  # the red value of a picture that a part does not like


def picture(red: int = 0, green: int = 0, height: int = 12, width: int = 18) -> Pixels:
    return np.full((height, width, 3), (red, green, 0), np.uint8)


def fused_of(*answers: Callable[[Pixels], Alpha | Exception]) -> FusedRuntime:
    """Parts of 4 x 6, 5 x 7, ... that answer so; the fusion is the plain mean."""
    parts = [Part(ScriptedRuntime(answer), 4 + n, 6 + n) for n, answer in enumerate(answers)]
    return FusedRuntime(parts, FusionRule(low=0, high=1))


def picky(pixels: Pixels) -> Alpha | Exception:
    return MattingFailed("not this one") if pixels[0, 0, 0] == BAD else green(pixels)


def value(answer: Alpha | Exception) -> int:
    assert isinstance(answer, np.ndarray)
    (only,) = np.unique(answer)
    return int(only)


def test_each_part_gets_the_pictures_at_its_own_size() -> None:
    first, second = ScriptedRuntime(green), ScriptedRuntime(green)
    fused = FusedRuntime([Part(first, 4, 6), Part(second, 300, 200)], FusionRule(low=0, high=1))
    (alpha, _) = fused.infer([picture(), picture()])
    assert first.batches == [[(4, 6, 3)] * 2]
    assert second.batches == [[(300, 200, 3)] * 2]
    assert isinstance(alpha, np.ndarray)
    assert alpha.shape == (12, 18)
    assert alpha.dtype == np.uint8


def test_what_all_parts_say_counts() -> None:
    fused = fused_of(green, lambda pixels: np.full(pixels.shape[:2], 200, np.uint8))
    between, agreed = (value(answer) for answer in fused.infer([picture(green=100), picture(green=200)]))
    assert 140 < between < 160
    assert agreed == 200


@pytest.mark.parametrize("answers", [(picky, green), (green, picky), (picky, picky)])
def test_a_picture_that_fails_in_one_part_fails_alone(answers: Sequence[Callable[[Pixels], Alpha | Exception]]) -> None:
    one, bad, two = fused_of(*answers).infer([picture(1, 10), picture(BAD, 20), picture(2, 30)])
    assert [value(one), value(two)] == [10, 30]
    assert isinstance(bad, MattingFailed)


def test_a_broken_part_breaks_the_whole() -> None:
    def breaking(pixels: Pixels) -> Alpha:
        raise RuntimeBroken("the device fell off")

    with pytest.raises(RuntimeBroken, match="fell off"):
        fused_of(green, breaking).infer([picture()])


def test_a_part_that_loses_an_answer_is_broken() -> None:
    class Forgetful(ScriptedRuntime):
        def infer(self, batch: object) -> list[Alpha | Exception]:
            return []

    with pytest.raises(RuntimeBroken, match="0 answers for 1"):
        FusedRuntime([Part(Forgetful(green), 4, 6)], FusionRule(low=0, high=1)).infer([picture()])


class Noted(ScriptedRuntime):
    """Notes its start and its close in a list that all parts share."""

    def __init__(self, name: str, notes: list[str], trouble: str = "", streams: int = 1, max_batch: int = 1) -> None:
        super().__init__(green, streams, max_batch)
        self._name = name
        self._notes = notes
        self._trouble = trouble

    def start(self) -> None:
        self._note("start")

    def close(self) -> None:
        self._note("close")

    def _note(self, what: str) -> None:
        self._notes.append(f"{what} {self._name}")
        if what == self._trouble:
            raise RuntimeBroken(f"{self._name} cannot {what}")


def noted(*parts: Noted) -> FusedRuntime:
    return FusedRuntime([Part(part, 4, 6) for part in parts], FusionRule(low=0, high=1))


def test_parts_close_in_reverse_and_all_of_them_whatever_one_says() -> None:
    notes: list[str] = []
    fused = noted(Noted("a", notes), Noted("b", notes, trouble="close"), Noted("c", notes))
    fused.start()
    with pytest.raises(RuntimeBroken, match="b cannot close"):
        fused.close()
    assert notes == ["start a", "start b", "start c", "close c", "close b", "close a"]


def test_a_part_that_cannot_start_is_told_and_the_others_can_still_be_closed() -> None:
    notes: list[str] = []
    fused = noted(Noted("a", notes), Noted("b", notes, trouble="start"), Noted("c", notes))
    with pytest.raises(RuntimeBroken, match="b cannot start"):
        fused.start()
    fused.close()
    assert notes == ["start a", "start b", "close c", "close b", "close a"]


def test_there_are_as_many_streams_as_the_part_with_most_can_use() -> None:
    fused = noted(Noted("a", [], streams=2, max_batch=1), Noted("b", [], streams=1, max_batch=8))
    assert (fused.streams, fused.max_batch) == (2, 8)


def test_bf16_is_for_the_parts_that_can() -> None:
    runtime = make_runtime(portrait_bundle(), ModelSettings(precision="bf16"))
    assert "u2netp.onnx bf16" in repr(runtime)
    assert "selfie_segmentation.tflite f32" in repr(runtime)
