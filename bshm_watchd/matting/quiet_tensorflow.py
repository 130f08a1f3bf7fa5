"""TensorFlow, without the page that it writes about the machine to stderr whenever it is imported."""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager

# What its library logs before it knows how much it should log: `I0000 00:00:1795611688.473486   15091 port.cc:153] ...`
_ITS_OWN = re.compile(rb"^([IWEF]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ |WARNING: All log messages before absl)")


def tensorflow() -> types.ModuleType:
    """The library; its first import takes two seconds and 500 MB."""
    if (imported := sys.modules.get("tensorflow")) is not None and hasattr(imported, "get_logger"):
        return imported
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with without_its_lines():
        library = importlib.import_module("tensorflow")
        library.config.list_physical_devices()  # the rest of the page comes with the first look at the devices
    library.get_logger().setLevel("ERROR")
    return library


@contextmanager
def without_its_lines() -> Iterator[None]:
    """While it loads, or looks for devices. All that any thread writes to stderr goes on at once, but its own lines.

    A process that is started meanwhile keeps the filter for its stderr, so the thread ends with the last of them.
    """
    sys.stderr.flush()
    kept, target, (from_us, to_us) = os.dup(2), os.dup(2), os.pipe()
    threading.Thread(target=_pass_on, args=(from_us, target), name="stderr", daemon=True).start()
    os.dup2(to_us, 2)
    os.close(to_us)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def _pass_on(from_fd: int, to_fd: int) -> None:
    """Until nobody writes there any more."""
    with os.fdopen(from_fd, "rb") as lines, os.fdopen(to_fd, "wb", buffering=0) as target:
        for line in lines:
            if not _ITS_OWN.match(line):
                target.write(line)
