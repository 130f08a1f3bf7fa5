"""Damaged photos through the whole way that foreign bytes go: `python -m tests.fuzz [--inputs N] [--first N]`.

Prints the counts so far after each ten thousand; exit 1 where an input had another outcome than a photo or one of the
documented reasons, within its time and memory. `--write N` writes that input to standard output instead.
"""

from __future__ import annotations

import argparse
import sys

from tests.fuzz.fuzzing import ALLOWED_BYTES, Course, fuzz
from tests.fuzz.mutations import damaged
from tests.fuzz.photos import PHOTOS

_INPUTS_A_LINE = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--write", type=int, metavar="N")
    arguments = parser.parse_args()
    if arguments.write is not None:
        sys.stdout.buffer.write(damaged(arguments.write, PHOTOS))
        return 0
    end, course = arguments.first + arguments.inputs, Course()
    for first in range(arguments.first, end, _INPUTS_A_LINE):
        course += fuzz(range(first, min(end, first + _INPUTS_A_LINE)), PHOTOS)
        print(f"{course}\n", flush=True)
    for number, violation in course.violations:
        print(f"input {number}: {violation}")
    return 1 if course.violations or course.peak_bytes > ALLOWED_BYTES else 0


if __name__ == "__main__":
    sys.exit(main())
