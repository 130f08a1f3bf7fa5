"""A bundle whose network is made on the spot: three convolutions that find what is green, within milliseconds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bshm_watchd.bench.drawn import compose, save
from bshm_watchd.matting.bundle import Bundle, read_bundle, sha256_of
from bshm_watchd.matting.golden import read_picture
from bshm_watchd.matting.int8 import Int8, Int8Network, Judgement
from bshm_watchd.matting.manifest import ListedFile
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.quiet_openvino import openvino

SIDE = 48
_HIDDEN = 8


def small_bundle(directory: Path, name: str = "small", seed: int = 0) -> Bundle:
    """In `directory`/`name`, with a golden picture; another `seed` is another network."""
    place = directory / name
    place.mkdir(parents=True)
    openvino().save_model(_network(seed), str(place / "net.xml"), compress_to_fp16=False)
    save(place / "golden.png", compose(seed, SIDE * 2, SIDE * 2).pixels)
    save(place / "golden.matte.png", compose(seed, SIDE * 2, SIDE * 2).alpha)
    files = [{"path": path.name, "sha256": sha256_of(path)} for path in sorted(place.iterdir())]
    (place / "bundle.yaml").write_text(yaml.safe_dump(_manifest(name, files)))
    return read_bundle(place)


def made(bundle: Bundle, directory: Path, mark: str) -> Int8:
    """A record to install, and its files in `directory`: the bundle's own network under names with `mark`."""
    (directory / "int8").mkdir(parents=True)
    for suffix in (".xml", ".bin"):
        shutil.copyfile(bundle.path("net").with_suffix(suffix), directory / f"int8/net-{mark}{suffix}")
    paths = sorted((directory / "int8").iterdir())
    files = [ListedFile(path=f"int8/{path.name}", sha256=sha256_of(path)) for path in paths]
    (own,) = bundle.manifest.model_files
    network = Int8Network(made_from=own, file=f"int8/net-{mark}.xml")
    return Int8(
        networks=(network,),
        files=tuple(files),
        judgement=Judgement(mean=0.002, worst=0.03, photos=40, calibrated_with=80),
        way="none",
        made="today",
        versions={},
    )


def small_photos(directory: Path, count: int) -> list[str]:
    paths = [directory / f"{number:03}.png" for number in range(count)]
    for number, path in enumerate(paths):
        save(path, compose(number, 64, 64 + number % 3).pixels)
    return [str(path) for path in paths]


def loaded(path: str) -> Photo:
    return read_picture(Path(path))


def _manifest(name: str, files: list[dict[str, str]]) -> dict[str, Any]:
    one, none = [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]
    taken = {"tensor": "x", "layout": "NCHW", "scale": "by_largest_value", "mean": none, "std": one}
    network = {"format": "onnx", "file": "net.xml", "input": taken, "output": {"tensor": "y", "range": "unit"}}
    golden = {"picture": "golden.png", "matte": "golden.matte.png", "mean_difference": {"f32": 0.99, "bf16": 0.99}}
    return {
        "name": name,
        "description": "for tests",
        "licence": "CC0",
        "source": "made here",
        "model": network,
        "working_size": {"rule": "fixed", "height": SIDE, "width": SIDE},
        "files": files,
        "golden": [golden],
    }


def _network(seed: int) -> Any:
    """Sigmoid of three 3 x 3 convolutions; input x, 1 x 3 x SIDE x SIDE, and output y, 1 x 1 x SIDE x SIDE."""
    from openvino import Model, opset8

    random = np.random.default_rng(seed)
    entry = opset8.parameter([1, 3, SIDE, SIDE], np.float32, name="x")
    hidden = opset8.relu(_convolution(entry, random.normal(0, 0.2, (_HIDDEN, 3, 3, 3)) + _GREEN))
    hidden = opset8.relu(_convolution(hidden, random.normal(0, 0.2, (_HIDDEN, _HIDDEN, 3, 3))))
    answer = opset8.sigmoid(_convolution(hidden, random.normal(0, 0.2, (1, _HIDDEN, 3, 3))))
    entry.output(0).set_names({"x"})
    answer.output(0).set_names({"y"})
    return Model([answer], [entry], "small")


_GREEN = np.array([-0.1, 0.2, -0.1]).reshape(1, 3, 1, 1)


def _convolution(source: Any, weights: Any) -> Any:
    from openvino import opset8

    return opset8.convolution(source, weights.astype(np.float32), [1, 1], [1, 1], [1, 1], [1, 1])
