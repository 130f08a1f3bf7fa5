"""A terminal, as programs see one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import termios


def on_a_terminal(*arguments: str, stream: str = "stdout", kind: str = "dumb", columns: int = 80) -> str:
    """What Python with these arguments prints there; `stream`: which of its two outputs, `kind`: what TERM says."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (40, columns))
    streams = {stream: theirs}
    process = subprocess.Popen([sys.executable, *arguments], env={**os.environ, "TERM": kind}, **streams)  # type: ignore[call-overload]
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # how a terminal says that nobody is at its other end
        while block := os.read(ours, 4096):
            output += block
    os.close(ours)
    assert process.wait(30) == 0
    return output.decode()
