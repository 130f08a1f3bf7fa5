"""SIGKILL and errors at the system calls of the real program: `python -m tests.faults.killing --all`.

`--all` kills a run at each of its calls that changes a file, and lets each of those calls err with each error of the
list; without it a seeded sample of both. Prints each violation and one summary line; exit 1 when there was one.
"""

from __future__ import annotations

import argparse
import errno
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from tests.support import syscalls
from tests.support.lanes import in_lanes
from tests.support.struck import Blow, Struck, calls_of_a_run, load, sample, strike
from tests.support.syscalls import WRITES, Call, Fail, Kill

ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE, errno.EACCES, errno.EINTR)
_SAMPLE = 40


def kills(calls: Iterable[Call]) -> list[Blow]:
    """At each call; at those that write also once half of it is written."""
    found = list(calls)
    return [Blow(call, Kill()) for call in found] + [Blow(c, Kill(half=True)) for c in found if c.name in WRITES]


def errors(calls: Iterable[Call], codes: Iterable[int] = ERRORS) -> list[Blow]:
    return [Blow(call, Fail(code)) for code in codes for call in calls]


def strike_all(base: Path, blows: Iterable[Blow], *, warm: bool = True) -> Iterator[Struck]:
    """`warm`: the runs are forks of a process that has loaded the program, which makes them several times quicker."""
    return in_lanes(partial(strike, base, warm=warm), blows, load)


def summary(struck: Iterable[Struck], seconds: float) -> str:
    found = list(struck)
    met = [one for one in found if one.met]
    killed = sum(isinstance(one.blow.verdict, Kill) for one in met)
    erred = len(met) - killed
    codes = Counter(one.exit_code for one in met if isinstance(one.blow.verdict, Fail))
    told = ", ".join(f"{count:,} with {code}" for code, count in sorted(codes.items()))
    return (
        f"points killed {killed:,}, errors injected {erred:,} (ended {told or 'none'}; "
        f"{sum(one.resumed for one in met):,} resumed unaided), not met {len(found) - len(met):,}, "
        f"violations {sum(bool(one.violation) for one in met):,}; {seconds:.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.killing", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every call, and every error at every call")
    parser.add_argument("--only", choices=("kills", "errors"), help="one of both")
    parser.add_argument("--errors", metavar="NAME", nargs="+", help="only these, as EIO or ENOSPC")
    parser.add_argument("--calls", metavar="TEXT", default="", help="only the calls that have this in their words")
    parser.add_argument("--cold", action="store_true", help="start the program anew each time, instead of forking it")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--on", type=Path, default=Path("/dev/shm"), help="a directory on the file system to use")
    wanted = parser.parse_args()
    if why_not := syscalls.missing():
        print(f"not here: {why_not}")
        return 1
    started, found = time.monotonic(), []
    base = Path(tempfile.mkdtemp(prefix="bshm-watchd-", dir=wanted.on))
    for struck in strike_all(base, _blows(base, wanted), warm=not wanted.cold):
        found.append(struck)
        if len(found) % 100 == 0:
            print(f"{len(found)} done after {time.monotonic() - started:.0f} s", flush=True)
        if struck.violation or not struck.met:
            print(f"{'VIOLATION' if struck.met else 'not met'}: {struck.blow}: {struck.violation}", flush=True)
    print(summary(found, time.monotonic() - started), flush=True)
    if any(struck.violation for struck in found):
        return 1
    base.rmdir()
    return 0


def _blows(base: Path, wanted: argparse.Namespace) -> list[Blow]:
    calls = [call for call in calls_of_a_run(base) if wanted.calls in str(call)]
    codes = [getattr(errno, name) for name in wanted.errors] if wanted.errors else ERRORS
    killing, erring = kills(calls), errors(calls, codes)
    if not wanted.all:
        few = sample(calls, _SAMPLE, wanted.seed)
        killing, erring = kills(few), [Blow(call, Fail(codes[n % len(codes)])) for n, call in enumerate(few)]
    return [*(killing if wanted.only != "errors" else ()), *(erring if wanted.only != "kills" else ())]


if __name__ == "__main__":
    sys.exit(main())
