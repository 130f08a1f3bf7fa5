"""The real program with `Disk.fsync` made idle: a break that a power cut must bring to light.

`python -m tests.vm.guest.unsynced ARGS` takes the arguments of `bshm-watchd`.
"""

from __future__ import annotations

from bshm_watchd.cli.main import main
from bshm_watchd.disk.ops import Disk


def _forgotten(disk: Disk, fd: int) -> None:
    pass


if __name__ == "__main__":
    Disk.fsync = _forgotten  # type: ignore[method-assign]
    main()
