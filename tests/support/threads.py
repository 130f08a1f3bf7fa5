"""A process that is given no more threads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

_MORE_THAN_THERE_IS = 1 << 50


@contextlib.contextmanager
def no_new_threads() -> Iterator[None]:
    """The kernel refuses each thread that is started inside: no process has room for its stack."""
    threading.stack_size(_MORE_THAN_THERE_IS)
    try:
        yield
    finally:
        threading.stack_size(0)
