"""Runs in a Python that has rembg, and imports nothing of this project.

A line of standard input is a JSON list: the picture's path and where its matte goes. The answer is one line of JSON:
the seconds from the decoded picture to the cutout, which is all of `rembg p` but reading and writing files.
"""

from __future__ import annotations

import json
import sys
import time

from PIL import Image
from rembg import new_session, remove  # type: ignore[import-not-found]


def main() -> None:
    session, alpha_matting = new_session("u2netp"), "--alpha-matting" in sys.argv
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        picture, matte = json.loads(line)
        with Image.open(picture) as opened:
            pixels = opened.convert("RGB")
        start = time.perf_counter()
        cutout = remove(pixels, session=session, alpha_matting=alpha_matting)
        seconds = time.perf_counter() - start
        cutout.getchannel("A").save(matte)
        print(json.dumps(seconds), file=answers, flush=True)


if __name__ == "__main__":
    main()
