"""`python -m tests.vm.guest PROGRAM`, started by the virtual machine as its only program."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from tests.vm.initrd import REQUEST


def main() -> None:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    request = json.loads(Path(REQUEST).read_text())
    import_module(f"tests.vm.guest.{sys.argv[1]}").main(request)


if __name__ == "__main__":
    main()
