"""What `check` looks at. Each function finds, and raises nothing of the machine's."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bshm_watchd import config
from bshm_watchd.cli import chosen, gpu_findings, model_findings
from bshm_watchd.cli.findings import Finding, note, ok, problem
from bshm_watchd.config import HotFolderSettings, Settings, output_root
from bshm_watchd.delivery.background import BackgroundFiles
from bshm_watchd.disk.durable import create_record
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import ConfigError, RejectedPhoto, WatchdError, place_error
from bshm_watchd.intake.file_systems import file_system
from bshm_watchd.jobs import Place, Plan
from bshm_watchd.matting.bundle import bring_anew, configured_bundle
from bshm_watchd.matting.decoder import ChildDecoder
from bshm_watchd.matting.int8 import refuse_damaged_int8
from bshm_watchd.matting.sandbox import Walls, walls
from bshm_watchd.ops.asking import SOCKET_NAME, ControlError, NotRunning, ask
from bshm_watchd.output_settings import OutputSettings
from bshm_watchd.reconfigure import largest_photo_mib, limits_problems

_MIB = 1 << 20
_CHILD_SECONDS = 30
_PROBE, _PROBE_TEMPORARY = ".bshm-check.part", ".bshm-check-0.part"


def everything(path: Path) -> Iterator[Finding]:
    try:
        settings = config.load(path)
    except ConfigError as error:
        yield from (problem("configuration", message) for message in error.problems)
        return
    yield ok("configuration", f"{path}, checked as user {_user()}")
    yield from limits(settings, _memory_bytes())
    yield from state_dir(settings)
    yield decoding(walls())
    yield from model(settings)
    yield from backgrounds(settings)
    running = _running(settings)
    for folder in settings.hot_folders:
        yield from hot_folder(folder, settings, running)


def limits(settings: Settings, memory_bytes: int) -> Iterator[Finding]:
    """Do they fit each other, and this machine? The largest allowed photo must fit into what may be in flight."""
    allowed, needed = settings.limits.in_flight_mib, largest_photo_mib(settings)
    if problems := limits_problems(settings):
        yield from (problem("limits", message.removeprefix("limits: ")) for message in problems)
    elif allowed * _MIB > memory_bytes:
        yield note(
            "limits", f"limits.in_flight_mib is {allowed}, this machine has {memory_bytes // _MIB} MiB: lower it"
        )
    else:
        yield ok(
            "limits", f"the largest photo needs {needed} of {allowed} MiB, the machine has {memory_bytes // _MIB} MiB"
        )


def state_dir(settings: Settings) -> Iterator[Finding]:
    subject, path = "state_dir", settings.state_dir
    try:
        chosen.make_state_dir(path)
        with tempfile.TemporaryFile(dir=path) as probe:
            probe.write(b"x" * 4096)
            os.fsync(probe.fileno())
        free = shutil.disk_usage(path).free
    except ConfigError as error:
        yield problem(subject, str(error).removeprefix("state_dir "))
        return
    except OSError as error:
        yield problem(subject, f"{path}: {error.strerror}; it must be writable for user {_user()}")
        return
    if free < settings.limits.min_free_bytes:
        yield problem(subject, _too_full(path, free, settings))
    elif file_system(str(path)).network:
        kind = file_system(str(path)).type
        yield note(subject, f"{path} is on {kind}: journal and locks belong on a local disk; set state_dir")
    else:
        yield ok(subject, f"{path}, writable, {free // _MIB} MiB free")


def _start_a_child() -> None:
    """Raises whatever a decode child that serves nobody makes of it."""
    empty_fd = os.memfd_create("bshm-watchd-empty", os.MFD_CLOEXEC)
    try:
        with ChildDecoder(1, 1, _CHILD_SECONDS) as decoder, contextlib.suppress(RejectedPhoto):
            decoder.decode(empty_fd, 0)
    finally:
        os.close(empty_fd)


def decoding(found: Walls, start: Callable[[], None] = _start_a_child) -> Finding:
    """What keeps a picture in that takes over its codec."""
    told = f"photos are decoded in processes of their own, behind {found}"
    try:
        start()
    except (WatchdError, OSError) as error:
        return problem("decoding", str(error))
    return ok("decoding", told) if found.whole else note("decoding", told)


def model(settings: Settings) -> Iterator[Finding]:
    subject = "model"
    try:
        bundle = configured_bundle(settings.model, settings.state_dir)
        if settings.model.precision == "int8":
            refuse_damaged_int8(bundle)
    except ConfigError as error:
        yield from (problem(subject, message) for message in error.problems)
        return
    except OSError as error:
        yield problem(subject, f"{error.filename}: {error.strerror}; it must be readable for user {_user()}")
        return
    if damages := bundle.damages():
        name = bundle.manifest.name
        yield problem(subject, f"{'; '.join(damages)}; {bring_anew(name)}")
    else:
        yield ok(subject, f"{bundle.manifest.name} in {bundle.directory}, its hashes are right")
    yield from gpu_findings.device(bundle, settings.model)
    yield from model_findings.remembered(bundle, settings.model, settings.state_dir)


def backgrounds(settings: Settings) -> Iterator[Finding]:
    """Every background picture is decoded, as at the start."""
    if not settings.background_pictures:
        return
    limits = settings.limits
    with ChildDecoder(1, limits.max_pixels, limits.decode_seconds) as decoder:
        for path in settings.background_pictures:
            try:
                BackgroundFiles(decoder.decode).check([path])
            except ConfigError as error:
                yield problem("background", str(error))
            else:
                yield ok("background", str(path))


def hot_folder(folder: HotFolderSettings, settings: Settings, running: dict[str, Any] | None) -> Iterator[Finding]:
    """A folder that a daemon works in is asked for there: probes of two processes would meet."""
    subject = f"hot folder {folder.name}"
    theirs = _running_folder(running, folder)
    if running is not None and theirs is not None and theirs["state"] not in ("starting", "leaving"):
        watched = theirs["state"] == "watching"
        found = f"{folder.path}, watched by the running daemon (process {running['pid']})"
        yield ok(subject, found) if watched else problem(subject, theirs["reason"])
        return
    try:
        yield from _tried_out(subject, folder, settings)
    except ConfigError as error:
        yield from (problem(subject, message) for message in error.problems)
    except WatchdError as error:
        yield problem(subject, str(error))
    except OSError as error:
        yield problem(subject, str(place_error(error) or error))


def _tried_out(subject: str, folder: HotFolderSettings, settings: Settings) -> Iterator[Finding]:
    tree = HotFolder(Disk(), folder, settings.state_dir)
    tree.attach(frozenset(Plan.of(folder).output_roots))
    kind = file_system(str(folder.path))
    yield ok(subject, f"{folder.path} on {kind.type}; drop, done, review, rejected and failed take writes and renames")
    if kind.network:
        yield note(
            subject, f"{kind.type} tells nothing of what other machines write: scanning alone finds those photos"
        )
    for output in folder.outputs:
        yield _result_rights(subject, tree, folder, output)
    least = tree.least_free()
    if least.free_bytes < settings.limits.min_free_bytes:
        yield problem(subject, _too_full(Path(least.path), least.free_bytes, settings))


def _result_rights(subject: str, tree: HotFolder, folder: HotFolderSettings, output: OutputSettings) -> Finding:
    """Write a file as a result is written, and look at what it got."""
    place = _fixed_place(folder, output)
    with tree.directory(place) as dir_fd:
        rule = tree.file_rule(place, dir_fd)
        with contextlib.suppress(FileNotFoundError):
            tree.disk.unlink(dir_fd, _PROBE)
        create_record(tree.disk, dir_fd, _PROBE, b"", _PROBE_TEMPORARY, rule)
        status = tree.disk.lstat(dir_fd, _PROBE)
        tree.disk.unlink(dir_fd, _PROBE)
    mode = stat.S_IMODE(status.st_mode)
    told = f"{output.kind} results get mode {mode:04o}, group {_group_name(status.st_gid)}"
    if rule.mode == mode and rule.group in (None, status.st_gid):
        return ok(subject, told)
    message = f"{told}: the file system does not take what permissions says"
    return problem(subject, message) if folder.permissions.strict else note(subject, message)


def _fixed_place(folder: HotFolderSettings, output: OutputSettings) -> Place:
    root = output_root(folder, output)
    if root != folder.path:
        return Place(str(root), "", _PROBE)
    return Place("", output.path.split("{", 1)[0].rpartition("/")[0], _PROBE)


def _running(settings: Settings) -> dict[str, Any] | None:
    """The status of the daemon that has this state directory; None where none answers us."""
    try:
        return ask(settings.state_dir / SOCKET_NAME, "status", {})
    except NotRunning:
        return None
    except ControlError:
        return None  # it runs but does not answer: then the folders are tried out from here


def _running_folder(running: dict[str, Any] | None, folder: HotFolderSettings) -> dict[str, Any] | None:
    folders = running["folders"] if running else []
    return next((one for one in folders if (one["name"], one["path"]) == (folder.name, str(folder.path))), None)


def _too_full(path: Path, free_bytes: int, settings: Settings) -> str:
    kept = settings.limits.min_free_mib
    return f"{path}: {free_bytes // _MIB} MiB free, limits.min_free_mib keeps {kept}: free some space or lower it"


def _memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _group_name(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
