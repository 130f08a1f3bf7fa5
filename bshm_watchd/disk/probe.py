"""Does a process on this machine have the file open for writing? The kernel knows, where it may tell us."""

from __future__ import annotations

import errno
import fcntl
import signal
from enum import Enum


class Writer(Enum):
    FREE = "free"  # nobody on this machine can write it now
    BUSY = "busy"  # somebody has it open for writing, or mapped writable
    UNKNOWN = "unknown"  # not our file and no CAP_LEASE, or a file system without leases


def ignore_lease_signals() -> None:
    """Call once, from the main thread, before the first probe.

    A writer that opens the file in the instant we hold the lease makes the kernel send SIGIO, which kills by default.
    """
    signal.signal(signal.SIGIO, signal.SIG_IGN)


def probe_writer(fd: int) -> Writer:
    """Ask by a read lease on a descriptor opened for reading; it is given back at once. Never raises.

    The kernel grants it only while nobody has the file open for writing. A refusal for any other reason than
    a writer says nothing: it is UNKNOWN, not FREE. Writers on other machines are never seen.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return Writer.BUSY if error.errno == errno.EAGAIN else Writer.UNKNOWN
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return Writer.FREE
