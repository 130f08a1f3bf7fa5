"""Crowds, through the real program (no model: alpha is a photo's green), with the figures that must stay flat.

    python -m tests.scale                        # every scene in its full size: about an hour
    python -m tests.scale waiting --files 1000000
    python -m tests.scale hours --plot hours.png

Exit code 1 when a figure is above its bound.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.scale.burst import burst
from tests.scale.figures import Figure, missed
from tests.scale.folders import folders
from tests.scale.hours import hours
from tests.scale.journal import journal
from tests.scale.subfolders import subfolders
from tests.scale.waiting import waiting


@dataclass(frozen=True, slots=True)
class _Scene:
    """`files`: how many photos, or jobs of the journal, make its full size."""

    play: Callable[[Path, int], Iterator[Figure]]
    files: int


def _scenes(plot: Path | None) -> dict[str, _Scene]:
    return {
        "waiting": _Scene(waiting, 100_000),
        "spread": _Scene(partial(waiting, directories=1000), 100_000),
        "burst": _Scene(burst, 20_000),
        "subfolders": _Scene(subfolders, 20_000),
        "folders": _Scene(folders, 10_000),
        "journal": _Scene(journal, 1_000_000),
        "hours": _Scene(partial(hours, plot=plot), 36_000),
    }


def main() -> int:
    known = _scenes(None)
    parser = argparse.ArgumentParser(
        prog="python -m tests.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "scenes", nargs="*", metavar="SCENE", help=f"{', '.join(known)}; all of them where none is named"
    )
    parser.add_argument("--files", type=int, help="instead of a scene's full size")
    parser.add_argument("--base", type=Path, help="where to work: a directory on the file system to be measured")
    parser.add_argument("--plot", type=Path, metavar="FILE.png", help="draw the hours")
    arguments = parser.parse_args()
    if unknown := set(arguments.scenes) - set(known):
        parser.error(f"no such scene: {', '.join(sorted(unknown))}")
    scenes, figures = _scenes(arguments.plot), []
    for name in arguments.scenes or known:
        figures += _played(name, scenes[name], arguments.files or scenes[name].files, arguments.base)
    above = missed(figures)
    print(f"{len(figures)} figures, {len(above)} above their bounds")
    return 1 if above else 0


def _played(name: str, scene: _Scene, files: int, base: Path | None) -> list[Figure]:
    print(f"{name}, {files:,}", flush=True)
    began, figures = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="bshm-watchd-scale-", dir=base) as directory:
        for figure in scene.play(Path(directory), files):
            print(f"  {figure}", flush=True)
            figures.append(figure)
    print(f"  in {time.monotonic() - began:.0f} s", flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
