"""One error class per who must act. The pipeline sorts every failure into one of these."""

from __future__ import annotations

import errno
import os

# What the *place* (disk, share, rights) is to blame for; the photo is innocent and waits.
_EJUKEBOX = 528  # the kernel's NFS client lets it out where it should wait; Python has no name for it
_PLACE_ERRNOS = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "quota_exceeded",
    errno.EROFS: "read_only",
    errno.EACCES: "no_permission",
    errno.EPERM: "no_permission",
    errno.EKEYEXPIRED: "no_permission",  # Kerberos tickets
    errno.EKEYREVOKED: "no_permission",
    errno.ENOKEY: "no_permission",
    errno.ENOTDIR: "not_a_directory",
    errno.EIO: "io_error",
    errno.EUCLEAN: "io_error",  # ext4 and xfs: damaged structures
    errno.EBADMSG: "io_error",  # ext4 and xfs: a checksum that is wrong
    errno.ENOMEDIUM: "io_error",
    errno.ESTALE: "share_gone",
    errno.EHOSTDOWN: "share_gone",
    errno.EHOSTUNREACH: "share_gone",
    errno.ENETDOWN: "share_gone",
    errno.ENETUNREACH: "share_gone",
    errno.ENETRESET: "share_gone",
    errno.ENONET: "share_gone",
    errno.ENOLINK: "share_gone",
    errno.ECOMM: "share_gone",
    errno.ECONNABORTED: "share_gone",  # a FUSE connection that was aborted, an SMB one that is set up anew
    errno.ECONNREFUSED: "share_gone",
    errno.ECONNRESET: "share_gone",
    errno.ENOTCONN: "share_gone",
    errno.ESHUTDOWN: "share_gone",
    errno.EPROTO: "share_gone",
    errno.EREMCHG: "share_gone",
    errno.ETIME: "share_gone",
    _EJUKEBOX: "share_gone",
    errno.ENODEV: "share_gone",
    errno.ENXIO: "share_gone",
    errno.ETIMEDOUT: "share_gone",
    errno.EREMOTEIO: "share_gone",
    errno.ENOLCK: "no_locks",
    errno.EAGAIN: "share_gone",  # CIFS, of a file that was open when the connection was lost
    errno.EINTR: "interrupted",  # a share served by a program that was disturbed; the kernel's own calls go on
    errno.EMFILE: "too_many_open_files",
    errno.ENFILE: "too_many_open_files",
    errno.ENOMEM: "out_of_memory",
}

_ADVICE = {
    "disk_full": "free some space; work resumes by itself",
    "quota_exceeded": "raise the quota or free some space; work resumes by itself",
    "read_only": "remount it writable; work resumes by itself",
    "no_permission": "give the daemon's user read, write and search rights there; work resumes by itself",
    "not_a_directory": "a file or a link stands where a directory is needed, move it away; work resumes by itself",
    "io_error": "check the disk and the kernel log; work resumes by itself",
    "share_gone": "bring the share back; work resumes by itself",
    "no_locks": "see that locks work there (NFS: rpc.statd); work resumes by itself",
    "interrupted": "work resumes by itself",
    "too_many_open_files": "raise the limit of open files (LimitNOFILE=)",
    "out_of_memory": "lower limits.in_flight_mib or add memory",
}


class WatchdError(Exception):
    """Root of all errors this program raises on purpose."""


class ConfigError(WatchdError):
    """The operator must change the configuration or the machine. Carries every problem found, not the first."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RejectedPhoto(WatchdError):
    """The photo itself is at fault; its owner must act. Never retried.

    `reason` is a stable word for scripts; `message` and `what_to_do` are sentences for a studio assistant.
    """

    def __init__(self, reason: str, message: str, what_to_do: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.what_to_do = what_to_do


class PhotoChanged(WatchdError):
    """The original changed while it was read: it goes back to where it came from, and nothing is counted."""


class PhotoWithheld(WatchdError):
    """The share does not give this claimed photo right now, though others may be fine: tried again, nothing counted."""


class OwnershipLost(WatchdError):
    """Another daemon owns the hot folder now: this one lets go of its jobs there at once."""


class PlaceUnavailable(WatchdError):
    """The disk, the share or the rights are at fault. Nobody's photo is: the folder is held and tried again."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PermissionsIgnored(WatchdError):
    """Under `permissions.strict`: the file system accepted a mode or group and did not apply it."""


class ProgramEnding(WatchdError):
    """The program is ending: what was asked is not done, and nothing is counted against the photo."""


class RuntimeBroken(WatchdError):
    """The model or its device is broken beyond this photo: the process must end, its state safe on disk."""


class DecoderUnsafe(RuntimeBroken):
    """This machine would not let pictures be decoded safely: the process must end, and no photo is to blame."""


class InstanceRunning(WatchdError):
    """Another instance owns the state directory, or another daemon the hot folder (exit code 2)."""


def place_error(error: OSError) -> PlaceUnavailable | None:
    """Sort an `OSError` by its errno: the place's fault (wait), or None (whoever called decides)."""
    reason = _PLACE_ERRNOS.get(error.errno or 0)
    if reason is None:
        return None
    where = os.fsdecode(error.filename) if error.filename is not None else "the hot folder"
    return PlaceUnavailable(reason, f"{where}: {error.strerror}; {_ADVICE[reason]}")


def no_thread(error: RuntimeError) -> PlaceUnavailable:
    """What a thread that could not be started means: the machine is at fault, for now."""
    advice = "raise the limit of threads (TasksMax=, ulimit -u) or add memory; work resumes by itself"
    return PlaceUnavailable("too_many_threads", f"{error}; {advice}")


def state_error(error: OSError, state_dir: os.PathLike[str]) -> ConfigError | PlaceUnavailable:
    """Why the state directory can't be used at the start: what the operator must change, or its disk, for now."""
    place = place_error(error)
    if place is None or place.reason in ("no_permission", "read_only", "not_a_directory"):
        what_to_do = "make it writable for this user or set state_dir"
        return ConfigError([f"state_dir {os.fspath(state_dir)}: {error.strerror}; {what_to_do}"])
    advice = _ADVICE[place.reason].replace("work resumes by itself", "then start it again")
    return PlaceUnavailable(place.reason, f"state_dir {os.fspath(state_dir)}: {error.strerror}; {advice}")
