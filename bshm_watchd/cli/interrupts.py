"""Ctrl-C and SIGTERM while a command works: an end in good order, whatever is being done at that moment."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from typing import Any, NoReturn

_ENDING = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """Somebody asked the command to end; no `Exception`, so that nobody takes it for one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Either signal raises `Interrupted` inside; also where a library makes an error of its own out of that.

    For the main thread alone.
    """
    asked: list[int] = []

    def end(number: int, _: Any) -> NoReturn:
        asked.append(number)
        raise Interrupted(number)

    before = {number: signal.signal(number, end) for number in _ENDING}
    try:
        yield
    except Exception as error:
        if asked:
            raise Interrupted(asked[0]) from error
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
