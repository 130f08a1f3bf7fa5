"""Makes the pictures of docs/models.md anew, with the bundle `portrait`: python -m tests.pictures.make_docs STATE_DIR

All of them show NASA's portrait of astronaut Eileen Collins (public domain), or a person that nobody is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from bshm_watchd.bench.drawn import Bytes, compose, save
from bshm_watchd.config import BatchSettings, Limits, ModelSettings
from bshm_watchd.in_process import InProcess, open_in_process
from bshm_watchd.matting.bundle import find_bundle
from bshm_watchd.output_settings import OutputSettings
from tests.quality.contenders import resident, without_edge_pass
from tests.support import astronaut, contact_sheet

DIRECTORY = Path(__file__).resolve().parents[2] / "docs" / "pictures"
CUTOUT = OutputSettings(kind="cutout", path="{stem}.png")
_JPEG_QUALITY = 85
_LARGE = (4000, 6000)
_HAIR, _SIDE = (1327, 2525), 420  # where hair meets the background, and how much of it is shown


def main(state_dir: Path) -> None:
    DIRECTORY.mkdir(exist_ok=True)
    poses = dict(astronaut.shoot())
    drawn = {"drawn": compose(2, 1080, 1440).pixels}
    with (
        tempfile.TemporaryDirectory() as scratch,
        open_in_process(ModelSettings(), BatchSettings(), Limits(), state_dir) as ours,
    ):
        good = [_frame(ours, Path(scratch), title, {**poses, **drawn}[title]) for title in ("close", "drawn")]
        bad = [_frame(ours, Path(scratch), title, poses[title]) for title in ("mirrored", "upright")]
        _save(_hair(state_dir), "hair.jpg")
        _save(contact_sheet.draw(good, groups=1), "portrait.jpg")
        _save(contact_sheet.draw(bad, groups=1), "portrait_fails.jpg")


def _hair(state_dir: Path) -> Image.Image:
    """Of 24 megapixels, pixel for pixel: the photo, the networks' answer, with the edge pass, and the truth."""
    drawn = compose(1, *_LARGE)
    top, left = _HAIR
    square = (slice(top, top + _SIDE), slice(left, left + _SIDE))
    bundle = find_bundle("portrait", state_dir)
    mattes = []
    for candidate in (without_edge_pass(bundle), bundle):
        with resident(candidate.manifest.name, candidate) as contender:
            mattes.append(contender.answer(drawn.pixels).matte)
    greys = [Image.fromarray(matte[square]).convert("RGB") for matte in (*mattes, drawn.alpha)]
    sheet = Image.new("RGB", (4 * _SIDE, _SIDE))
    for column, picture in enumerate([Image.fromarray(drawn.pixels[square]), *greys]):
        sheet.paste(picture, (column * _SIDE, 0))
    return sheet


def _frame(ours: InProcess, scratch: Path, title: str, pixels: Bytes) -> contact_sheet.Frame:
    original, cutout = scratch / f"{title}.jpg", scratch / f"{title}.png"
    save(original, pixels)
    with original.open("rb") as photo:
        cutout.write_bytes(ours.make(CUTOUT, photo.fileno(), None).content)
    return contact_sheet.Frame(title, original, cutout)


def _save(sheet: Image.Image, name: str) -> None:
    sheet.save(DIRECTORY / name, quality=_JPEG_QUALITY)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
