"""Runtimes and bundles for tests."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle, catalogue
from bshm_watchd.matting.fetch import fetch

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

_CACHE = Path(__file__).parents[2] / ".pytest_cache" / "d" / "bshm-watchd-state"


class ScriptedRuntime:
    """Answers each picture with `answer(pixels)`; a gate holds every `infer` until it is opened."""

    def __init__(
        self, answer: Callable[[Pixels], Alpha | Exception], streams: int = 1, max_batch: int = 8, gated: bool = False
    ) -> None:
        self._answer = answer
        self.streams = streams
        self.max_batch = max_batch
        self.gate = threading.Event()
        self.entered = threading.Event()
        self.batches: list[list[tuple[int, ...]]] = []
        if not gated:
            self.gate.set()

    def start(self) -> None:
        """Nothing to load."""

    def infer(self, batch: Sequence[Pixels]) -> list[Alpha | Exception]:
        self.batches.append([pixels.shape for pixels in batch])
        self.entered.set()
        self.gate.wait()
        return [self._answer(pixels) for pixels in batch]

    def close(self) -> None:
        self.gate.set()


def green(pixels: Pixels) -> Alpha:
    return pixels[:, :, 1].copy()


def arithmetic_bundle(longest_side: int = 10_000, **model: float) -> Bundle:
    """The arithmetic bundle of the catalogue with another working size, and other values in its `model`."""
    shipped = catalogue()["arithmetic"]
    size = shipped.manifest.working_size.model_copy(update={"longest_side": longest_side})
    changed = shipped.manifest.model.model_copy(update=model)
    return Bundle(shipped.directory, shipped.manifest.model_copy(update={"model": changed, "working_size": size}))


def u2netp_bundle() -> Bundle:
    return _fetched("u2netp")


def selfie_bundle() -> Bundle:
    return _fetched("selfie")


def portrait_bundle() -> Bundle:
    return _fetched("portrait")


@functools.cache
def _fetched(name: str) -> Bundle:
    """A bundle: of $BSHM_WATCHD_TEST_STATE, else fetched once into pytest's cache; else the test skips."""
    state_dir = Path(os.environ.get("BSHM_WATCHD_TEST_STATE") or _CACHE)
    try:
        return fetch(name, state_dir)  # which leaves one alone that is there and intact
    except ConfigError as error:
        pytest.skip(f"the weights of {name} cannot be had: {error}")
