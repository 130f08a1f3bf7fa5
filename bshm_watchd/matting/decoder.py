"""Decoding in child processes: a picture that crashes, hangs or eats memory takes a child with it, not the daemon."""

from __future__ import annotations

import contextlib
import mmap
import os
import queue
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol, Self

from bshm_watchd.errors import DecoderUnsafe, PlaceUnavailable, ProgramEnding, RejectedPhoto
from bshm_watchd.matting.decode_child import DECODED, PACKET_BYTES, READY, REASONS, REPLY, REQUEST
from bshm_watchd.matting.photo import Photo
from bshm_watchd.matting.room import DecoderDied, new_buffer, photo_in
from bshm_watchd.matting.sandbox import EXIT_UNCONFINED

_PHOTOS_PER_CHILD = 500
_MAX_FILE_BYTES = 1 << 30
_START_SECONDS = 60.0
_END_SECONDS = 2.0  # a child may take that long to end once its socket has
# Kept between photos, by all children together: two of them keep a photo of 24 megapixels each.
_BUFFERS_BYTES, _LEAST_BUFFER_BYTES = 256 << 20, 16 << 20
_LAST_WORDS_BYTES = 2000
# What a child's interpreter needs to be found and to run as the parent's; all else is none of its business.
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONHOME", "PYTHONPATH", "PYTHONUTF8")
# Walls stand around one thread: no library may start others.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class Decoder(Protocol):
    def decode(self, source_fd: int, size_bytes: int) -> Photo:
        """Decode the photo that `source_fd` holds from offset 0 on, whatever its file offset; it stays open.

        Returns upright 8-bit RGB, read-only, with what a result takes over besides. Callable from any thread; blocks
        until a decoder is free.
        Raises `RejectedPhoto` (reasons `broken`, `too_large`, `not_a_photo`, `unsupported`) when the photo is at fault,
        `DecoderDied` when the attempt ended without an answer, `OSError` when the machine has no descriptor or
        memory left. Whatever was raised, the next call works. The same bytes give the same answer.
        Raises `PlaceUnavailable` while no decoder comes up, `DecoderUnsafe` where this machine would not let pictures
        be decoded safely: no photo is to blame for either.
        """
        ...


class DecoderClosed(ProgramEnding):
    """The decoder is closing: the photo was not decoded and is not to blame."""


class ChildDecoder:
    """At most `children` decodes at a time, each in its own process; use as a context manager.

    A child is replaced after `photos_per_child` photos, when it dies, and when it takes longer than
    `timeout_seconds`. Idle children sleep in the kernel. Each is confined before it sees a photo (see `sandbox`), and
    keeps `buffer_bytes` for photos that fit into them (see `room`); by default some 256 MiB are shared out.
    """

    def __init__(
        self, children: int, max_pixels: int, timeout_seconds: float, photos_per_child: int = _PHOTOS_PER_CHILD,
        max_file_bytes: int = _MAX_FILE_BYTES, buffer_bytes: int | None = None,
    ) -> None:  # fmt: skip
        self._children = children
        self._buffer_bytes = buffer_bytes or max(_LEAST_BUFFER_BYTES, _BUFFERS_BYTES // children)
        self._max_pixels = max_pixels
        self._max_file_bytes = max_file_bytes
        self._timeout_seconds = timeout_seconds
        self._photos_per_child = photos_per_child
        # A slot belongs to the thread that took it from here; None wakes the takers of a closed decoder.
        self._free: queue.LifoQueue[_Slot | None] = queue.LifoQueue()
        self._slots: list[_Slot] = []
        self._closing = False  # set once, by the thread that closes
        self._spawner = ThreadPoolExecutor(1, "decoder-spawner")

    def __repr__(self) -> str:
        alive = sum((child := slot.child) is not None and child.alive() for slot in self._slots)
        return f"<ChildDecoder {alive}/{self._children} children alive, {self._free.qsize()} free>"

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self.__exit__)
            for _ in range(self._children):
                self._slots.append(_Slot(self._spawn()))
                self._free.put(self._slots[-1])
            stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Ends every child, also those at work; callers that wait for one get `DecoderClosed`."""
        self._closing = True
        self._spawner.shutdown()
        for slot in self._slots:
            if (child := slot.child) is not None:  # read once: whoever holds the slot may empty it meanwhile
                child.process.kill()  # its holder is woken by the end of the socket and returns the slot
        for _slot in self._slots:
            self._retire(self._free.get())
        self._free.put(None)

    def decode(self, source_fd: int, size_bytes: int) -> Photo:
        slot = self._free.get()
        try:
            child = self._ready_child(slot)
            return self._decode_in(child, source_fd, size_bytes)
        except (DecoderDied, DecoderUnsafe, PlaceUnavailable) as error:
            self._retire(slot)
            if self._closing:
                raise DecoderClosed("the decoder closed during the decode") from error
            raise
        finally:
            self._free.put(slot)

    def _decode_in(self, child: _Child, source_fd: int, size_bytes: int) -> Photo:
        target_fd = os.memfd_create("bshm-watchd-pixels", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            reply = child.ask(source_fd, size_bytes, target_fd, self._timeout_seconds)
            return self._photo(child, reply, target_fd)
        finally:
            os.close(target_fd)

    def _ready_child(self, slot: _Slot | None) -> _Child:
        """The slot's child, or a new one where that is used up or died while nobody needed it."""
        if slot is not None and (slot.child is None or not self._usable(slot.child)):
            self._retire(slot)
            slot.child = self._spawn()
        # Asked after the child stands in its slot: the closing thread either saw it there, or is seen here.
        if slot is None or slot.child is None or self._closing:
            raise DecoderClosed("the decoder is closing")
        return slot.child

    def _usable(self, child: _Child) -> bool:
        return child.alive() and child.photos < self._photos_per_child

    def _retire(self, slot: _Slot | None) -> None:
        if slot is not None and slot.child is not None:
            slot.child.end()
            slot.child = None

    def _spawn(self) -> _Child:
        """In a thread that lives as long as the decoder: the kernel kills a child with the *thread* that made it."""
        try:
            limits = (self._max_pixels, self._max_file_bytes, self._timeout_seconds)
            return self._spawner.submit(_start_child, self._buffer_bytes, *limits).result()
        except (RuntimeError, OSError) as error:
            if self._closing:
                raise DecoderClosed("the decoder is closing") from error
            raise _unavailable(error) from error

    def _photo(self, child: _Child, reply: bytes, target_fd: int) -> Photo:
        if len(reply) < REPLY.size or reply[0] >= len(REASONS):
            raise DecoderDied("the decoding process gave an answer that makes no sense")
        status, height, width = REPLY.unpack_from(reply)
        if status != DECODED:
            detail = "".join(c for c in reply[REPLY.size :].decode(errors="replace") if c.isprintable())
            raise rejection(REASONS[status], height, width, self._max_pixels, detail)
        return photo_in(child.buffer, target_fd, height, width, self._max_pixels, reply[REPLY.size :])


def _unavailable(why: Exception | str) -> PlaceUnavailable:
    what_to_do = (
        "free some memory, or raise the limits of processes and open files; work resumes by itself, "
        "but after the program was replaced while it ran: then start it again"
    )
    return PlaceUnavailable("decoder_unavailable", f"no decoding process can be started: {why}; {what_to_do}")


def rejection(reason: str, height: int, width: int, max_pixels: int, detail: str) -> RejectedPhoto:
    message, what_to_do = _REJECTIONS[reason]
    facts = {
        "detail": detail,
        "size": f"{width} x {height} pixels",
        "limit": f"{max_pixels / 1e6:g} megapixels",
    }
    return RejectedPhoto(reason, message.format(**facts), what_to_do.format(**facts))


_REJECTIONS = {
    "broken": (
        "The photo is damaged and cannot be read to its end ({detail}).",
        "Copy it again from the camera or card. If that does not help, open it in an image editor and save it anew.",
    ),
    "too_large": (
        "The photo has {size}; at most {limit} are allowed.",
        "Save a smaller copy and use that, or ask your administrator to raise limits.max_pixels.",
    ),
    "not_a_photo": (
        "The file is not a photo of a known kind ({detail}), whatever its name says.",
        "Save it as JPEG, PNG, WebP or TIFF and drop it again.",
    ),
    "unsupported": (
        "The photo is stored in a way that cannot be read here ({detail}).",
        "Open it in an image editor, save it as a JPEG, a PNG or a TIFF of 8 bits, and use that.",
    ),
}


@dataclass(slots=True)
class _Slot:
    child: _Child | None


@dataclass(slots=True)
class _Child:
    """One decoding process. Belongs to whoever holds its slot; others may look at `process`, and kill it."""

    process: subprocess.Popen[bytes]
    socket: socket.socket
    stderr_fd: int
    buffer: mmap.mmap
    photos: int = field(default=0)
    ready: bool = field(default=False)

    def alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, source_fd: int, size_bytes: int, target_fd: int, timeout_seconds: float) -> bytes:
        """One request and its reply. Raises `DecoderDied` at the end of the process or of its time."""
        self._await_ready()
        self.photos += 1
        os.ftruncate(self.stderr_fd, 0)
        os.lseek(self.stderr_fd, 0, os.SEEK_SET)  # the child writes at this same offset
        try:
            socket.send_fds(self.socket, [REQUEST.pack(size_bytes)], [source_fd, target_fd])
            return self._received(timeout_seconds)
        except TimeoutError as error:
            raise DecoderDied(f"decoding took longer than {timeout_seconds:g} seconds and was stopped") from error
        except BrokenPipeError as error:
            raise DecoderDied(self._last_words()) from error

    def _await_ready(self) -> None:
        """It has seen no photo until then: its exit status can be believed, and no photo is to blame for its end.

        Raises `DecoderUnsafe` and `PlaceUnavailable`.
        """
        if self.ready:
            return
        try:
            self.ready = self._received(_START_SECONDS) == READY
        except TimeoutError as error:
            raise _unavailable(f"it was not ready within {_START_SECONDS:g} seconds") from error
        except DecoderDied as error:
            if self.process.returncode == EXIT_UNCONFINED:
                raise DecoderUnsafe(f"photos can't be decoded safely on this machine: {error}") from error
            raise _unavailable(error) from error

    def _received(self, timeout_seconds: float) -> bytes:
        """Raises `DecoderDied` and `TimeoutError`."""
        self.socket.settimeout(timeout_seconds)
        try:
            packet = self.socket.recv(PACKET_BYTES)
        except ConnectionResetError as error:
            raise DecoderDied(self._last_words()) from error
        if not packet:
            raise DecoderDied(self._last_words())
        return packet

    def _last_words(self) -> str:
        """How the process ended, with the last line it wrote. One that a picture has taken over may not want to end."""
        code = self._ended()
        how = f"with exit status {code}" if code >= 0 else f"by signal {-code} ({signal.strsignal(-code)})"
        start = max(0, os.fstat(self.stderr_fd).st_size - _LAST_WORDS_BYTES)
        written = os.pread(self.stderr_fd, _LAST_WORDS_BYTES, start)
        lines = written.decode(errors="replace").strip().splitlines()
        return f"the decoding process ended {how}" + (f": {lines[-1]}" if lines else "")

    def _ended(self) -> int:
        try:
            return self.process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.socket.close()
        self.buffer.close()
        os.close(self.stderr_fd)


def _start_child(buffer_bytes: int, max_pixels: int, max_file_bytes: int, timeout_seconds: float) -> _Child:
    """Returns at once; the child loads its codecs while the parent goes on, and answers when it is ready."""
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        our_socket, their_socket = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.enter_context(our_socket)
        theirs.enter_context(their_socket)
        # What the codecs print goes to memory: it names no photo, and standard error belongs to the daemon's own lines.
        stderr_fd = os.memfd_create("bshm-watchd-decoder-stderr", os.MFD_CLOEXEC)
        ours.callback(os.close, stderr_fd)
        buffer_fd = new_buffer(buffer_bytes)
        theirs.callback(os.close, buffer_fd)
        buffer = ours.enter_context(mmap.mmap(buffer_fd, buffer_bytes, prot=mmap.PROT_READ))
        passed = [their_socket.fileno(), buffer_fd]
        arguments = map(str, (*passed, max_pixels, max_file_bytes, timeout_seconds))
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "bshm_watchd.matting.decode_child", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=stderr_fd,
            pass_fds=passed,
            start_new_session=True,
            cwd="/",
            env=kept | _ONE_THREAD,
        )
        ours.pop_all()
        return _Child(process, our_socket, stderr_fd, buffer)
