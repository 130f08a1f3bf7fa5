"""Putting INT8 networks into a bundle, for good or not at all; the bundle works at every moment in between.

New files get names of their own (their hash is part of them), so none is written over that a record names. The record
comes last, by a rename; only then what no record names any more goes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from bshm_watchd.disk.durable import write_record
from bshm_watchd.disk.ops import Disk
from bshm_watchd.disk.permissions import Rule
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.int8 import DIRECTORY, RECORD

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.int8 import Int8

# Readable by the daemon's user, whoever made them.
_FILE_RULE = Rule(0o644, None, 0o600)
_DIRECTORY_MODE = 0o755
_HEAD = b"# Made by bshm-watchd model quantize, which replaces it. Without it and int8/ the bundle is as it was.\n"


def refuse_unwritable(bundle: Bundle, models: Path) -> None:
    """Raises `ConfigError` before any work is done. `models`: where a copy of the bundle would be found first."""
    if os.access(bundle.directory, os.W_OK | os.X_OK):
        return
    name = bundle.directory.name
    copying = f"cp -r {bundle.directory} {models / name}"
    raise ConfigError(
        [
            f"{bundle.directory}: INT8 networks are written into the bundle, and this user may not write there; "
            f"run this as a user who may, or copy the bundle to where it is found first: {copying}"
        ]
    )


def install(bundle: Bundle, record: Int8, made: Path, disk: Disk | None = None) -> None:
    """Take over what `record` names from the directory `made`. Raises `ConfigError`; the bundle is as before then."""
    disk = disk or Disk()
    try:
        with _alone(disk, bundle) as bundle_fd, _files(disk, bundle_fd) as fd:
            for file in record.files:
                write_record(disk, fd, Path(file.path).name, (made / file.path).read_bytes(), _FILE_RULE)
            write_record(disk, bundle_fd, RECORD, _HEAD + written(record), _FILE_RULE)
            _drop_all_but(disk, fd, {Path(file.path).name for file in record.files})
    except OSError as error:
        what_to_do = "run this as a user who may write there, or free some space"
        raise ConfigError([f"{bundle.directory}: {error.strerror}; {what_to_do}"]) from error


def written(record: Int8) -> bytes:
    return yaml.safe_dump(record.model_dump(mode="json"), sort_keys=False).encode()


@contextlib.contextmanager
def _alone(disk: Disk, bundle: Bundle) -> Iterator[int]:
    """The bundle's directory, for one at a time: another one would drop our files before our record names them."""
    fd = disk.open_root(str(bundle.directory))
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def _files(disk: Disk, bundle_fd: int) -> Iterator[int]:
    with contextlib.suppress(FileExistsError):
        disk.mkdir(bundle_fd, DIRECTORY, _DIRECTORY_MODE)
    fd = disk.open_directory(bundle_fd, DIRECTORY)
    try:
        disk.chmod(fd, _DIRECTORY_MODE)
        disk.fsync(bundle_fd)
        yield fd
    finally:
        os.close(fd)


def _drop_all_but(disk: Disk, fd: int, named: set[str]) -> None:
    """Those of before, and what a try that was ended left."""
    for name in [entry.name for entry in disk.entries(fd) if entry.name not in named]:
        disk.unlink(fd, name)
