"""The pictures that are matted and judged, each with its true alpha."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bshm_watchd.bench.pack import Alpha, Pack, Pixels
from tests.quality.scenes import Scene, empty_scenes, scenes

_SEED = 2


@dataclass(frozen=True)
class Case:
    """`material`: portraits (photos against the pack's mattes), composed (exact alpha), or nobody (no person there)."""

    material: str
    name: str
    pixels: Pixels
    truth: Alpha


def cases(pack: Pack, portraits: int, composed: int, empty: int) -> Iterator[Case]:
    """The first so many of each, made one by one as they are asked for."""
    for person in pack.people[:portraits]:
        yield Case("portraits", person.id, person.pixels(), person.alpha())
    for make in scenes(pack, _SEED, composed):
        yield _case("composed", make())
    for make in empty_scenes(pack, empty):
        yield _case("nobody", make())


def _case(material: str, scene: Scene) -> Case:
    return Case(material, scene.name, scene.pixels, scene.alpha)
