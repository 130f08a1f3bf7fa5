"""Background pictures of composites: read once, kept, and fitted to the photos they stand behind."""

from __future__ import annotations

import contextlib
import io
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from bshm_watchd.errors import (
    ConfigError,
    PlaceUnavailable,
    ProgramEnding,
    RejectedPhoto,
    WatchdError,
    no_thread,
    place_error,
)
from bshm_watchd.metadata import Metadata

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]

_READ_SECONDS = 10.0  # as long as a call in a hot folder may take
_LARGEST_BYTES = 1 << 30
_BLOCK_BYTES = 1 << 20
_KEPT_FITS = 2  # a shoot has one size, upright and lying
_ROWS_AT_A_TIME = 256  # Pillow's copies of a whole picture would be as large as four of ours


class Backgrounds(Protocol):
    def fitted(self, path: Path, height: int, width: int, icc: bytes) -> Bytes:
        """The picture at `path` so that it covers height x width, in the colours of the RGB profile `icc` (b"": sRGB).

        uint8, height x width x 3, read-only; another caller may hold the same array. Callable from any thread.
        Raises `PlaceUnavailable` when the picture can't be had: photos wait until it is back.
        """
        ...


class Decoded(Protocol):
    """A decoded picture: `pixels` uint8, height x width x 3, upright RGB in the colours of `metadata.icc`."""

    @property
    def pixels(self) -> Bytes: ...
    @property
    def metadata(self) -> Metadata: ...


Decode = Callable[[int, int], Decoded]
"""From a descriptor and the size in bytes; raises as `Decoder.decode` does."""


class BackgroundFiles:
    """Pictures on disk, each decoded when it is needed in a new size, or its file was replaced or changed.

    What is kept of each is the picture fitted to the last two sizes; its own transparency is ignored.
    """

    def __init__(self, decode: Decode, read_seconds: float = _READ_SECONDS) -> None:
        self._decode = decode
        self._read_seconds = read_seconds
        self._lock = threading.Lock()  # guards _kept; never held while a file is read
        self._kept: dict[Path, _Kept] = {}

    def fitted(self, path: Path, height: int, width: int, icc: bytes) -> Bytes:
        kept, key = self._kept_of(path), (height, width, icc)
        with kept.lock, self._read(path, kept, kept.stamp if key in kept.fits else None) as read:
            found = kept.find(read.stamp, key)
            if found is None:
                decoded = self._decoded(path, kept, read)
                found = converted(covering(decoded.pixels, height, width), decoded.metadata.icc, icc)
                kept.put(key, found)
            return found

    def check(self, paths: Iterable[Path]) -> None:
        """Read every one of these pictures now. Raises `ConfigError` with all that can't be used."""
        problems = []
        for path in paths:
            try:
                kept = self._kept_of(path)
                with kept.lock, self._read(path, kept, None) as read:
                    self._decoded(path, kept, read)
            except PlaceUnavailable as error:
                problems.append(str(error))
        if problems:
            raise ConfigError(problems)

    def _kept_of(self, path: Path) -> _Kept:
        with self._lock:
            return self._kept.setdefault(path, _Kept())

    def _read(self, path: Path, kept: _Kept, known: _Stamp | None) -> _Read:
        """The file, or that it is the `known` one still. One that does not answer keeps a thread, not its callers."""
        if kept.reading.done():
            kept.reading = _begun_reading(path, known)
            wait([kept.reading], self._read_seconds)
        if not kept.reading.done():
            raise _unavailable("share_gone", path, "its disk or share does not answer; work resumes by itself")
        return kept.reading.result()

    def _decoded(self, path: Path, kept: _Kept, read: _Read) -> Decoded:
        try:
            decoded = self._decode(read.memory.fileno(), read.stamp.size_bytes)
        except (ProgramEnding, PlaceUnavailable):
            raise
        except RejectedPhoto as error:
            raise _unavailable("background_unreadable", path, f"{error.message} {error.what_to_do}") from error
        except WatchdError as error:
            raise _unavailable(
                "background_unreadable", path, f"{error}; see whether a photo editor opens it"
            ) from error
        with self._read(path, kept, read.stamp) as now:
            if now.stamp != read.stamp:
                raise _changing(path)
        return decoded


@dataclass(frozen=True, slots=True)
class _Read:
    """A picture's bytes in a memory file (nothing where they are known), and what the file was from first to last."""

    stamp: _Stamp
    memory: IO[bytes]

    def __enter__(self) -> _Read:
        return self

    def __exit__(self, *_: object) -> None:
        self.memory.close()


def _begun_reading(path: Path, known: _Stamp | None) -> Future[_Read]:
    """On a thread of its own. Raises `PlaceUnavailable` where none can be had."""
    reading: Future[_Read] = Future()
    try:
        threading.Thread(target=_read_into, args=(reading, path, known), name="background", daemon=True).start()
    except RuntimeError as error:
        raise no_thread(error) from error
    return reading


def _read_into(reading: Future[_Read], path: Path, known: _Stamp | None) -> None:
    try:
        reading.set_result(_read(path, known))
    except BaseException as error:  # noqa: BLE001  carried to whoever waits
        reading.set_exception(error)


def _read(path: Path, known: _Stamp | None) -> _Read:
    with _opened(path) as fd, contextlib.ExitStack() as undone:
        stamp = _stamp(fd)
        if stamp == known:
            return _Read(stamp, io.BytesIO())
        if stamp.size_bytes > _LARGEST_BYTES:
            raise _unavailable("background_unreadable", path, "it is larger than a picture can be; put a smaller one")
        memory = undone.enter_context(os.fdopen(os.memfd_create("background", os.MFD_CLOEXEC), "w+b"))
        while (left := stamp.size_bytes - memory.tell()) > 0 and (block := os.read(fd, min(left, _BLOCK_BYTES))):
            memory.write(block)
        memory.flush()
        if _stamp(fd) != stamp or memory.tell() != stamp.size_bytes:
            raise _changing(path)
        undone.pop_all()
        return _Read(stamp, memory)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a fifo would keep us waiting for ever
    except OSError as error:
        what_to_do = f"{error.strerror}; put the picture there, readable for the daemon's user; work resumes by itself"
        found = _unavailable("background_missing", path, what_to_do)
        place = place_error(error)
        raise PlaceUnavailable(place.reason, str(found)) if place else found from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _unavailable("background_unreadable", path, "it is no file; put a picture there")
        yield fd
    finally:
        os.close(fd)


def _changing(path: Path) -> PlaceUnavailable:
    return _unavailable("background_changing", path, "it is being written; work resumes by itself")


def _unavailable(reason: str, path: Path, text: str) -> PlaceUnavailable:
    return PlaceUnavailable(reason, f"the background picture {path}: {text}")


@dataclass(frozen=True, slots=True)
class _Stamp:
    device: int
    inode: int
    size_bytes: int
    mtime_ns: int


def _stamp(fd: int) -> _Stamp:
    found = os.fstat(fd)
    return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _done() -> Future[_Read]:
    done: Future[_Read] = Future()
    done.cancel()
    return done


@dataclass(slots=True)
class _Kept:
    """Fits of one picture. Everything in it belongs to whoever holds `lock`; the arrays themselves never change."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    reading: Future[_Read] = field(default_factory=_done)  # the newest; done, but for a file that does not answer
    stamp: _Stamp | None = None
    fits: dict[tuple[int, int, bytes], Bytes] = field(default_factory=dict)

    def find(self, stamp: _Stamp, key: tuple[int, int, bytes]) -> Bytes | None:
        """The fit of the file with that stamp; those of an earlier one are forgotten."""
        if stamp != self.stamp:
            self.stamp, self.fits = stamp, {}
        if (found := self.fits.pop(key, None)) is not None:
            self.fits[key] = found  # the newest again
        return found

    def put(self, key: tuple[int, int, bytes], fit: Bytes) -> None:
        fit.flags.writeable = False
        self.fits = dict([*self.fits.items(), (key, fit)][-_KEPT_FITS:])


def covering(pixels: Bytes, height: int, width: int) -> Bytes:
    """Scaled by one factor until it covers height x width, what is too much cut off evenly on both sides."""
    import cv2
    import numpy as np

    cv2.setNumThreads(1)
    scale = max(height / pixels.shape[0], width / pixels.shape[1])
    kept_height = min(pixels.shape[0], max(1, round(height / scale)))
    kept_width = min(pixels.shape[1], max(1, round(width / scale)))
    top, left = (pixels.shape[0] - kept_height) // 2, (pixels.shape[1] - kept_width) // 2
    middle = pixels[top : top + kept_height, left : left + kept_width]
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(middle, (width, height), interpolation=method), np.uint8)


# -- colours ------------------------------------------------------------------------------------------------


def converted(pixels: Bytes, from_icc: bytes, to_icc: bytes) -> Bytes:
    """The same colours in another RGB profile (b"": sRGB), relative colorimetric with black point compensation.

    The same array when the profiles are the same, and when `to_icc` can't be a target: scanners and cameras have
    profiles that lead out of their colours, not in. The numbers are then left as they are.
    """
    transform = _transform(from_icc, to_icc) if from_icc != to_icc else None
    if transform is None:
        return pixels
    import numpy as np
    from PIL import Image

    target = np.empty_like(pixels)
    for top in range(0, len(pixels), _ROWS_AT_A_TIME):
        rows = slice(top, top + _ROWS_AT_A_TIME)
        target[rows] = np.asarray(transform.apply(Image.fromarray(np.ascontiguousarray(pixels[rows]))))
    return target


def _transform(from_icc: bytes, to_icc: bytes) -> Any:
    """A Pillow transform, or None where one of the profiles does not allow it."""
    from PIL import ImageCms

    try:
        return ImageCms.buildTransform(
            _profile(from_icc), _profile(to_icc), "RGB", "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )  # fmt: skip
    except (ImageCms.PyCMSError, OSError):
        return None


def _profile(icc: bytes) -> Any:
    from PIL import ImageCms

    return ImageCms.getOpenProfile(io.BytesIO(icc)) if icc else ImageCms.createProfile("sRGB")
