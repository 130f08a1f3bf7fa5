"""Ten hours' worth of photos, a thousand at a time: the last thousand cost what the second did."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.e2e.program import Program
from tests.scale.course import Course, Sample
from tests.scale.figures import Figure
from tests.scale.watched import fill, started
from tests.support.studio import png

_STATUS_MS = 200
_A_TIME = 1000  # a photo each second, for about a quarter of an hour
_GROWTH = 1.1


def hours(base: Path, files: int, plot: Path | None = None) -> Iterator[Figure]:
    """Each thousand is dropped, finished and left in done/, in subfolders as a studio has them."""
    program, at_once = Program(base), min(_A_TIME, max(1, files // 12))
    samples: list[Sample] = []
    with started(program) as watched:
        watched.wait_ready()
        samples.append(Sample.of(watched))
        for number in range(files // at_once):
            fill(program.drop / f"session {number:03}", png(1), at_once)
            watched.wait_finished((number + 1) * at_once, 600)
            samples.append(Sample.of(watched))
        course = Course(samples)
        yield Figure("photos", samples[-1].finished, "")
        yield from course.figures(_GROWTH, more_mib=15)
        median, longest = watched.answer_seconds()
        yield Figure("status, median", 1000 * median, "ms", _STATUS_MS)
        yield Figure("status, longest", 1000 * longest, "ms")
    if plot is not None:
        draw(course, plot)


def draw(course: Course, target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    finished = [sample.finished for sample in course]
    series = {
        "CPU a photo, ms": (finished[1:], course.cpu_ms_a_photo()),
        "memory, MiB": (finished, [sample.resident_mib for sample in course]),
        "descriptors": (finished, [sample.descriptors for sample in course]),
    }
    figure, axes = pyplot.subplots(len(series), 1, sharex=True, figsize=(9, 7), layout="constrained")
    for axis, (title, (photos, values)) in zip(axes, series.items(), strict=True):
        axis.plot(photos, values, linewidth=1.2, color="#1f4e79")
        axis.set_ylim(bottom=0)
        axis.set_ylabel(title)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("photos finished since the start")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
