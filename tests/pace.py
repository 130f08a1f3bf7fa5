"""How fast one hot folder is while another one is in trouble: `python -m tests.pace [--rounds N] [--photos N]`.

Two folders, one daemon. In each round the healthy one gets its photos once while the other is well, and once for each
trouble: full (a small tmpfs), unreachable (its mount point is empty) and hung (a share whose server stands still).
Prints photos a second, from the first drop to the last result, and the medians' ratio to the run without trouble.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.e2e.program import Program, wait_until
from tests.support.mounts import PassThrough, mount, unmount
from tests.support.studio import png

_QUICK = {"settle_seconds": 0.3, "rescan_seconds": 1, "review": False}


class _Pair:
    def __init__(self, base: Path) -> None:
        self.program = Program(base, **{key: value for key, value in _QUICK.items() if key != "review"})
        self.other = base / "other"
        self.below = base / "below"
        self.other.mkdir()
        content = yaml.safe_load(self.program.config.read_text())
        content["hot_folders"].append({"name": "other", "path": str(self.other), **_QUICK})
        self.program.config.write_text(yaml.safe_dump(content))

    def is_in_trouble(self) -> bool:
        folders = self.program.status().get("folders", [])
        return any(one["name"] == "other" and one["state"] not in ("watching", "starting") for one in folders)

    @contextlib.contextmanager
    def trouble(self, kind: str) -> Iterator[None]:
        """The other folder, with photos that wait, until it was noticed that it is in trouble."""
        with contextlib.ExitStack() as stack:
            share = stack.enter_context(PassThrough(self.below, self.other)) if kind == "hung" else None
            if share is None:
                mount("-t", "tmpfs", "-o", "size=2m", "tmpfs", self.other)
                stack.callback(unmount, self.other)
            stack.enter_context(self.program.running())
            self._wait_beside(share, kind)
            if kind != "well":
                wait_until(self.is_in_trouble, 60, f"the other one is {kind}")
            if share is not None:
                stack.callback(share.go_on)
            yield

    def _wait_beside(self, share: PassThrough | None, kind: str) -> None:
        for number in range(20):
            (self.other / "drop" / f"{number}.png").write_bytes(png(number))
        if kind == "full":
            with contextlib.suppress(OSError), open(self.other / "filler", "wb", buffering=0) as filler:
                while True:
                    filler.write(bytes(4096))
        if kind == "unreachable":
            unmount(self.other)
        if share is not None:
            share.hang()


def _photos_per_second(base: Path, kind: str, photos: int) -> float:
    pair = _Pair(base)
    with pair.trouble(kind):
        begun = time.monotonic()
        for number in range(photos):
            (pair.program.drop / f"{number}.png").write_bytes(png(number, 300, 400))
        wait_until(lambda: len(pair.program.done()) == photos, 300, "all are done")
        return photos / (time.monotonic() - begun)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.pace", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--photos", type=int, default=100)
    chosen = parser.parse_args()
    found: dict[str, list[float]] = {kind: [] for kind in ("well", "full", "unreachable", "hung")}
    for _ in range(chosen.rounds):
        for kind, rates in found.items():
            with tempfile.TemporaryDirectory(prefix="bshm-watchd-pace-") as base:
                rates.append(_photos_per_second(Path(base), kind, chosen.photos))
    well = statistics.median(found["well"])
    for kind, rates in found.items():
        rate = statistics.median(rates)
        print(f"the other folder is {kind}: {rate:.1f} photos/s, ratio {rate / well:.2f}")


if __name__ == "__main__":
    main()
