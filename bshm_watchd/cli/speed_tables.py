"""What was measured of speed, in tables for people; narrow enough for 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bshm_watchd.cli.console import print_heading, print_table, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bshm_watchd.bench.results import SpeedOfSet, SpeedResult, Stamp

_HOUR = 3600


def print_speed(result: SpeedResult) -> None:
    stamp = result.stamp
    print_heading(f"bshm-watchd {stamp.version}, bundle {stamp.bundle}")
    print_table(("", ""), list(_about(stamp, result.file_system)))
    for measured in result.sets:
        _print_set(measured, stamp.machine.cores)
    say("\nnot counted: the first start, lone photo and burst of each set")
    say("-: too few samples for that percentile (bench speed --lone, --rounds, --cold)")


def told(seconds: float) -> str:
    """`3.2 ms`, `450 ms`, `2.05 s`, `12.3 s`."""
    if seconds >= 1:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def _about(stamp: Stamp, file_system: str) -> Iterator[tuple[str, str]]:
    yield "machine", stamp.machine.key
    yield "computes", f"{stamp.runtime}, {stamp.precision}, on the {'GPU' if stamp.device == 'gpu' else 'CPU'}"
    yield "disk", file_system


def _print_set(measured: SpeedOfSet, cores: int) -> None:
    made = ", ".join(measured.outputs)
    print_heading(f"{measured.name}: {measured.megapixels:.1f} megapixels, {made}")
    print_table(("", ""), list(_throughput(measured, cores)))
    say()
    print_table(("latency", "p50", "p95", "p99", "of"), list(_latencies(measured)), whole=("p50", "p95", "p99"))
    say()
    print_table(("stage, alone", "time", "CPU", "share of CPU"), list(_stages(measured)))
    if measured.batches:
        say()
        rows = [(f"{size} at once", f"{speed:.1f} pictures/s") for size, speed in measured.batches.items()]
        print_table(("network alone", "throughput"), rows)


def _throughput(measured: SpeedOfSet, cores: int) -> Iterator[tuple[str, str]]:
    from bshm_watchd.bench.percentiles import spread
    from bshm_watchd.bench.speed_figures import cpu_per_photo

    speed = measured.photos_per_second
    rates = [one.photos_per_second for one in measured.rounds]
    yield "photos/s", f"{speed:.2f} (median of {len(rates)} bursts of {measured.photos}, ± {spread(rates):.0%})"
    yield "photos/h", f"{speed * _HOUR:,.0f}"
    yield "of the limit", f"{measured.share_of_limit(cores):.0%} (what {cores} cores could do at most)"
    yield "CPU", f"{told(cpu_per_photo(measured.rounds))} a photo, of all processes"
    yield "peak memory", f"{max(one.peak_mib for one in measured.rounds):.0f} MiB, of all processes"
    if measured.gpu is not None:
        use = measured.gpu.utilisation
        busy = "its use is not told" if use is None else f"{use:.0%} busy"
        yield "GPU", f"{measured.gpu.memory_mib:.0f} MiB in use, {busy}"


def _latencies(measured: SpeedOfSet) -> Iterator[tuple[str, ...]]:
    settling = f"lone photos, {measured.settle_seconds:g} s settling"
    yield _latency("drop to result", measured.drop_to_result_seconds, settling)
    yield _latency("matte, alone", measured.matte_seconds, "lone photos")
    yield _latency("claim to result", measured.in_burst_seconds, "photos in bursts")
    cold = "cold start" if len(measured.first_result_seconds) == 1 else "cold starts"
    yield _latency("start to result", measured.first_result_seconds, cold)


def _latency(what: str, samples: Sequence[float], of: str) -> tuple[str, ...]:
    """A percentile that no sample lies beyond is not told."""
    from bshm_watchd.bench.percentiles import TOLD, is_backed, percentile

    cells = [told(percentile(samples, one)) if one == TOLD[0] or is_backed(samples, one) else "-" for one in TOLD]
    return (what, *cells, f"{len(samples)} {of}")


def _stages(measured: SpeedOfSet) -> Iterator[tuple[str, ...]]:
    from bshm_watchd.bench.speed_figures import stage_shares

    shares = stage_shares(measured)
    for stage in measured.stages:
        yield stage.stage, told(stage.wall_seconds), told(stage.cpu_seconds), f"{shares[stage.stage]:.0%}"
