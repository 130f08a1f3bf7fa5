"""One photo that somebody waits for, without a job: decode, matte, render. Nothing is written to any disk.

The control socket makes its clients' photos with this, and the one-photo command its own where no daemon runs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm_watchd import logs
from bshm_watchd.clock import Clock
from bshm_watchd.config import Limits
from bshm_watchd.delivery.matted import Matted
from bshm_watchd.errors import (
    PhotoChanged,
    PlaceUnavailable,
    ProgramEnding,
    RejectedPhoto,
    RuntimeBroken,
    place_error,
)
from bshm_watchd.intake import rejections
from bshm_watchd.intake.complete import inspect
from bshm_watchd.jobs import CostOf, Problem
from bshm_watchd.matting.decoder import Decoder
from bshm_watchd.matting.photo import Photo
from bshm_watchd.output_settings import OutputSettings
from bshm_watchd.pipeline import Matter, Render

if TYPE_CHECKING:
    from bshm_watchd.delivery.formats import Content
    from bshm_watchd.matting.photo import Pixels

GoOn = Callable[[], None]
RenderOn = Callable[[Photo | None], Render]

_NOT_MADE = "attempts_used_up"  # the word that sidecars have for it
_TRY_AGAIN = "try it again; if it fails again, open the photo in a picture program and save it anew"
_READABLE = "see that the disk or share that it is on is well, and copy it anew"
_FITTED = 6  # bytes a pixel of the photo: its background at that size, before and after a change of colours


@dataclass(frozen=True, slots=True)
class Brought:
    """A picture in a descriptor that its bringer opened: whole by its structure, not decoded yet."""

    fd: int
    size_bytes: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made of which photo. `cost_bytes`: the memory that it takes at its peak."""

    photo: Brought
    output: OutputSettings
    background: Brought | None
    cost_bytes: int


@dataclass(frozen=True, slots=True)
class Facts:
    """`coverage`: the share of the picture that is person, 0..1; `pages`: pictures in the file, the first was taken.

    `doubt`: why somebody should look at the result. `seconds`: of decode, matte and render.
    """

    width: int
    height: int
    coverage: float
    pages: int
    doubt: Problem | None
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Made:
    content: Content = field(repr=False)
    facts: Facts


class OnePhoto:
    """Called from any thread. `render_on` gives the rendering onto a background picture, or onto none."""

    def __init__(
        self, decoder: Decoder, matter: Matter, render_on: RenderOn, cost_of: CostOf, limits: Limits, clock: Clock
    ) -> None:
        self._decoder = decoder
        self._matter = matter
        self._render_on = render_on
        self._cost_of = cost_of
        self._limits = limits
        self._clock = clock

    def order(self, output: OutputSettings, photo_fd: int, background_fd: int | None = None) -> Order:
        """Look at the pictures without decoding them. Raises `RejectedPhoto`."""
        photo = self._looked_at(photo_fd)
        cost_bytes = self._cost(photo, output)
        background = None
        if background_fd is not None:
            background = self._background(background_fd)
            cost_bytes += self._cost(background, output) + photo.height * photo.width * _FITTED
        if cost_bytes > self._limits.in_flight_bytes:
            raise _rejected(rejections.too_much_memory(photo.width, photo.height, cost_bytes, self._limits))
        return Order(photo, output, background, cost_bytes)

    def make(self, order: Order, go_on: GoOn = lambda: None) -> Made:
        """The finished file. `go_on` is called before each stage; what it raises ends the work.

        Raises `RejectedPhoto` for whatever is wrong with the photo alone; `PlaceUnavailable`, `ProgramEnding` and
        `RuntimeBroken` as the pipeline knows them.
        """
        try:
            return self._make(order, go_on)
        except PhotoChanged as error:
            raise RejectedPhoto("changed", str(error), "try it again once nobody writes to it any more") from error
        except (RejectedPhoto, PlaceUnavailable, ProgramEnding, RuntimeBroken, Abandoned):
            raise
        except Exception as error:
            if isinstance(error, OSError) and (place := place_error(error)):
                raise place from error
            logs.warning("a single photo failed", why=f"{type(error).__name__}: {error}")
            why = " ".join(str(error).split())
            raise RejectedPhoto(_NOT_MADE, f"the photo could not be processed: {why}", _TRY_AGAIN) from error

    def _make(self, order: Order, go_on: GoOn) -> Made:
        import cv2

        from bshm_watchd.matting.doubt import doubt

        stages = _Stages(self._clock, go_on)
        with stages.time("decode"):
            background = None if order.background is None else self._decoded(order.background)
            photo = self._decoded(order.photo)
        with stages.time("matte"):
            matted = Matted(photo.pixels, self._matter.matte(photo), photo.metadata, photo.opacity)
            doubtful, coverage = doubt(matted.alpha), round(cv2.mean(matted.alpha)[0] / 255, 4)
        with stages.time("render"):
            content = self._render_on(background)(order.output, matted)
        facts = Facts(photo.width, photo.height, coverage, photo.metadata.pages, doubtful, stages.seconds)
        return Made(content, facts)

    def _decoded(self, brought: Brought) -> Photo:
        try:
            photo = self._decoder.decode(brought.fd, brought.size_bytes)
        except Exception as error:
            if os.fstat(brought.fd).st_size < brought.size_bytes:  # it was cut while a decoder had it mapped
                raise PhotoChanged("the file became shorter while it was read") from error
            raise
        if photo.height * photo.width > brought.height * brought.width:  # more memory than was asked for
            raise PhotoChanged("the file is not the one that was looked at: it changed while it was read")
        return photo

    def _looked_at(self, fd: int) -> Brought:
        size_bytes = os.fstat(fd).st_size
        if problem := rejections.too_many_bytes(size_bytes, self._limits):
            raise _rejected(problem)
        try:
            found = inspect(lambda offset, length: os.pread(fd, length, offset), size_bytes)
        except OSError as error:
            raise RejectedPhoto("unreadable", f"the file can't be read: {error.strerror}", _READABLE) from error
        if problem := rejections.by_structure(found, self._limits):
            raise _rejected(problem)
        return Brought(fd, size_bytes, found.height, found.width)

    def _background(self, fd: int) -> Brought:
        try:
            return self._looked_at(fd)
        except RejectedPhoto as error:
            message = f"the background picture can't be used: {error.message}"
            raise RejectedPhoto(error.reason, message, "choose another background picture") from error

    def _cost(self, brought: Brought, output: OutputSettings) -> int:
        return self._cost_of(brought.height, brought.width, (output,)) + brought.size_bytes


class Abandoned(Exception):
    """Raised by a `go_on`: nobody waits for the photo any more."""


def one_photo_maker(decoder: Decoder, matter: Matter, limits: Limits, clock: Clock) -> OnePhoto:
    from bshm_watchd.delivery.render import Renderer, cost_bytes

    return OnePhoto(decoder, matter, lambda background: Renderer(_OneBackground(background)), cost_bytes, limits, clock)


@dataclass(frozen=True, slots=True)
class _OneBackground:
    """The picture that was brought with the photo, whatever path the output has for it."""

    picture: Photo | None

    def fitted(self, path: Path, height: int, width: int, icc: bytes) -> Pixels:
        from bshm_watchd.delivery.background import converted, covering

        if self.picture is None:
            raise PlaceUnavailable("background_missing", f"the background picture {path} was not brought")
        return converted(covering(self.picture.pixels, height, width), self.picture.metadata.icc, icc)


class _Stages:
    def __init__(self, clock: Clock, go_on: GoOn) -> None:
        self._clock = clock
        self._go_on = go_on
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def time(self, stage: str) -> Iterator[None]:
        self._go_on()
        started = self._clock.monotonic()
        yield
        self.seconds[stage] = round(self._clock.monotonic() - started, 4)


def facts_as_json(facts: Facts) -> dict[str, Any]:
    return asdict(facts)


def _rejected(problem: Problem) -> RejectedPhoto:
    return RejectedPhoto(problem.reason, problem.message, problem.what_to_do)
