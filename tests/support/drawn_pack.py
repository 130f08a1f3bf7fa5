"""A pack of drawn people, laid out as one of photographed people: standing ones, heads, and seated ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bshm_watchd.bench import drawn, drawn_people
from bshm_watchd.bench.figures import Figure
from bshm_watchd.bench.pack import part_of

_HEIGHT, _WIDTH = 640, 720
LICENCE = "drawn for a test"


def drawn_pack(directory: Path, people: int = 9) -> Path:
    """Everybody is in the half that is held back."""
    for name in ("photos", "mattes", "backgrounds"):
        (directory / name).mkdir(parents=True)
    ids = [id for number in range(10 * people) if part_of(id := f"p_{number:03}") == "held-back"][:people]
    scenes = [id for number in range(40) if part_of(id := f"bg_{number:02}") == "held-back"][:3]
    for number, id in enumerate(ids):
        figure = _figure(number)
        pixels, alpha = _framed(figure, drawn.scene(number, _HEIGHT, _WIDTH))
        drawn.save(directory / "photos" / f"{id}.jpg", pixels)
        drawn.save(directory / "mattes" / f"{id}.png", alpha)
    for number, id in enumerate(scenes):
        drawn.save(directory / "backgrounds" / f"{id}.jpg", drawn.scene(number, 400, 500))
    rows = [f"{id}\tphoto\t1\t{LICENCE}" for id in ids] + [f"{id}\tbackground\t1\t" for id in scenes]
    text = "\n".join(["id\tkind\tcolour\tlicence_note", *rows]) + "\n"
    (directory / "manifest.tsv").write_text(text, encoding="utf-8")
    return directory


def _figure(number: int) -> Figure:
    draw = (drawn_people.standing, drawn_people.in_profile, drawn_people.seated)[number % 3]
    return draw(np.random.default_rng(number), 600 if number % 3 == 0 else 480)


def _framed(figure: Figure, scene: drawn.Bytes) -> tuple[drawn.Bytes, drawn.Bytes]:
    """In the middle, at the lower side where it is cut there."""
    height, width = figure.alpha.shape
    top = _HEIGHT - height - (0 if figure.cut_below else 10)
    left = (_WIDTH - width) // 2
    alpha, colours = np.zeros((_HEIGHT, _WIDTH), np.uint8), scene.copy()
    here = slice(top, top + height), slice(left, left + width)
    alpha[here] = np.round(figure.alpha * 255)
    colours[here] = figure.colours
    return drawn.blend(colours, scene, alpha), alpha
