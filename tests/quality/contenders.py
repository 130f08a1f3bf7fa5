"""Who is compared: bundles of this project as it runs them, and rembg in a Python of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from bshm_watchd.bench.pack import Alpha, Pixels
from bshm_watchd.clock import SystemClock
from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.fetch import fetch
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtimes import make_runtime

_WORKER = Path(__file__).with_name("rembg_side.py")
_CLOCK = SystemClock()


@dataclass(frozen=True)
class Answer:
    """`seconds`: from the decoded photo to its matte at full size."""

    matte: Alpha
    seconds: float


class Contender(Protocol):
    name: str

    def answer(self, pixels: Pixels) -> Answer:
        """Decoded photo (uint8 H x W x 3 RGB) to matte (uint8 H x W)."""
        ...


class Resident:
    """A bundle, resident in memory and asked through the batcher, as the daemon does."""

    def __init__(self, name: str, batcher: Batcher) -> None:
        self.name = name
        self._batcher = batcher

    def answer(self, pixels: Pixels) -> Answer:
        start = _CLOCK.monotonic()
        matte = self._batcher.matte(Photo(np.ascontiguousarray(pixels)))
        return Answer(matte, _CLOCK.monotonic() - start)


@contextmanager
def resident(name: str, bundle: Bundle) -> Iterator[Contender]:
    settings = ModelSettings(precision="f32")
    with Batcher(make_runtime(bundle, settings), bundle, max_size=1, max_wait_seconds=0) as batcher:
        yield Resident(name, batcher)


def bundles(state_dir: Path) -> dict[str, Bundle]:
    """Those of this project, by the names that the table gives them; fetched where they are missing."""
    portrait = fetch("portrait", state_dir)
    return {
        "u2netp": fetch("u2netp", state_dir),
        "selfie": fetch("selfie", state_dir),
        "fusion": without_edge_pass(portrait),
        "portrait": portrait,
    }


def without_edge_pass(bundle: Bundle) -> Bundle:
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"edge_pass": None}))


class Rembg:
    """A process that keeps rembg's session open: a picture's path in, its matte's path and its seconds out."""

    def __init__(self, name: str, process: subprocess.Popen[str], directory: Path) -> None:
        self.name = name
        self._process = process
        self._directory = directory

    def answer(self, pixels: Pixels) -> Answer:
        picture, matte = self._directory / "picture.png", self._directory / "matte.png"
        cv2.imwrite(str(picture), pixels[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([str(picture), str(matte)]), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended with {self._process.wait()}")
        return Answer(np.asarray(cv2.imread(str(matte), cv2.IMREAD_GRAYSCALE), np.uint8), json.loads(line))


@contextmanager
def rembg(name: str, python: Path, weights: Path, directory: Path, *options: str) -> Iterator[Contender]:
    """`python`: one that can import rembg. `weights`: the u2netp.onnx that both sides use. `options`: --alpha-matting.

    The first picture compiles what rembg compiles at its first use; it is not measured.
    """
    home = directory / "weights"
    home.mkdir(parents=True, exist_ok=True)
    (home / "u2netp.onnx").unlink(missing_ok=True)
    (home / "u2netp.onnx").symlink_to(weights.resolve())
    with subprocess.Popen(
        [str(python), str(_WORKER), *options],
        env=os.environ | {"U2NET_HOME": str(home)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        contender = Rembg(name, process, directory)
        contender.answer(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
        yield contender
        assert process.stdin is not None
        process.stdin.close()
