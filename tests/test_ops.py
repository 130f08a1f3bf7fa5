"""Single calls on a disk that fails them: what they leave behind."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# The lowest free descriptor tells whether one was left open.
_OPENS_A_FILE_AGAIN_AND_AGAIN = """
import os, sys
from bshm_watchd.disk.ops import Disk
dir_fd = os.open(sys.argv[1], os.O_RDONLY)
def lowest():
    os.close(fd := os.dup(dir_fd))
    return fd
before, errors = lowest(), set()
for _ in range(5):
    try:
        Disk().open_file(dir_fd, "a.png")
    except OSError as error:
        errors.add(error.errno)
print(lowest() - before, errors)
"""


@pytest.mark.contract("D6")
def test_a_share_that_errs_right_after_opening_a_file_costs_no_descriptor(tmp_path: Path) -> None:
    """A share that went stale between the two calls, by strace in its place."""
    if shutil.which("strace") is None:
        pytest.skip("strace (package strace) is not installed")
    photo = tmp_path / "a.png"
    photo.touch()
    inject = ("-e", "trace=fstat,newfstatat", "-e", "inject=fstat,newfstatat:error=ESTALE")
    traced = ("strace", "-qq", "-o", tmp_path / "log", "-P", photo, *inject)
    command = [*traced, sys.executable, "-c", _OPENS_A_FILE_AGAIN_AND_AGAIN, tmp_path]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if "Operation not permitted" in told.stderr and "ptrace" in told.stderr:
        pytest.skip("strace may not trace here: it needs CAP_SYS_PTRACE or kernel.yama.ptrace_scope=0")
    assert told.stdout.split() == ["0", f"{{{errno.ESTALE}}}"], told.stderr
