"""Why a settled file is no photo for us, in words for the person who dropped it. Pure."""

from __future__ import annotations

from bshm_watchd.config import Limits
from bshm_watchd.intake.complete import Inspection, Verdict
from bshm_watchd.intake.inspection import Blank
from bshm_watchd.intake.kinds import KINDS
from bshm_watchd.jobs import Problem

_KNOWN = ", ".join(kind.label for kind in KINDS[:-1]) + f" or {KINDS[-1].label}"
_EXTENSIONS = " ".join(extension for kind in KINDS for extension in kind.extensions)

_INCOMPLETE = {
    None: "the file ends before its picture does: the copy broke off, or the file is damaged",
    Blank.EMPTY: "the file is empty: the copy broke off before it began",
    Blank.ONLY_ZEROS: "the file holds only zeros: the copy broke off, or the card or the disk is damaged",
}


def other_kind() -> Problem:
    return Problem(
        "not_a_photo_kind",
        f"this hot folder takes only photos ({_EXTENSIONS})",
        f"export the picture as {_KNOWN} and drop that",
    )


def too_many_bytes(size_bytes: int, limits: Limits) -> Problem | None:
    if size_bytes <= limits.max_file_bytes:
        return None
    message = f"the file has {size_bytes >> 20} MiB, more than the {limits.max_file_mib} MiB allowed here"
    return Problem("too_large", message, "use a smaller export, or have limits.max_file_mib raised")


def too_much_memory(width: int, height: int, cost_bytes: int, limits: Limits) -> Problem:
    return Problem(
        "too_large",
        f"the photo ({width} x {height} pixels) needs {cost_bytes >> 20} MiB of memory, "
        f"{limits.in_flight_mib} MiB are allowed",
        "make the photo smaller, or ask your administrator to raise limits.in_flight_mib",
    )


def by_structure(found: Inspection, limits: Limits) -> Problem | None:
    """None for a whole photo within the limits. An incomplete one is taken to have had its time."""
    if found.verdict is Verdict.NOT_A_PHOTO:
        message = f"it is named like a photo, but its content is not {_KNOWN}"
        return Problem("not_a_photo", message, f"open it in a picture program and export it as {_KNOWN}")
    if found.verdict is Verdict.INCOMPLETE:
        return Problem("incomplete", _INCOMPLETE[found.blank], "copy it again from the camera or the card")
    if found.pixels > limits.max_pixels:
        size = f"{found.width} x {found.height} pixels"
        message = f"the photo has {size}, more than the {limits.max_pixels / 1e6:g} megapixels allowed here"
        return Problem("too_large", message, "use a smaller export, or have limits.max_pixels raised")
    return None
