"""Makes the golden picture of the bundle u2netp anew, and its matte with the model in f32.

The picture is NASA's portrait of astronaut Eileen Collins (public domain), as scikit-image carries it, made smaller.
Run it, look at the two files, and put their sha256 into bundle.yaml: python -m tests.pictures.make_golden STATE_DIR
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
from skimage import data

from bshm_watchd.config import ModelSettings
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import catalogue, find_bundle, sha256_of
from bshm_watchd.matting.check import read_picture
from bshm_watchd.matting.runtime import make_runtime

SIDE = 384


def main(state_dir: Path) -> None:
    folder = catalogue()["u2netp"].path("golden")
    small = cv2.resize(data.astronaut(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(folder / "collins.jpg"), np.ascontiguousarray(small[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 88])
    bundle = find_bundle("u2netp", state_dir)
    with Batcher(make_runtime(bundle, ModelSettings(precision="f32")), bundle, 1, 0) as batcher:
        matte = batcher.matte(read_picture(folder / "collins.jpg"))
    cv2.imwrite(str(folder / "collins.matte.png"), matte)
    for path in sorted(folder.iterdir()):
        print(path.name, path.stat().st_size, sha256_of(path))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
