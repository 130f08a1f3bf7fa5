"""`python -m tests.quality PACK_DIR`: the default bundle against what a user would take instead, in numbers.

PACK_DIR is laid out as `bshm_watchd/bench/pack.py` says. rembg is compared where `make compare` has installed it, or
where another Python that has it is named.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bshm_watchd.bench import drawn
from bshm_watchd.bench.pack import read_pack
from bshm_watchd.bench.quality_errors import Errors, errors
from bshm_watchd.bench.results import WRONG_MAD
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.doubt import doubt
from tests.quality.cases import Case, cases
from tests.quality.contenders import Contender, bundles, rembg, resident
from tests.quality.sheets import Row, sheet
from tests.quality.table import table

_TIMED_PHOTOS, _TIMED_HEIGHT, _TIMED_WIDTH = 7, 1080, 1920
_SHOWN = 10
_HERE = Path(__file__).resolve().parents[2] / "compare"
_STATE, _REMBG = _HERE / "state", _HERE / "rembg" / "bin" / "python"


@dataclass
class _Material:
    """What came out for one kind of pictures: by contender, and the last contender's mattes that are worth a look."""

    errors: dict[str, list[Errors]] = field(default_factory=dict)
    worst: list[tuple[float, Row]] = field(default_factory=list)
    first: list[Row] = field(default_factory=list)
    doubts: list[tuple[bool, str | None]] = field(default_factory=list)  # of the last contender: failed?, doubted why?

    def judge(self, case: Case, contenders: Sequence[Contender]) -> None:
        for contender in contenders:
            matte = contender.answer(case.pixels).matte
            error = errors(matte, case.truth)
            self.errors.setdefault(contender.name, []).append(error)
        problem = doubt(matte)
        self.doubts.append((error.mad > WRONG_MAD, problem.reason if problem else None))
        self._keep(error.mad, Row(f"{case.name}  MAD {error.mad:.4f}", case.pixels, case.truth, matte))

    def _keep(self, mad: float, row: Row) -> None:
        self.worst = sorted([*self.worst, (mad, row)], key=lambda each: -each[0])[:_SHOWN]
        if len(self.first) < _SHOWN:
            self.first.append(row)


def main() -> int:
    arguments = _arguments()
    pack, ours = read_pack(arguments.pack, arguments.part), bundles(arguments.state)
    materials: dict[str, _Material] = {}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        contenders = _contenders(ours, arguments.rembg, Path(directory), stack)
        milliseconds = {contender.name: _milliseconds(contender) for contender in contenders}
        for case in cases(pack, arguments.portraits, arguments.composed, arguments.nobody):
            materials.setdefault(case.material, _Material()).judge(case, contenders)
    for name, material in materials.items():
        _print(f"{arguments.part}, {name}", material, milliseconds)
        if arguments.sheets:
            _save(arguments.sheets, name, material)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.quality", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pack", type=Path, help="photos with mattes, and scenes without people")
    parser.add_argument("--state", type=Path, default=_STATE, help="where the bundles are, or are fetched to")
    parser.add_argument("--part", choices=("held-back", "tuning"), default="held-back", help="which half of the pack")
    parser.add_argument("--portraits", type=int, default=120, help="photos against the mattes of the pack")
    parser.add_argument("--composed", type=int, default=125, help="pictures with exact alpha")
    parser.add_argument("--nobody", type=int, default=40, help="pictures without anybody")
    parser.add_argument("--rembg", type=Path, default=_REMBG, help="a Python that can import rembg")
    parser.add_argument("--sheets", type=Path, help="write contact sheets into this directory")
    return parser.parse_args()


def _contenders(ours: dict[str, Bundle], python: Path | None, directory: Path, stack: ExitStack) -> Sequence[Contender]:
    """The default comes last: its mattes are the ones that are shown."""
    theirs = [("rembg p", ()), ("rembg p -a", ("--alpha-matting",))] if python and python.exists() else []
    weights = ours["u2netp"].path("u2netp.onnx")
    found = [
        stack.enter_context(rembg(name, python, weights, directory / str(number), *options))
        for number, (name, options) in enumerate(theirs)
        if python
    ]
    return [*found, *(stack.enter_context(resident(name, bundle)) for name, bundle in ours.items())]


def _milliseconds(contender: Contender) -> float:
    """The median for a photo of 1920 x 1080, all cores, one photo at a time."""
    photos = [drawn.compose(seed, _TIMED_HEIGHT, _TIMED_WIDTH).pixels for seed in range(_TIMED_PHOTOS)]
    return 1000 * statistics.median(contender.answer(pixels).seconds for pixels in photos)


def _print(title: str, material: _Material, milliseconds: dict[str, float]) -> None:
    count = len(next(iter(material.errors.values())))
    print(f"\n{title}: {count} pictures; time at {_TIMED_WIDTH} x {_TIMED_HEIGHT}\n")
    print(*table(material.errors, milliseconds), sep="\n")
    for what, wanted in (("wrong", True), ("right", False)):
        reasons = [reason for failed, reason in material.doubts if failed is wanted]
        told = ", ".join(f"{count} {reason}" for reason, count in Counter(filter(None, reasons)).items()) or "none"
        print(
            f"for review, of {len(reasons)} that are {what} (MAD {'>' if wanted else '<='} {WRONG_MAD}): {told}",
            flush=True,
        )


def _save(directory: Path, name: str, material: _Material) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    sheet([row for _, row in material.worst]).save(directory / f"{name}-worst.png")
    sheet(material.first).save(directory / f"{name}-first.png")


if __name__ == "__main__":
    sys.exit(main())
