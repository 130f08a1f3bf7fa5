"""`python -m tests.standin OUT.pb`: a graph with BSHM's contract and structure, for trying and measuring without it.

Without options it costs about 0.4 s for 960 x 544 pixels at f32 on two cores; `--width 0.25` is the small one of tests.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.standin", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, metavar="OUT.pb")
    parser.add_argument("--width", type=float, default=1.0, help="multiplies all numbers of channels")
    parser.add_argument("--steps", type=int, default=300, help="of training on drawn portraits")
    asked = parser.parse_args()

    from tests.standin.freezing import bshm_like, write
    from tests.standin.network import Size, trained

    network = trained(Size(asked.width, asked.steps))
    graph = bshm_like(network)
    write(graph, asked.out)
    print(f"{asked.out}: {len(graph):,} bytes, {network.count_params():,} weights")


if __name__ == "__main__":
    main()
