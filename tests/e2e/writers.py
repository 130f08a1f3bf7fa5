"""Programs that write a photo into drop/, each in its own way. `write(path, content, spare)`: `spare` is a directory of
its own on the same file system; whatever happens in between, in the end `path` holds `content`."""

from __future__ import annotations

import mmap
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

Write = Callable[[Path, bytes, Path], None]
WRITERS: dict[str, Write] = {}

SHORT, LONG = 0.4, 3.0  # seconds: shorter and longer than a photo takes to settle where writers are seen


def _writer(write: Write) -> Write:
    WRITERS[write.__name__.lstrip("_")] = write
    return write


def pieces_of(content: bytes, count: int) -> list[tuple[int, bytes]]:
    size = len(content) // count + 1
    return [(start, content[start : start + size]) for start in range(0, len(content), size)]


def _fill(path: Path, content: bytes, order: Sequence[int], pause_seconds: float, count: int = 6) -> None:
    """Preallocated, then filled in any order by one descriptor."""
    pieces = pieces_of(content, count)
    with path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(content))
        for number in order:
            os.pwrite(file.fileno(), pieces[number][1], pieces[number][0])
            time.sleep(pause_seconds)


@_writer
def _slow(path: Path, content: bytes, spare: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for number, (_, piece) in enumerate(pieces_of(content, 6)):
            file.write(piece)
            time.sleep(LONG if number == 3 else SHORT)


@_writer
def _closed_and_opened_again(path: Path, content: bytes, spare: Path) -> None:
    for _, piece in pieces_of(content, 5):
        with path.open("ab") as file:
            file.write(piece)
        time.sleep(SHORT)


@_writer
def _appended_after_a_pause(path: Path, content: bytes, spare: Path) -> None:
    for _, piece in pieces_of(content, 2):
        with path.open("ab") as file:
            file.write(piece)
        time.sleep(LONG)


@_writer
def _mapped(path: Path, content: bytes, spare: Path) -> None:
    """The descriptor is closed at once; the mapping is what writes."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.ftruncate(fd, len(content))
    with mmap.mmap(fd, len(content)) as mapped:
        os.close(fd)
        for offset, piece in pieces_of(content, 3):
            mapped[offset : offset + len(piece)] = piece
            mapped.flush()
            time.sleep(LONG)


@_writer
def _renamed_while_it_is_open(path: Path, content: bytes, spare: Path) -> None:
    with (spare / "upload").open("wb", buffering=0) as file:
        file.write(content[: len(content) // 2])
        (spare / "upload").rename(path)
        time.sleep(LONG)
        file.write(content[len(content) // 2 :])


@_writer
def _whole_and_kept_open_and_written_anew(path: Path, content: bytes, spare: Path) -> None:
    """A dead stop in a file that looks whole: only that it is still open tells."""
    with path.open("wb", buffering=0) as file:
        file.write(content)
        file.write(b"a trailer that is still to come")
        time.sleep(2 * LONG)
        file.truncate(len(content))


@_writer
def _holes_that_are_filled(path: Path, content: bytes, spare: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for offset, piece in reversed(pieces_of(content, 4)):
            os.pwrite(file.fileno(), piece, offset)
            time.sleep(LONG if offset else 0)


@_writer
def _two_at_once(path: Path, content: bytes, spare: Path) -> None:
    with path.open("wb", buffering=0) as one, path.open("r+b", buffering=0) as other:
        for number, (offset, piece) in enumerate(pieces_of(content, 6)):
            os.pwrite((one, other)[number % 2].fileno(), piece, offset)
            time.sleep(SHORT)
        one.close()
        time.sleep(LONG)


@_writer
def _time_set_back(path: Path, content: bytes, spare: Path) -> None:
    with path.open("wb", buffering=0) as file:
        for _, piece in pieces_of(content, 4):
            file.write(piece)
            os.utime(path, (1_000_000_000, 1_000_000_000))
            time.sleep(SHORT)


@_writer
def _cut_and_written_again(path: Path, content: bytes, spare: Path) -> None:
    path.write_bytes(content[::-1])
    time.sleep(1.8)
    path.write_bytes(content)


@_writer
def _replaced_in_the_last_moment(path: Path, content: bytes, spare: Path) -> None:
    path.write_bytes(content[: len(content) // 2])
    time.sleep(1.9)
    (spare / "new").write_bytes(content)
    (spare / "new").replace(path)


@_writer
def _saved_as_vim_does(path: Path, content: bytes, spare: Path) -> None:
    path.write_bytes(content[:100])
    time.sleep(SHORT)
    backup = path.with_name(path.name + "~")
    path.rename(backup)
    path.write_bytes(content)
    time.sleep(SHORT)
    backup.unlink()


@_writer
def _saved_as_gnome_does(path: Path, content: bytes, spare: Path) -> None:
    path.write_bytes(content[:100])
    hidden = path.with_name(".goutputstream-X1Y2Z3")
    with hidden.open("wb") as file:
        file.write(content)
        time.sleep(SHORT)
    hidden.replace(path)


@_writer
def _saved_as_photoshop_does(path: Path, content: bytes, spare: Path) -> None:
    path.write_bytes(content[:100])
    temporary = path.with_name("psA4F2.tmp")
    temporary.write_bytes(content)
    time.sleep(SHORT)
    path.unlink()
    time.sleep(SHORT)
    temporary.rename(path)


@_writer
def _part_file(path: Path, content: bytes, spare: Path) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    time.sleep(LONG)
    part.rename(path)


@_writer
def _linked_and_let_go(path: Path, content: bytes, spare: Path) -> None:
    (spare / "upload").write_bytes(content)
    os.link(spare / "upload", path)
    time.sleep(LONG)
    (spare / "upload").unlink()


@_writer
def _nameless_until_whole(path: Path, content: bytes, spare: Path) -> None:
    """O_TMPFILE, then a link."""
    fd = os.open(path.parent, os.O_TMPFILE | os.O_RDWR)
    here = os.open(path.parent, os.O_RDONLY)
    os.write(fd, content)
    os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=here, follow_symlinks=True)
    os.close(here)
    time.sleep(LONG)
    os.close(fd)


@_writer
def _sent_by_the_kernel(path: Path, content: bytes, spare: Path) -> None:
    (spare / "source").write_bytes(content)
    with (spare / "source").open("rb") as source, path.open("wb", buffering=0) as file:
        os.sendfile(file.fileno(), source.fileno(), 0, len(content) // 2)
        time.sleep(LONG)
        os.copy_file_range(source.fileno(), file.fileno(), len(content), len(content) // 2)


def _filled(name: str, order: Callable[[int], list[int]]) -> None:
    def write(path: Path, content: bytes, spare: Path) -> None:
        _fill(path, content, order(6), SHORT)
        assert path.read_bytes() == content

    WRITERS[f"preallocated_and_filled_{name}"] = write


_filled("from_the_front", lambda count: list(range(count)))
_filled("from_the_back", lambda count: list(reversed(range(count))))
_filled("in_random_order", lambda count: random.Random(7).sample(range(count), count))


def _by_command(name: str, *command: str, needs: str | None = None) -> None:
    """{source} holds the content and has an old time; {target} is to be made."""

    def write(path: Path, content: bytes, spare: Path) -> None:
        source = spare / path.name
        source.write_bytes(content)
        os.utime(source, (1_000_000_000, 1_000_000_000))
        words = [word.format(source=source, target=path, spare=spare, drop=path.parent) for word in command]
        subprocess.run(words, check=True, capture_output=True, timeout=60)

    if needs is None or shutil.which(needs):
        WRITERS[name] = write


# A sender at 40 kB/s: a photo of 60 to 100 kB takes longer than it takes to settle.
_by_command("copied", "cp", "{source}", "{target}")
_by_command("copied_with_its_times", "cp", "-p", "{source}", "{target}")
_by_command("copied_by_reference", "cp", "--reflink=auto", "{source}", "{target}")
_by_command("copied_with_holes", "cp", "--sparse=always", "{source}", "{target}")
_by_command("installed", "install", "-m", "644", "{source}", "{target}")
_by_command("in_small_blocks", "dd", "if={source}", "of={target}", "bs=512", "oflag=sync")
_by_command("out_of_an_archive", "bash", "-c", 'tar -C "{spare}" -c {source.name} | tar -C "{drop}" -x')
_by_command("sent_by_rsync", "rsync", "-a", "--bwlimit=40", "{source}", "{target}", needs="rsync")
_by_command("sent_by_rsync_in_place", "rsync", "-a", "--inplace", "--bwlimit=40", "{source}", "{target}", needs="rsync")
_by_command(
    "sent_by_rsync_with_delayed_names", "rsync", "-a", "--delay-updates", "--bwlimit=40", "{source}", "{target}",
    needs="rsync",
)  # fmt: skip
