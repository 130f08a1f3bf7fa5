"""What readers see: a frozen picture of the daemon at one moment."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class FolderMode(StrEnum):
    STARTING = "starting"  # not yet attached
    WATCHING = "watching"
    HELD = "held"  # disk full, no permission: work waits and resumes by itself
    UNREACHABLE = "unreachable"  # the root is missing, another one, or does not answer
    OWNED_ELSEWHERE = "owned_elsewhere"  # another daemon works on it
    LEAVING = "leaving"  # no longer configured: what is in work there is finished


@dataclass(frozen=True, slots=True)
class FolderStatus:
    name: str
    path: str
    state: FolderMode
    reason: str
    waiting: int  # photos in drop/ that are not claimed yet, settled or not
    in_flight: int
    retrying: int  # claimed, waiting for their next attempt or for the place
    oldest_waiting_seconds: float | None
    not_photos: int
    left: int  # waiting photos that can't be taken as they are (empty, hard-linked, unreadable, locked in)
    events: bool  # whether hints come in; if not, scanning alone finds the photos
    done: int
    review: int
    rejected: int
    failed: int


@dataclass(frozen=True, slots=True)
class ConfigurationStatus:
    """Which configuration the daemon works with, and what was wrong with the file if it was refused after that."""

    loaded: str
    refused: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GpuFigures:
    """How full and how busy a GPU is; what it does not tell is None, and what went wrong is in `problem`."""

    memory_used_mib: int | None = None
    memory_total_mib: int | None = None
    utilisation_percent: int | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class DeviceStatus:
    """What computes. `fell_back`: why not the GPU that there is some sign of; None where nothing was lost."""

    kind: str  # cpu | gpu
    computed: str  # in words: `on the CPU (u2netp.onnx f32)`
    index: int | None = None  # of /dev/nvidia<index>
    name: str | None = None
    fell_back: str | None = None
    gpu: GpuFigures | None = None


@dataclass(frozen=True, slots=True)
class Status:
    state: str  # starting | idle | busy | degraded | draining
    ready: bool
    version: str
    pid: int
    since: str
    model: str
    device: DeviceStatus
    configuration: ConfigurationStatus
    in_flight_bytes: int
    finished: int  # jobs ended since the start
    folders: tuple[FolderStatus, ...]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
