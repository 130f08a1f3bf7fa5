"""`make compare`: photos a second of `bshm-watchd once` and of `rembg p` on the same photos with the same weights.

Whole processes, from their start to their end, in interleaved pairs; the first pair is not counted. rembg gets an
environment of its own (compare/rembg) and our weights, so that neither side downloads anything while it is timed.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import venv
from pathlib import Path

from bshm_watchd.bench import drawn
from bshm_watchd.clock import SystemClock, local_date

HERE = Path(__file__).resolve().parent.parent / "compare"
REMBG = "rembg[cpu,cli]==2.0.86"
HEIGHT, WIDTH = 1080, 1920
CLOCK = SystemClock()


def main() -> int:
    arguments = _arguments()
    HERE.mkdir(exist_ok=True)
    photos = _photos(arguments.count)
    rembg, weights = _rembg(), _weights()
    print(
        f"{len(photos)} photos of {WIDTH} x {HEIGHT}, {arguments.pairs} pairs, {_machine()}, {local_date(CLOCK.wall())}"
    )
    ratios = []
    for pair in range(arguments.pairs + 1):
        theirs, ours = _time_rembg(rembg, weights, photos, arguments.edges), _time_ours(photos, arguments.edges)
        if pair == 0:
            print("warm-up pair done")
            continue
        ratios.append(theirs / ours)
        print(
            f"pair {pair}: rembg {len(photos) / theirs:.2f} photos/s, once {len(photos) / ours:.2f} photos/s, "
            f"ratio {ratios[-1]:.2f}"
        )
    print(f"once is {statistics.median(ratios):.2f} times as fast (min {min(ratios):.2f}, max {max(ratios):.2f})")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=20, help="photos in a run")
    parser.add_argument("--pairs", type=int, default=5, help="counted pairs")
    parser.add_argument(
        "--edges", action="store_true", help="`rembg p -a` against the bundle portrait: both with an edge pass"
    )
    return parser.parse_args()


def _photos(count: int) -> list[Path]:
    directory = HERE / "photos"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for seed in range(count):
        drawn.save(directory / f"photo{seed:02}.jpg", drawn.compose(seed, HEIGHT, WIDTH).pixels)
    return sorted(directory.iterdir())


def _rembg() -> Path:
    environment = HERE / "rembg"
    if not (environment / "bin" / "rembg").exists():
        print(f"installing {REMBG} into {environment} (a minute or two)")
        venv.create(environment, with_pip=True)
        subprocess.run([environment / "bin" / "pip", "install", "-q", REMBG], check=True)
    return environment / "bin" / "rembg"


def _weights() -> Path:
    state = HERE / "state"
    for bundle in ("u2netp", "portrait"):
        fetch = [*_ours(), "model", "fetch", bundle]
        subprocess.run(fetch, check=True, env=_environment(bundle), stdout=subprocess.DEVNULL)
    directory = HERE / "weights"
    directory.mkdir(exist_ok=True)
    shutil.copy(state / "models" / "u2netp" / "u2netp.onnx", directory)
    return directory


def _time_rembg(rembg: Path, weights: Path, photos: list[Path], edges: bool) -> float:
    results = HERE / "rembg-results"
    shutil.rmtree(results, ignore_errors=True)
    command = [str(rembg), "p", *(["-a"] if edges else []), "-m", "u2netp", str(photos[0].parent), str(results)]
    seconds = _time(command, os.environ | {"U2NET_HOME": str(weights)})
    _expect(len(photos), results)
    return seconds


def _time_ours(photos: list[Path], edges: bool) -> float:
    hot = HERE / "hot"
    shutil.rmtree(hot, ignore_errors=True)
    for name in ("journal.sqlite3", "journal.sqlite3-wal", "journal.sqlite3-shm", "folders"):
        _remove(HERE / "state" / name)
    shutil.copytree(photos[0].parent, hot / "drop")
    seconds = _time([*_ours(), "once"], _environment("portrait" if edges else "u2netp"))
    _expect(len(photos), hot / "results")
    return seconds


def _environment(bundle: str) -> dict[str, str]:
    config = HERE / "config.yaml"
    config.write_text(
        f"version: 1\nstate_dir: {HERE}/state\nmodel: {{bundle: {bundle}}}\n"
        f"hot_folders:\n  - name: compare\n    path: {HERE}/hot\n",
        encoding="utf-8",
    )
    return os.environ | {"BSHM_WATCHD_CONFIG": str(config)}


def _ours() -> list[str]:
    return [str(Path(sys.executable).with_name("bshm-watchd"))]


def _time(command: list[str], environment: dict[str, str]) -> float:
    start = CLOCK.monotonic()
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = CLOCK.monotonic() - start
    if result.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {result.returncode}:\n{result.stdout}{result.stderr}")
    return seconds


def _expect(count: int, directory: Path) -> None:
    found = len(list(directory.glob("*.png")))
    if found != count:
        raise SystemExit(f"{directory} has {found} results, not {count}: the two did not do the same work")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return f"{len(os.sched_getaffinity(0))} cores of {model}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
