"""The realistic stand-in as a bundle with INT8, made once for all figures; drawn portraits are its photos."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from pathlib import Path

from bshm_watchd.bench.drawn import compose
from bshm_watchd.matting.bshm.importing import Wanted, import_network
from bshm_watchd.matting.bundle import Bundle, read_bundle
from bshm_watchd.matting.int8 import read_int8
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.quantize import quantize

_CALIBRATED_WITH = 36


def prepared(place: Path, graph: Path | None, *, int8: bool) -> Bundle:
    """Trained, imported and made INT8 where it is not yet; says what it does, and what the gate found."""
    bundle_directory = place / "models" / "stand-in"
    if not bundle_directory.exists():
        graph = graph or _trained(place / "tf_graph.pb")
        import_network(Wanted(graph, name="stand-in"), place, lambda what: print(f"  {what}", flush=True), "cpu")
    bundle = read_bundle(bundle_directory)
    if int8 and read_int8(bundle) is None:
        print("  making INT8", flush=True)
        with contextlib.redirect_stdout(io.StringIO()):
            outcome = quantize(bundle, [str(seed) for seed in range(_CALIBRATED_WITH)], _drawn, lambda *_: None)
        print("".join(f"  gate: {line}\n" for line in outcome.lines), end="", flush=True)
    if (record := read_int8(bundle)) is not None:
        print(f"  INT8 ({record.way}): {record.told()}")
    return bundle


def _drawn(seed: str) -> Photo:
    return Photo(compose(1000 + int(seed), 540, 960).pixels)


def _trained(path: Path) -> Path:
    print("  training the stand-in: minutes", flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "tests.standin", str(path)], check=True, capture_output=True)
    return path
