"""The verb `matte`: one photo of a client, made by the resident model. No path of a client is ever opened.

The client opens its photo with its own rights and passes the descriptor; a second one is the picture that a composite
is put on. All work is done on the connection's own thread; the main thread only says when there is memory for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from pydantic import Field

from bshm_watchd.errors import PlaceUnavailable, ProgramEnding, RuntimeBroken, WatchdError
from bshm_watchd.events import Asked, Event, ModelFailed
from bshm_watchd.one_photo import OnePhoto, facts_as_json
from bshm_watchd.ops.asking import EXIT_BROKEN, EXIT_TRY_AGAIN, EXIT_USAGE, ControlError, exit_code_of
from bshm_watchd.ops.history import Arguments
from bshm_watchd.ops.requests import Client
from bshm_watchd.output_settings import FileFormat, OutputKind, OutputSettings, output_of

if TYPE_CHECKING:
    from bshm_watchd.delivery.formats import Content

_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class MatteArguments(Arguments):
    """As an output in the configuration, but that a background is a colour, or the second descriptor."""

    kind: OutputKind = "cutout"
    format: FileFormat = "png"
    background: str | None = Field(None, pattern="^#[0-9a-fA-F]{6}$")
    quality: int | None = Field(None, ge=1, le=100, strict=True)
    strip_gps: bool = Field(False, strict=True)

    def output(self, *, on_picture: bool) -> OutputSettings:
        """Raises `ControlError` where the arguments do not fit each other."""
        if on_picture and self.background is not None:
            raise ControlError("the background is a colour or a picture, not both", EXIT_USAGE)
        try:
            return output_of(
                self.kind, self.format, colour=self.background, on_picture=on_picture, quality=self.quality,
                strip_gps=self.strip_gps,
            )  # fmt: skip
        except ValueError as error:
            raise ControlError(str(error), EXIT_USAGE) from error


PutEvent = Callable[[Event], None]


class Photos:
    """Called from the connections' threads. `put` hands an event to the main thread."""

    def __init__(self, maker: OnePhoto, put: PutEvent) -> None:
        self._maker = maker
        self._put = put

    @contextlib.contextmanager
    def matte(
        self, wanted: MatteArguments, descriptors: Sequence[int], client: Client
    ) -> Iterator[tuple[dict[str, Any], int]]:
        """The facts, and a sealed memory file with the result, which counts as memory in use inside the `with`.

        Raises `RejectedPhoto`, `ControlError` and `ClientGone`. The descriptors stay open.
        """
        if not descriptors:
            raise ControlError("the photo's descriptor must come with the request", EXIT_USAGE)
        for descriptor in descriptors:
            _expect_file(descriptor)
        output = wanted.output(on_picture=len(descriptors) > 1)
        with contextlib.ExitStack() as held:
            with self._troubles_told():
                order = self._maker.order(output, *descriptors)
                held.enter_context(self._memory_for(order.cost_bytes, client))
                made = self._maker.make(order, client.check)
                facts, result_fd = facts_as_json(made.facts), _sealed(made.content)
                held.callback(os.close, result_fd)
                del made
            yield facts, result_fd

    @contextlib.contextmanager
    def _troubles_told(self) -> Iterator[None]:
        """What is no fault of the photo, in words for its client."""
        try:
            yield
        except (ProgramEnding, PlaceUnavailable) as error:
            raise ControlError(f"{error}; try again", EXIT_TRY_AGAIN) from error
        except RuntimeBroken as error:
            self._put(ModelFailed(error))
            raise ControlError(f"the model is broken: {error}; see the daemon's log", EXIT_BROKEN) from error
        except OSError as error:
            raise ControlError(
                f"the daemon can't hold the result: {error.strerror}; try again", EXIT_TRY_AGAIN
            ) from error

    @contextlib.contextmanager
    def _memory_for(self, cost_bytes: int, client: Client) -> Iterator[None]:
        """Blocks until the main thread has said that there is enough."""
        granted: Future[dict[str, Any]] = Future()
        self._put(Asked("photo_begins", {"cost_bytes": cost_bytes}, granted))
        try:
            client.wait_for(granted)
            _raise_refusal(granted)
            yield
        finally:
            self._put(Asked("photo_over", {"of": granted}, Future()))


def _raise_refusal(granted: Future[dict[str, Any]]) -> None:
    error = granted.exception()
    if isinstance(error, ControlError):
        raise error
    if isinstance(error, WatchdError) and not isinstance(error, ProgramEnding):
        raise ControlError(str(error), exit_code_of(error))
    if error is not None:
        raise error


def _expect_file(descriptor: int) -> None:
    """Anything but a file that can be read is refused before any of it is: a pipe or a device could block for ever."""
    status, flags = os.fstat(descriptor), fcntl.fcntl(descriptor, fcntl.F_GETFL)
    if not stat.S_ISREG(status.st_mode):
        raise ControlError("a descriptor must be a file's or a memory file's", EXIT_USAGE)
    if flags & os.O_PATH or flags & os.O_ACCMODE == os.O_WRONLY:
        raise ControlError("a descriptor must be open for reading", EXIT_USAGE)


def _sealed(content: Content) -> int:
    fd = os.memfd_create("bshm-watchd-result", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(fd, view) :]
        os.lseek(fd, 0, os.SEEK_SET)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException:
        os.close(fd)
        raise
    return fd
