"""One photo at a time through the pipeline, in this process: `python -m bshm_watchd.bench.alone_child FILE`.

Prints what `alone.py` asks for as one line of JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bshm_watchd import logs
from bshm_watchd.bench.alone import CpuClock, costs, quiet_stdout, throughput_by_batch
from bshm_watchd.bench.course import MeasuringFailed
from bshm_watchd.bench.processes import family
from bshm_watchd.clock import Clock, SystemClock, cpu_seconds
from bshm_watchd.config import Settings
from bshm_watchd.delivery.background import BackgroundFiles
from bshm_watchd.delivery.render import Renderer
from bshm_watchd.disk import claim, owner
from bshm_watchd.disk.folder import DROP, HotFolder
from bshm_watchd.disk.ops import Disk
from bshm_watchd.errors import WatchdError
from bshm_watchd.jobs import Job, Plan, Stamp, State, new_id
from bshm_watchd.journal import JOURNAL_NAME, Journal
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.buckets import padded
from bshm_watchd.matting.bundle import configured_bundle
from bshm_watchd.matting.decoder import ChildDecoder
from bshm_watchd.matting.devices.opening import opened_device
from bshm_watchd.matting.resident import ResidentModel
from bshm_watchd.matting.sandbox import die_with_the_parent
from bshm_watchd.matting.scaling import shrunk
from bshm_watchd.ops.asking import exit_code_of
from bshm_watchd.pipeline import Ended, Pipeline
from bshm_watchd.stages import Took

if TYPE_CHECKING:
    from bshm_watchd.matting.bundle import Bundle
    from bshm_watchd.matting.decoder import Decoder
    from bshm_watchd.matting.photo import Pixels


@dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is made of; `folder` is owned by `us`."""

    settings: Settings
    bundle: Bundle
    model: ResidentModel
    batcher: Batcher
    decoder: ChildDecoder
    journal: Journal
    folder: HotFolder
    us: owner.Owner
    clock: Clock

    def pipeline(self, clock: Clock, told: list[Took]) -> Pipeline:
        """Its stages are timed by `clock`, and told to `told`."""
        renderer = Renderer(BackgroundFiles(self.decoder.decode))
        attempts = self.settings.limits.max_attempts
        return Pipeline(
            self.decoder, self.batcher, renderer, self.journal, self.us, clock, attempts, told.append
        )  # fmt: skip


@contextlib.contextmanager
def opened_parts(settings: Settings) -> Iterator[Parts]:
    """As the daemon makes them, but with one decode child. Raises as `open_daemon`."""
    clock, limits, batch = SystemClock(), settings.limits, settings.batch
    us = owner.Owner.this_process(new_id(clock.wall()), clock.wall())
    bundle = configured_bundle(settings.model, settings.state_dir)
    with contextlib.ExitStack() as stack:
        device = stack.enter_context(opened_device(bundle, settings.model))
        journal = stack.enter_context(Journal(settings.state_dir / JOURNAL_NAME, clock))
        model = ResidentModel(bundle, device.settled(settings.model), settings.state_dir, batch.max_size)
        children = ChildDecoder(1, limits.max_pixels, limits.decode_seconds, max_file_bytes=limits.max_file_bytes)
        decoder = stack.enter_context(children)
        matter = Batcher(model, bundle, batch.max_size, 0, clock, infer_seconds=limits.infer_seconds)
        batcher = stack.enter_context(matter)
        folder = HotFolder(Disk(), settings.hot_folders[0], settings.state_dir)
        roots = frozenset(Plan.of(folder.settings).output_roots)
        folder.attach(roots, own=partial(_own, folder, us))
        stack.callback(owner.give_up, folder, us)
        yield Parts(settings, bundle, model, batcher, decoder, journal, folder, us, clock)


def _own(folder: HotFolder, us: owner.Owner) -> None:
    owner.acquire(folder, us)


def main(arguments: list[str]) -> int:
    die_with_the_parent()
    wanted = json.loads(Path(arguments[0]).read_bytes())
    logs.start()
    try:
        with quiet_stdout(), opened_parts(Settings.model_validate(wanted["settings"])) as parts:
            answer = _measured(parts, [Path(photo) for photo in wanted["photos"]])
    except WatchdError as error:
        print("; ".join(str(error).splitlines()), file=sys.stderr)  # noqa: T201
        return exit_code_of(error)
    print(json.dumps(answer))  # noqa: T201
    return 0


def _measured(parts: Parts, photos: list[Path]) -> dict[str, Any]:
    told: list[Took] = []
    by_wall = parts.pipeline(parts.clock, told)
    _run(parts, by_wall, photos[0], told)
    # The decode child is there by now, and lives for more photos than these.
    by_cpu = parts.pipeline(CpuClock(family(os.getpid()), parts.clock, cpu_seconds), told)
    wall = [_run(parts, by_wall, photo, told) for photo in photos]
    cpu = [_run(parts, by_cpu, photo, told) for photo in photos]
    picture = _working_picture(parts.bundle, parts.decoder, photos[0])
    batches = throughput_by_batch(parts.model, parts.settings.batch.max_size, picture, parts.clock)
    return {"stages": [cost.model_dump() for cost in costs(wall, cpu)], "batches": batches}


def _run(parts: Parts, pipeline: Pipeline, photo: Path, told: list[Took]) -> list[Took]:
    """The stages of this photo, from its claim to its filing."""
    told.clear()
    outcome = pipeline.run(_claimed(parts, photo), parts.folder)
    if not isinstance(outcome, Ended) or outcome.job.state not in (State.DONE, State.REVIEW):
        raise MeasuringFailed(f"{photo.name}: {outcome}")
    _clear_away(parts, outcome.job)
    return list(told)


def _clear_away(parts: Parts, job: Job) -> None:
    for place in [*(result.target for result in job.results), *([job.filed_as] if job.filed_as else [])]:
        (parts.folder.settings.path / place.path).unlink()


def _claimed(parts: Parts, photo: Path) -> Job:
    folder, wall = parts.folder, parts.clock.wall()
    name = f"{new_id(wall)}{photo.suffix}"
    dropped = folder.settings.path / DROP / name
    with dropped.open("xb") as file:
        file.write(photo.read_bytes())
        os.fsync(file.fileno())  # else a stage's own sync would write it, too
    job = Job(new_id(wall), folder.settings.name, name, "", Stamp.of(dropped.lstat()), wall, Plan.of(folder.settings))
    with owner.held(folder, parts.us):
        return claim.claim(folder, job)


def _working_picture(bundle: Bundle, decoder: Decoder, path: Path) -> Pixels:
    """What the runtime gets for this photo."""
    with path.open("rb") as file:
        photo = decoder.decode(file.fileno(), os.fstat(file.fileno()).st_size)
    rule = bundle.manifest.working_size
    working = shrunk(photo.pixels, *rule.of(photo.height, photo.width))
    return padded(working, rule.padded_to(photo.height, photo.width))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
