"""Poison among photos that decode, matte and render at the same time: its neighbours come out as they do without it."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bshm_watchd.delivery.background import BackgroundFiles
from bshm_watchd.delivery.matted import Matted
from bshm_watchd.delivery.render import Renderer
from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.decoder import ChildDecoder, Decoder, DecoderDied
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.runtime import MattingFailed
from bshm_watchd.output_settings import OutputSettings
from tests.support.contracts import Evidence
from tests.support.decoders import decode, holding
from tests.support.encoded import COLOURS, of
from tests.support.runtimes import ScriptedRuntime, arithmetic_bundle, green
from tests.test_bombs import jpeg_of_scans, one_bit_png

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

_SECONDS = 4.0
_NOT_THIS_ONE, _NOT_ONE_OF_THESE = 13, 17  # green values that the model does not like: for one photo, for its batch

CUTOUT = OutputSettings(kind="cutout", path="{stem}.png")
NEIGHBOURS = {
    f"{kind} {number}": of(np.roll(COLOURS, number, axis=0), kind)
    for kind in ("JPEG", "PNG", "WEBP", "TIFF")
    for number in (1, 2, 3)
}


def plain(level: int) -> bytes:
    return of(np.full_like(COLOURS, level), "PNG")


def whole(content: bytes) -> Callable[[Decoder], Photo]:
    return lambda decoder: decode(decoder, content)


def cut_while_read(decoder: Decoder) -> Photo:
    """Its child finds less than it was told of, and ends."""
    content = of(COLOURS, "PNG")
    with holding(content) as fd:
        return decoder.decode(fd, len(content) + 1000)


POISON: dict[str, tuple[Callable[[Decoder], Photo], type[Exception]]] = {
    "ends its child": (cut_while_read, DecoderDied),
    "decodes for ever": (whole(jpeg_of_scans(8000, 480)), DecoderDied),
    "has 900 megapixels": (whole(one_bit_png(30_000)), RejectedPhoto),
    "is cut off": (whole(of(COLOURS, "PNG")[:200]), RejectedPhoto),
    "is not liked by the model": (whole(plain(_NOT_THIS_ONE)), MattingFailed),
    "makes the model fail its whole batch": (whole(plain(_NOT_ONE_OF_THESE)), ValueError),
}


def picky(pixels: Pixels) -> Alpha | Exception:
    if pixels[0, 0, 0] == _NOT_ONE_OF_THESE:
        raise ValueError("the whole call fails")
    return MattingFailed("not this one") if pixels[0, 0, 0] == _NOT_THIS_ONE else green(pixels)


def worked_off(photos: dict[str, Callable[[Decoder], Photo]], order: random.Random) -> dict[str, Future[bytes]]:
    """Each photo in a thread of its own, as jobs are."""
    names = order.sample(sorted(photos), len(photos))
    with (
        ChildDecoder(2, 120_000_000, _SECONDS) as decoder,
        Batcher(ScriptedRuntime(picky), arithmetic_bundle(), 4, 0.05) as batcher,
        ThreadPoolExecutor(len(photos)) as threads,
    ):
        render = Renderer(BackgroundFiles(decoder.decode))

        def made(name: str) -> bytes:
            photo = photos[name](decoder)
            matted = Matted(photo.pixels, batcher.matte(photo), photo.metadata, photo.opacity)
            return bytes(render(CUTOUT, matted))

        return {name: threads.submit(made, name) for name in names}


@pytest.mark.contract("L2", "S1")
def test_poison_changes_no_byte_of_its_neighbours(evidence: Evidence) -> None:
    good = {name: whole(content) for name, content in NEIGHBOURS.items()}
    alone = worked_off(good, random.Random(1))
    together = worked_off(good | {name: read for name, (read, _) in POISON.items()}, random.Random(1))
    for name, (_, error) in POISON.items():
        assert isinstance(together[name].exception(), error), name
    assert {name: together[name].result() for name in good} == {name: alone[name].result() for name in good}
    evidence(photos_dropped=len(together), results_compared=len(good))
