"""One hot folder's tree: is it really the one we know, and how to open what lies in it.

A root is opened anew for each use, never kept open (an open root would keep a share from being unmounted), and must
be the same directory as when it was attached. A root that is missing, empty or another one is *unreachable*: nothing
is created there, and it is never taken for an empty folder.
"""

from __future__ import annotations

import contextlib
import copy
import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bshm_watchd import logs
from bshm_watchd.config import HotFolderSettings, PermissionSettings
from bshm_watchd.disk import permissions
from bshm_watchd.disk.durable import create_record, make_directory, read_record, write_record
from bshm_watchd.disk.known_roots import FORGOTTEN, Free, KnownRoots
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.walk import named, open_below, open_named, open_or_make, parts
from bshm_watchd.errors import ConfigError, PermissionsIgnored, PlaceUnavailable, place_error
from bshm_watchd.jobs import Place

DROP = "drop"
WORK = ".bshm/work"
_PRIVATE = ".bshm"
_PROBE = ".bshm-probe.tmp"  # names that begin like this are ours, wherever they stand
_MARKER = "folder.json"
_OUTPUT_MARKER = ".bshm-output.json"
LONGEST_NAME_BYTES = 255  # no Linux file system takes more; some take less
_DAMAGED = "damaged"  # equals no known id: unreachable until it is mended or the folder adopted


@dataclass(frozen=True, slots=True)
class _Identity:
    device: int
    inode: int
    mode: int

    @classmethod
    def of(cls, fd: int) -> _Identity:
        status = os.fstat(fd)
        return cls(status.st_dev, status.st_ino, stat.S_IMODE(status.st_mode))


class HotFolder:
    """Opens directories of one hot folder. Used by the folder's thread and the workers alike.

    `attach` runs before any other use and again after trouble; everything else only reads what it found.
    """

    def __init__(self, disk: Disk, settings: HotFolderSettings, state_dir: Path) -> None:
        self.disk = disk
        self.settings = settings
        self._known = KnownRoots(state_dir / "folders", settings.name)
        # Written by `attach` alone, on the folder's thread, while no job of the folder runs; read by all.
        self._identities: dict[str, _Identity] = {}
        self._mismatches: set[str] = set()
        self._durable: set[tuple[str, tuple[str, ...]]] = set()  # directories whose name is on the disk; added by all
        # Held while a directory is made: two workers at it would need two temporaries, and a kill leaves the second.
        self._making = threading.Lock()
        self.name_bytes = LONGEST_NAME_BYTES  # that a name may have in each of the roots
        self.stable_inodes = True  # false where the file system makes inode numbers up
        self.lasting_inodes = False  # true where a file keeps its number over a remount
        self.network = False  # true where what a stat says may be a few seconds old

    def attach(
        self, output_roots: frozenset[str], *, adopt: bool = False, own: Callable[[], None] = lambda: None
    ) -> None:
        """Check that every root is the one we know (or is new), and make what is missing in it.

        `own` is called once the root is known, before anything is tried out in it: what it raises ends the attempt.
        Raises `PlaceUnavailable` (reason "unreachable" for a root that is not ours) or `ConfigError` when the
        directories for originals lie on another file system.
        """
        with _sorted_errors():
            self._durable.clear()
            self.name_bytes = LONGEST_NAME_BYTES
            self._identities[""] = self._attach_root(str(self.settings.path), _PRIVATE, _MARKER, adopt)
            self._identities = {"": self._identities[""]}
            own()
            self.attach_outputs(output_roots, adopt=adopt)
            self._make_layout()
            self.probe()
            self._check_filing()

    def attach_outputs(self, roots: frozenset[str], *, adopt: bool = False) -> None:
        """The roots of unfinished jobs whose plan is older than today's configuration: they are still published to."""
        with _sorted_errors():
            for root in sorted(roots - self._identities.keys()):
                self._identities[root] = self._attach_root(root, "", _OUTPUT_MARKER, adopt)

    def with_rights(self, rights: PermissionSettings) -> HotFolder:
        """The same folder, giving what is made in it the rights that a job was claimed with. For one run of a job."""
        if rights == self.settings.permissions:
            return self
        planned = copy.copy(self)
        planned.settings = self.settings.model_copy(update={"permissions": rights})
        return planned

    @contextlib.contextmanager
    def root(self, root: str = "") -> Iterator[int]:
        """A descriptor of a root. Raises `PlaceUnavailable` when it is not the directory that was attached."""
        with self.disk.visit(), self._opened_root(root) as fd:
            known, now = self._identity(root), _Identity.of(fd)
            if (now.device, now.inode) != (known.device, known.inode):
                raise PlaceUnavailable(
                    "unreachable", f"{root or self.settings.path}: another directory stands there now"
                )
            with named(root or str(self.settings.path)):
                yield fd

    @contextlib.contextmanager
    def _opened_root(self, root: str) -> Iterator[int]:
        with _sorted_errors():
            fd = self._open_root(root or str(self.settings.path))
        try:
            yield fd
        finally:
            os.close(fd)

    def below(self, relative: str) -> contextlib.AbstractContextManager[int]:
        """An existing directory below the hot folder's root."""
        return self.existing(Place("", relative, ""))

    @contextlib.contextmanager
    def existing(self, place: Place) -> Iterator[int]:
        """The directory of a place; `FileNotFoundError` where it is missing."""
        with self.root(place.root) as root_fd, open_named(self.disk, root_fd, place.directory) as fd:
            yield fd

    @contextlib.contextmanager
    def directory(self, place: Place, *, for_results: bool = False) -> Iterator[int]:
        """The directory of a place, made (with its final permissions) where it is missing."""
        tell = partial(self.report_mismatch, "directory", strictly=for_results)
        make = partial(self._make_directory, root_mode=self._identity(place.root).mode, tell=tell)
        with (
            self.root(place.root) as root_fd,
            open_or_make(self.disk, root_fd, place.directory, make) as fd,
            named(place.directory),
        ):
            self._make_durable(root_fd, place)
            yield fd

    @contextlib.contextmanager
    def work(self, job_id: str) -> Iterator[int]:
        with self.below(f"{WORK}/{job_id}") as fd:
            yield fd

    @contextlib.contextmanager
    def private(self) -> Iterator[int]:
        with self.below(_PRIVATE) as fd:
            yield fd

    def file_rule(self, place: Place, dir_fd: int) -> permissions.Rule:
        mode = self._identity(place.root).mode
        return permissions.file_rule(self.settings.permissions, mode, permissions.Handed.by(dir_fd))

    def report_mismatch(self, what: str, mismatch: str, *, strictly: bool = True) -> None:
        """Rights that did not take (some shares accept and ignore them): said once, or an error if `strict`.

        Not `strictly` for what must be filed in any case: nobody would ever see the job that failed.
        """
        message = f"the file system did not take the permissions of a {what}: {mismatch}"
        if strictly and self.settings.permissions.strict:
            raise PermissionsIgnored(message)
        if message not in self._mismatches:
            self._mismatches.add(message)
            logs.warning(message, HOT_FOLDER=self.settings.name)

    def probe(self) -> None:
        """Prove that the folder takes writes: a small file, synced and removed. Raises as the disk does."""
        with self.private() as fd:
            write_record(self.disk, fd, _PROBE, b"x" * 4096)
            ours = self.disk.lstat(fd, _PROBE).st_uid == os.fstat(fd).st_uid  # also where a mount makes owners up
            self.disk.unlink(fd, _PROBE)
        if not ours:
            message = f"{self.settings.path}/{_PRIVATE} belongs to another user, who could change what is in work"
            raise PlaceUnavailable("no_permission", f"{message}: give it to the daemon's user (chown -R), or remove it")

    def least_free(self) -> Free:
        """The place with the least free space of all that work here writes to: the roots, and our state."""
        places = [*map(self._free, self._identities), self._known.free(self.disk)]
        return min(places, key=lambda place: place.free_bytes)

    def _free(self, root: str) -> Free:
        with self.root(root) as fd:
            return Free(root or str(self.settings.path), self.disk.free_bytes(fd))

    def _identity(self, root: str) -> _Identity:
        """Raises `PlaceUnavailable` for a root that was not attached."""
        if root not in self._identities:
            raise PlaceUnavailable("unreachable", f"{root or self.settings.path}: not attached; start the daemon again")
        return self._identities[root]

    def _open_root(self, path: str) -> int:
        try:
            return self.disk.open_root(path)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR):
                is_hot = path == str(self.settings.path)
                anew = f"for a new hot folder: bshm-watchd init {path}" if is_hot else "make this directory"
                message = f"{path}: {error.strerror}; mount the share, or {anew}"
                raise PlaceUnavailable("unreachable", message) from error
            raise

    def _attach_root(self, path: str, marker_dir: str, marker: str, adopt: bool) -> _Identity:
        fd = self._open_root(path)
        try:
            with named(path):
                found = self._read_marker(fd, marker_dir, marker)
            known = self._known.read(path)
            if not adopt and found != known and (known or found == _DAMAGED):
                name = f"{marker_dir}/{marker}".lstrip("/")
                raise PlaceUnavailable("unreachable", _stranger(path, name, found, known, self.settings.name))
            if found in (None, _DAMAGED):
                found = self._make_marker(fd, marker_dir, marker, replace=found is not None)
            if found != known:
                self._known.write(self.disk, path, found)
            self.name_bytes = min(self.name_bytes, self.disk.name_bytes(fd) or LONGEST_NAME_BYTES)
            return _Identity.of(fd)
        finally:
            os.close(fd)

    def _read_marker(self, root_fd: int, marker_dir: str, marker: str) -> str | None:
        try:
            with open_below(self.disk, root_fd, marker_dir) as fd:
                return str(json.loads(read_record(self.disk, fd, marker))["id"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return _DAMAGED

    def _make_marker(self, root_fd: int, marker_dir: str, marker: str, *, replace: bool) -> str:
        """A new id for a root; where another hot folder's thread is making one just now, that one."""
        identifier = os.urandom(16).hex()
        content = json.dumps({"id": identifier}).encode()
        with open_or_make(self.disk, root_fd, marker_dir, self._make_private) as fd:
            if replace:
                write_record(self.disk, fd, marker, content)
                return identifier
            with contextlib.suppress(FileExistsError):
                create_record(self.disk, fd, marker, content, f".bshm-{self.settings.name}.tmp")
                return identifier
        return self._read_marker(root_fd, marker_dir, marker) or _DAMAGED

    def _make_private(self, parent_fd: int, name: str) -> None:
        self.disk.mkdir(parent_fd, name, 0o700)
        self.disk.fsync(parent_fd)

    def _keep_private(self, root_fd: int) -> None:
        """Nobody else gets to what is in work, also when somebody gave rights to the whole tree since it was made."""
        with open_below(self.disk, root_fd, _PRIVATE) as fd:
            if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
                self.disk.chmod(fd, 0o700)

    def _make_directory(self, parent_fd: int, name: str, root_mode: int, tell: Callable[[str], None]) -> None:
        handed = permissions.Handed.by(parent_fd)
        rule = permissions.directory_rule(self.settings.permissions, root_mode, handed)
        with self._making:
            if not self.disk.exists(parent_fd, name):  # another worker may have made it meanwhile
                make_directory(self.disk, parent_fd, name, rule, tell)

    def _make_durable(self, root_fd: int, place: Place) -> None:
        """Once a life, the names on the way are synced: whoever made them may have died before doing that."""
        names = parts(place.directory)
        for depth in range(len(names)):
            known = (place.root, names[: depth + 1])
            if known not in self._durable:
                # A directory that we may only search is somebody else's: its names were there before us.
                with (
                    contextlib.suppress(PermissionError),
                    open_below(self.disk, root_fd, "/".join(names[:depth])) as fd,
                ):
                    self.disk.fsync(fd)
                self._durable.add(known)

    def _make_layout(self) -> None:
        with self.root() as root_fd, open_or_make(self.disk, root_fd, WORK, self._make_private):
            self._keep_private(root_fd)
            self._make_durable(root_fd, Place("", WORK, ""))
        with self.directory(Place("", DROP, "")):
            pass

    def _check_filing(self) -> None:
        done = self.settings.originals.done
        for directory in (DROP, "review", "rejected", "failed", *([] if done == "delete" else [_fixed_part(done)])):
            self._check_rename_to(directory)

    def _check_rename_to(self, directory: str) -> None:
        with contextlib.ExitStack() as stack:
            work_fd = stack.enter_context(self.below(WORK))
            write_record(self.disk, work_fd, _PROBE, b"")
            fd = stack.enter_context(self.directory(Place("", directory, "")))
            try:
                self.disk.replace(work_fd, _PROBE, fd, _PROBE)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                message = f"{self.settings.path}/{directory} lies on another file system than {WORK}/: originals are"
                raise ConfigError([f"{message} moved by a rename; put it on the same one"]) from error
            self.disk.unlink(fd, _PROBE)


def _stranger(path: str, marker: str, found: str | None, known: str | None, folder: str) -> str:
    if found in (None, _DAMAGED):
        told = f"its {marker} is {found or 'missing'}"
    elif known == FORGOTTEN:
        told = "the state directory's record of which folder this was is damaged"
    else:
        told = "another hot folder is there"
    return f"{path}: {told}; mount the right one, or if this is it: bshm-watchd folder adopt {folder}"


def _fixed_part(template: str) -> str:
    """The directory that all of a template's directories have in common; "" is the root."""
    fixed, field, _ = template.partition("{")
    path = os.path.normpath(fixed.rpartition("/")[0] if field else fixed)
    return "" if path == "." else path


@contextlib.contextmanager
def _sorted_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise place_error(error) or error from error
