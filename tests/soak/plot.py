"""What a soak looked like: memory, descriptors, threads and finished photos over time."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tests.soak.service import Sample

_MIB = 1 << 20


def plot(samples: list[Sample], target: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    minutes = [sample.at_seconds / 60 for sample in samples]
    series = {
        "memory, MiB": [sample.resident_bytes / _MIB for sample in samples],
        "descriptors": [sample.descriptors for sample in samples],
        "threads": [sample.threads for sample in samples],
        "photos finished": _finished_in_all(samples),
    }
    figure, axes = pyplot.subplots(len(series), 1, sharex=True, figsize=(9, 8), layout="constrained")
    for axis, (title, values) in zip(axes, series.items(), strict=True):
        axis.plot(minutes, values, linewidth=1, color="#1f4e79")
        axis.set_ylim(bottom=0)
        axis.set_ylabel(title)
        axis.grid(alpha=0.3)
        for before, after in pairwise(samples):
            if before.life != after.life:
                axis.axvline(after.at_seconds / 60, color="#b03030", linewidth=0.6, alpha=0.5)
    axes[-1].set_xlabel("minutes (red: the daemon was killed or stopped, and started again)")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


def _finished_in_all(samples: list[Sample]) -> list[int]:
    """Over all lives: each begins to count anew."""
    before, last, sums = 0, 0, []
    for sample in samples:
        if sample.finished < last:
            before += last
        last = sample.finished
        sums.append(before + last)
    return sums
