"""Putting a bundle's directory where bundles are looked for: whole or not at all, durable before its name appears."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import Bundle, read_bundle


def install(target: Path, make: Callable[[Path], None]) -> Bundle:
    """The bundle in `target`, made anew by `make(directory)`, which gets the path of a directory that it must make.

    What was there is replaced; where `make` fails it stays as it is. Raises `ConfigError` where the disk does not let
    us, and whatever `make` raises.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".install-", dir=target.parent) as scratch:
            made = Path(scratch) / "bundle"
            make(made)
            _settle_on_disk(made)
            if target.exists():
                target.rename(Path(scratch) / "replaced")
            made.rename(target)
            _fsync(target.parent)
    except OSError as error:
        where = error.filename or target
        raise ConfigError([f"{where}: {error.strerror}; run this as a user who may write {target.parent}"]) from error
    return read_bundle(target)


def _settle_on_disk(made: Path) -> None:
    """Readable by the daemon's user whoever made it, and all bytes durable."""
    for path in [*made.rglob("*"), made]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        _fsync(path)


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
