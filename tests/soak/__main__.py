"""`make soak MINUTES=120`: the daemon among random drops, faults, kills and reloads, and what it took.

Prints what happened each minute and one line at the end; `--plot FILE` draws memory, descriptors and threads.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.plot import plot
from tests.soak.soak import soak


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", default="1", help="the same seed makes the same plan, not the same course")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    parser.add_argument("--base", type=Path, help="an empty directory to work in; it stays, with the daemon's log")
    arguments = parser.parse_args()
    base = arguments.base or Path(tempfile.mkdtemp(prefix="bshm-watchd-soak-"))
    base.mkdir(parents=True, exist_ok=True)
    print(f"in {base}, seed {arguments.seed}", flush=True)
    soaked = soak(base, arguments.minutes * 60, arguments.seed, say=lambda line: print(line, flush=True))
    if arguments.plot:
        plot(list(soaked.samples), arguments.plot)
    for what, count in [*sorted(soaked.happened.items()), *sorted(soaked.dropped.items())]:
        print(f"  {count:6,} {what}")
    print(
        f"{soaked.seconds / 60:.0f} minutes, {soaked.lives} lives, {soaked.photos:,} photos, "
        f"{soaked.troubles:,} troubles, {soaked.files_checked:,} files checked, violations 0"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
