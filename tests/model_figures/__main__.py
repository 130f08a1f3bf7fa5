"""`python -m tests.model_figures`: what docs/benchmarks.md says of networks with BSHM's contract, measured again.

The stand-in is trained, imported and made INT8 in `--place` the first time, which takes ten minutes; then it is kept.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model_figures", description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="*", choices=[*_figures(), []], help="which figures; else all of them")
    parser.add_argument("--graph", type=Path, help="a graph with BSHM's contract, instead of the stand-in")
    parser.add_argument("--place", type=Path, default=Path(tempfile.gettempdir()) / "bshm-watchd-model-figures")
    asked = parser.parse_args()

    from tests.model_figures.stand_in import prepared

    wanted = asked.what or [*_figures()]
    bundle = prepared(asked.place, asked.graph, int8="speed" in wanted)
    missed = [what for what in wanted if not _figures()[what](bundle.directory)]
    if missed:
        print(f"missed: {', '.join(missed)}")
    return 1 if missed else 0


def _figures() -> dict[str, Callable[[Path], bool]]:
    """Each prints its table, and says whether what is asked of it was reached."""
    from tests.model_figures import first, memory, padding, process, speed

    return {
        "speed": speed.show,
        "first": first.show,
        "padding": padding.show,
        "memory": memory.show,
        "process": process.show,
    }


if __name__ == "__main__":
    raise SystemExit(main())
