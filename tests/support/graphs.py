"""Graphs with BSHM's contract, and bundles of them, made once a machine: training needs a moment."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bshm_watchd.matting.bshm
from bshm_watchd.matting.bshm.compute import Place, set_up, threads_beside_decoding
from bshm_watchd.matting.bshm.importing import Wanted, import_network
from bshm_watchd.matting.bundle import Bundle, read_bundle
from bshm_watchd.matting.manifest import BucketedSize

_CACHE = Path(__file__).parents[2] / ".pytest_cache" / "d" / "bshm-watchd-graphs"
_SCRIPTS = [*(Path(__file__).parents[1] / "standin").glob("*.py")]
SMALL = BucketedSize(rule="buckets", longest_side=256, stride=32)


@functools.cache
def stand_in() -> Path:
    """A small network of BSHM's structure that has seen a few drawn portraits, as a frozen graph."""
    path = _cached("stand_in", "tf_graph.pb", _SCRIPTS)
    if not path.exists():
        made = path.with_suffix(f".{os.getpid()}")
        command = [sys.executable, "-m", "tests.standin", str(made), "--width", "0.25", "--steps", "60"]
        subprocess.run(command, check=True, capture_output=True, cwd=Path(__file__).parents[2])
        made.rename(path)
    return path


@functools.cache
def arithmetic_graph() -> Path:
    """Alpha in closed form: `tests.standin.freezing.WEIGHTS` times the colours."""
    path = _cached("arithmetic", "tf_graph.pb", _SCRIPTS)
    if not path.exists():
        _write(path, _freezing().arithmetic())
    return path


def graph_file(directory: Path, function: Any, **options: Any) -> Path:
    """Any function of one float32 tensor as `tf_graph.pb`."""
    path = directory / "tf_graph.pb"
    _write(path, _freezing().of(function, **options))
    return path


@functools.cache
def stand_in_bundle() -> Bundle:
    """The stand-in, imported; its sides are at most 256."""
    return _imported("stand-in", stand_in())


@functools.cache
def arithmetic_graph_bundle() -> Bundle:
    """The arithmetic graph, imported; its sides are at most 256."""
    return _imported("arithmetic-graph", arithmetic_graph())


def _imported(name: str, graph: Path) -> Bundle:
    program = Path(bshm_watchd.matting.bshm.__path__[0])
    state_dir = _cached("state", "models", [*_SCRIPTS, *program.glob("*.py")]).parent
    target = state_dir / "models" / name
    if target.exists() and not (bundle := read_bundle(target)).damages():
        return bundle
    return import_network(Wanted(graph, name=name, size=SMALL), state_dir, lambda _: None, "cpu").bundle


def _cached(kind: str, name: str, made_by: Iterable[Path]) -> Path:
    """A place that changes whenever the files do that make what is in it."""
    digest = hashlib.sha256()
    for source in sorted(made_by):
        digest.update(source.read_bytes())
    path = _CACHE / digest.hexdigest()[:16] / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _freezing() -> Any:
    """The scripts, once TensorFlow has the settings that the program's own runtime wants in this process."""
    set_up(Place(gpu=False, threads=threads_beside_decoding(), precision="f32"))
    from tests.standin import freezing

    return freezing


def _write(path: Path, content: bytes) -> None:
    made = path.with_suffix(f".{os.getpid()}")
    made.write_bytes(content)
    made.rename(path)
