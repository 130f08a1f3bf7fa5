"""A bundle of the format bshm without a network: for what is decided by its manifest alone."""

from __future__ import annotations

from pathlib import Path

from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.manifest import BshmModel, BucketedSize, Manifest, PictureInput, PictureOutput


def bshm_bundle(directory: Path, kind: str = "frozen_graph") -> Bundle:
    """In `directory`/brought; its manifest's file is there, and only hashed."""
    place = directory / "brought"
    place.mkdir(parents=True, exist_ok=True)
    (place / "bundle.yaml").write_text("only its hash is looked at")
    ends = {"input": PictureInput(tensor="x:0"), "output": PictureOutput(tensor="y:0")}
    model = BshmModel.model_validate({"format": "bshm", "kind": kind, "file": "net", **ends})
    size = BucketedSize(rule="buckets", longest_side=256, stride=32)
    return Bundle(place, Manifest.model_construct(name="brought", model=model, working_size=size, files=(), golden=()))
