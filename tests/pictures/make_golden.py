"""Makes the golden picture of a bundle anew, and its matte with the model in f32; prints the lines for bundle.yaml.

The picture is NASA's portrait of astronaut Eileen Collins (public domain), as scikit-image carries it, made smaller.
Fetch the bundle, run this, look at the two files, and put what is printed into bundle.yaml:
python -m tests.pictures.make_golden NAME STATE_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle, catalogue, sha256_of
from bshm_watchd.matting.golden import read_picture
from bshm_watchd.matting.manifest import Manifest
from bshm_watchd.matting.runtimes import make_runtime
from tests.support.astronaut import astronaut

SIDE = 384


def main(name: str, state_dir: Path) -> None:
    folder = catalogue()[name].path("golden")
    folder.mkdir(exist_ok=True)
    small = cv2.resize(astronaut(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    cv2.imwrite(str(folder / "collins.jpg"), np.ascontiguousarray(small[:, :, ::-1]), quality)
    bundle = _without_golden(catalogue()[name].manifest, state_dir / "models" / name)
    settings = ModelSettings(bundle=name, precision="f32")
    with Batcher(make_runtime(bundle, settings), bundle, 1, 0) as batcher:
        matte = batcher.matte(read_picture(folder / "collins.jpg"))
    cv2.imwrite(str(folder / "collins.matte.png"), matte)
    for path in sorted(folder.iterdir()):
        print(f"  - path: golden/{path.name}\n    sha256: {sha256_of(path)}")


def _without_golden(manifest: Manifest, directory: Path) -> Bundle:
    """The catalogue's manifest on the files that are here, whose golden picture may be the one of before."""
    return Bundle(directory, manifest.model_copy(update={"files": manifest.model_files, "golden": ()}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
