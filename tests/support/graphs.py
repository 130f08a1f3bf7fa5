"""Graphs with BSHM's contract, and bundles of them, made once a machine: training needs a moment."""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bshm_watchd.bench.drawn import compose
from bshm_watchd.matting.bshm.compute import Place, set_up, threads_beside_decoding
from bshm_watchd.matting.bshm.importing import Wanted, drafted
from bshm_watchd.matting.bshm.looking import Looked, look_at
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.manifest import BucketedSize
from bshm_watchd.matting.quiet_tensorflow import tensorflow

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
    """Of the stand-in; its sides are at most 256."""
    return _drafted("stand-in", stand_in())


@functools.cache
def arithmetic_graph_bundle() -> Bundle:
    """Of the arithmetic graph; its sides are at most 256."""
    return _drafted("arithmetic-graph", arithmetic_graph())


def looked_at(path: Path) -> Looked:
    """What is in the file, found out as an import finds it out."""
    with_tensorflow()
    shown = compose(3, 96, 128)
    return look_at(path, (None, None), shown.pixels, shown.alpha, lambda _: None)


def _drafted(name: str, graph: Path) -> Bundle:
    """A bundle of it as an import drafts one: there is no golden picture, and nothing was measured."""
    made = Path(tempfile.mkdtemp(prefix=f"bshm-watchd-{name}-"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return drafted(made, Wanted(graph, name=name, size=SMALL), looked_at(graph))


def _cached(kind: str, name: str, made_by: Iterable[Path]) -> Path:
    """A place that changes whenever the files do that make what is in it."""
    digest = hashlib.sha256()
    for source in sorted(made_by):
        digest.update(source.read_bytes())
    path = _CACHE / digest.hexdigest()[:16] / kind / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def with_tensorflow() -> Any:
    """The library, once it has the settings that the program's own runtime wants in this process."""
    set_up(Place(gpu=False, threads=threads_beside_decoding(), precision="f32"))
    return tensorflow()


def _freezing() -> Any:
    with_tensorflow()
    from tests.standin import freezing

    return freezing


def _write(path: Path, content: bytes) -> None:
    made = path.with_suffix(f".{os.getpid()}")
    made.write_bytes(content)
    made.rename(path)
