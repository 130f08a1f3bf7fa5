"""The real daemon, in a process of its own: `python -m bshm_watchd.bench.resident_child SETTINGS FD`.

Each stage of each job and each event of its log is told as a line to the descriptor.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bshm_watchd import logs
from bshm_watchd.bench.course import Teller
from bshm_watchd.clock import SystemClock
from bshm_watchd.config import Settings
from bshm_watchd.errors import WatchdError
from bshm_watchd.matting.sandbox import die_with_the_parent
from bshm_watchd.ops.asking import exit_code_of
from bshm_watchd.wiring import open_daemon


def main(arguments: list[str]) -> int:
    die_with_the_parent()
    settings = Settings.model_validate_json(Path(arguments[0]).read_bytes())
    teller = Teller(int(arguments[1]), SystemClock())
    logs.start()
    logs.hear(teller.heard)
    try:
        with open_daemon(settings, observe=teller.took) as daemon:
            code = daemon.run(lambda _: None)
        if isinstance(daemon.failure, WatchdError):
            raise daemon.failure
    except WatchdError as error:
        print("; ".join(str(error).splitlines()), file=sys.stderr)  # noqa: T201
        return exit_code_of(error)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
