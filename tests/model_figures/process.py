"""Photos an hour: the resident model against a process a photo, on the same photos, in turn."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bshm_watchd.bench.drawn import compose, save

_PHOTOS, _ALONE, _PAIRS = 60, 3, 3
_HEIGHT, _WIDTH = 1080, 1920


def show(directory: Path) -> bool:
    """Five times as many, at least."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        config = place / "config.yaml"
        config.write_text(
            f"version: 1\nstate_dir: {place}/state\nhot_folders: [{{name: a, path: {place}/hot}}]\n"
            f"model: {{bundle: {directory}, runtime: openvino, working_side: 960}}\n",
            encoding="utf-8",
        )
        photos = [place / f"{number}.jpg" for number in range(_PHOTOS)]
        for number, path in enumerate(photos):
            save(path, compose(number, _HEIGHT, _WIDTH).pixels)
        pairs = [_pair(config, photos, place / f"out{number}") for number in range(_PAIRS + 1)][1:]
    print("| pair | resident, photos/h | a process a photo, photos/h | ratio |\n|---|---|---|---|")
    for number, (resident, alone) in enumerate(pairs, 1):
        print(f"| {number} | {resident:.0f} | {alone:.0f} | {resident / alone:.2f} |")
    return statistics.median(resident / alone for resident, alone in pairs) >= 5


def _pair(config: Path, photos: list[Path], out: Path) -> tuple[float, float]:
    """Photos an hour. The resident one is started with all of them; its start counts."""
    began = time.perf_counter()
    _matte(config, photos, out / "resident")
    resident = time.perf_counter() - began
    few = photos[:_ALONE]
    began = time.perf_counter()
    for photo in few:
        _matte(config, [photo], out / "alone")
    alone = time.perf_counter() - began
    return 3600 * len(photos) / resident, 3600 * len(few) / alone


def _matte(config: Path, photos: list[Path], out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "bshm_watchd.cli.main", "--config", str(config), "matte", *map(str, photos)]
    subprocess.run([*command, "-o", f"{out}/"], check=True, capture_output=True)
