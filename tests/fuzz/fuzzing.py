"""Damaged photos through intake's inspection and through a confined decode child, and what became of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from bshm_watchd.errors import RejectedPhoto
from bshm_watchd.intake.complete import Inspection, Verdict, inspect
from bshm_watchd.matting.decoder import ChildDecoder, DecoderDied
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.sandbox import decoding_bytes
from tests.fuzz.mutations import damaged
from tests.support.decoders import decode, decode_children
from tests.support.encoded import of

MAX_PIXELS = 1_000_000
TIMEOUT_SECONDS = 20.0
REASONS = {"broken", "too_large", "not_a_photo", "unsupported"}
# Intake reads a photo once, its tail again, and of a TIFF what its directories point to, of 100 pages at most.
_READ_ANYWAY_BYTES, _READS = 1 << 22, 100_000
_LOOK_EVERY = 10
_ANOTHER = of(np.full((256, 256, 3), 0xA5, np.uint8), "JPEG")


@dataclass(slots=True)
class Course:
    """What a run went through. `violations`: number of the input, and what is wrong with its outcome."""

    inputs: int = 0
    photos: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    violations: list[tuple[int, str]] = field(default_factory=list)
    peak_bytes: int = 0
    slowest_seconds: float = 0
    seconds: float = 0

    def __add__(self, more: Course) -> Course:
        return Course(
            self.inputs + more.inputs,
            self.photos + more.photos,
            self.refused + more.refused,
            self.verdicts + more.verdicts,
            self.violations + more.violations,
            max(self.peak_bytes, more.peak_bytes),
            max(self.slowest_seconds, more.slowest_seconds),
            self.seconds + more.seconds,
        )

    def __str__(self) -> str:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(self.refused.items()))
        verdicts = ", ".join(f"{count:,} {verdict}" for verdict, count in sorted(self.verdicts.items()))
        return (
            f"{self.inputs:,} inputs: {self.photos:,} photos; refused: {reasons}; violations {len(self.violations)}\n"
            f"inspected: {verdicts}\n"
            f"a child's peak {self.peak_bytes / 2**20:.0f} MiB, slowest input {self.slowest_seconds:.2f} s, "
            f"{self.seconds:.0f} s in all"
        )


def fuzz(numbers: range, photos: list[bytes]) -> Course:
    course, begun = Course(), time.monotonic()
    with ChildDecoder(1, MAX_PIXELS, TIMEOUT_SECONDS, max_file_bytes=1 << 20) as decoder:
        for number in numbers:
            content = damaged(number, photos)
            before = time.monotonic()
            for violation in _outcome(decoder, content, course):
                course.violations.append((number, violation))
            course.inputs += 1
            course.slowest_seconds = max(course.slowest_seconds, time.monotonic() - before)
            if course.inputs % _LOOK_EVERY == 0:
                course.peak_bytes = max(course.peak_bytes, *map(peak_bytes, decode_children()), 0)
    course.seconds = time.monotonic() - begun
    return course


def _outcome(decoder: ChildDecoder, content: bytes, course: Course) -> Iterator[str]:
    inspection = _Inspecting(content)
    found = inspection.found()
    course.verdicts[found.verdict.name.lower()] += 1
    yield from inspection.violations()
    try:
        photo = decode(decoder, content)
    except RejectedPhoto as error:
        course.refused[error.reason] += 1
        if error.reason not in REASONS:
            yield f"an unknown reason: {error.reason}"
    except DecoderDied as error:
        yield f"no answer: {error}"
    else:
        course.photos += 1
        yield from _wrong_photo(photo, found)
        yield from _changing_photo(decoder, content, photo)


def _wrong_photo(photo: Photo, found: Inspection) -> Iterator[str]:
    """Budgets rest on the size that intake saw."""
    if not 0 < photo.height * photo.width <= MAX_PIXELS:
        yield f"{photo.height} x {photo.width} pixels"
    if found.verdict is Verdict.COMPLETE and {photo.height, photo.width} != {found.height, found.width}:
        yield f"intake saw {found.height} x {found.width}, the decoder {photo.height} x {photo.width}"


def _changing_photo(decoder: ChildDecoder, content: bytes, photo: Photo) -> Iterator[str]:
    """The same bytes again, in a buffer that holds something else meanwhile."""
    decode(decoder, _ANOTHER)
    if not np.array_equal(decode(decoder, content).pixels, photo.pixels):
        yield "another picture the second time"


class _Inspecting:
    """Counts what intake reads of a photo."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._reads = self._bytes = 0

    def found(self) -> Inspection:
        return inspect(self._read_at, len(self._content))

    def violations(self) -> Iterator[str]:
        if self._reads > _READS or self._bytes > 2 * len(self._content) + _READ_ANYWAY_BYTES:
            yield f"intake read {self._bytes} bytes in {self._reads} reads of {len(self._content)}"

    def _read_at(self, offset: int, length: int) -> bytes:
        part = self._content[offset : offset + length]
        self._reads, self._bytes = self._reads + 1, self._bytes + len(part)
        return part


def peak_bytes(pid: int) -> int:
    return in_use(pid, "VmHWM")


def in_use(pid: int, line: str) -> int:
    """Bytes, of a line of the kernel's about a process."""
    fields = dict(row.split(":", 1) for row in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields[line].split()[0]) * 1024


ALLOWED_BYTES = decoding_bytes(MAX_PIXELS, 1 << 20) + (100 << 20)  # the interpreter and its codecs
