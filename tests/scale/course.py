"""What photos cost, from the first to the last of many: the same, if nothing in the program grows with their number."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from tests.scale.figures import Figure
from tests.scale.watched import Watched

_PARTS = 36


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the process after so many photos."""

    finished: int
    at_seconds: float  # since the start
    cpu_seconds: float  # in all, with the children's
    resident_mib: float
    descriptors: int

    @classmethod
    def of(cls, watched: Watched) -> Sample:
        return cls(
            watched.finished(), watched.seconds(), watched.cpu_seconds(), watched.resident_mib(), watched.descriptors()
        )


class Course(Sequence[Sample]):
    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...
    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        return self._samples[index]

    def __len__(self) -> int:
        return len(self._samples)

    def cpu_ms_a_photo(self) -> list[float]:
        """In each part of the course."""
        pairs = zip(self._samples, self._samples[1:], strict=False)
        return [1000 * (b.cpu_seconds - a.cpu_seconds) / (b.finished - a.finished) for a, b in pairs]

    def figures(self, growth: float, more_mib: float = 30) -> Iterator[Figure]:
        """The last quarter against the second: what starts is not judged."""
        costs, quarter = self.cpu_ms_a_photo(), len(self) // 4
        early = statistics.median(costs[quarter : 2 * quarter])
        late = statistics.median(costs[-quarter:])
        yield Figure("CPU a photo, second quarter", early, "ms")
        yield Figure("CPU a photo, last quarter", late, "ms")
        yield Figure("the last against the second", late / early, "times", growth)
        resident = [sample.resident_mib for sample in self]
        yield Figure("memory, second quarter", statistics.median(resident[quarter : 2 * quarter]), "MiB")
        grown = statistics.median(resident[-quarter:]) - statistics.median(resident[quarter : 2 * quarter])
        yield Figure("memory, grown until the last", grown, "MiB", more_mib)
        descriptors = [sample.descriptors for sample in self]
        more = statistics.median(descriptors[-quarter:]) - statistics.median(descriptors[quarter : 2 * quarter])
        yield Figure("descriptors, more in the last", more, "", 8)


def course(watched: Watched, photos: int, parts: int = _PARTS, seconds_a_photo: float = 0.5) -> Course:
    """Looks while `photos` in all are finished, from now on; a look is taken once another part is."""
    samples = [Sample.of(watched)]
    while (done := samples[-1].finished) < photos:
        following = min(photos, done + max(1, photos // parts))
        watched.wait_finished(following, 60 + seconds_a_photo * (following - done))
        samples.append(Sample.of(watched))
    return Course(samples)
