"""A bundle with a golden picture whose matte is known: the picture's green channel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bshm_watchd.bench.drawn import compose, save
from bshm_watchd.matting.bundle import Bundle, read_bundle, sha256_of

SIDE = 96
PICTURE, MATTE = "golden.png", "golden.matte.png"


def golden_bundle(directory: Path, mean: float = 0.002, edge_psnr_db: float | None = 38, name: str = "green") -> Bundle:
    """In `directory`/`name`, computed without a model; a figure's clear inside and outside make its edges."""
    place = directory / name
    figure = compose(3, SIDE, SIDE)
    save(place / PICTURE, figure.alpha[..., None].repeat(3, axis=2))
    save(place / MATTE, figure.alpha)
    return rewritten(place, mean, edge_psnr_db)


def rewritten(place: Path, mean: float = 0.002, edge_psnr_db: float | None = 38) -> Bundle:
    """The manifest anew, after the files that lie beside it."""
    golden: dict[str, Any] = {"picture": PICTURE, "matte": MATTE, "mean_difference": {"f32": mean}}
    if edge_psnr_db is not None:
        golden["edge_psnr_db"] = {"f32": edge_psnr_db}
    manifest = {
        "name": place.name,
        "description": "for tests",
        "licence": "CC0",
        "source": "made here",
        "model": {"format": "arithmetic"},
        "working_size": {"rule": "fit", "longest_side": 1920},
        "files": [{"path": file, "sha256": sha256_of(place / file)} for file in (PICTURE, MATTE)],
        "golden": [golden],
    }
    (place / "bundle.yaml").write_text(yaml.safe_dump(manifest))
    return read_bundle(place)
