"""The real program as another user, with no privilege and no capability, wherever Python and the checkout lie.

A private mount namespace makes every directory of the program reachable for that user: what is above one that only its
owner may enter is covered by an empty file system in which nothing but the program's own directories stand.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

_CHECKOUT = Path(__file__).resolve().parents[2]


def as_user(command: list[str], user: int, *groups: int) -> list[str]:
    """The command line that runs `command` as that user; skips the test where this can't be done."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None or shutil.which("unshare") is None:
        pytest.skip("needs root, setpriv and unshare (package util-linux) to become another user")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace may be made here: it needs CAP_SYS_ADMIN")
    become = f"setpriv --reuid {user} --regid {user} --inh-caps=-all --bounding-set=-all --no-new-privs"
    become += f" --groups {','.join(map(str, groups))}" if groups else " --clear-groups"
    script = "\n".join(["set -e", *_uncovered(), f'exec {become} -- "$@"'])
    return ["unshare", "--mount", "--propagation", "private", "bash", "-c", script, "bash", *command]


def _uncovered() -> Iterator[str]:
    """Shell lines that put what the program needs where another user can reach it, under the same paths."""
    closed: dict[Path, list[Path]] = {}
    for needed in {Path(sys.prefix), Path(sys.base_prefix), _CHECKOUT}:
        for above in [*reversed(needed.parents), needed]:
            if not above.stat().st_mode & 0o001:
                closed.setdefault(above, []).append(needed)
                break
    for above, needed_ones in closed.items():
        yield 'stage=$(mktemp -d); mount -t tmpfs -o mode=755 tmpfs "$stage"'
        for number, needed in enumerate(needed_ones):
            yield f'mkdir "$stage/{number}"; mount --bind "{needed}" "$stage/{number}"'
        yield f'mount -t tmpfs -o mode=755 tmpfs "{above}"'
        for number, needed in enumerate(needed_ones):
            yield f'mkdir -p "{needed}"; mount --bind "$stage/{number}" "{needed}"'
        yield 'umount -R "$stage"; rmdir "$stage"'
