"""One process at a time works with a state directory."""

from __future__ import annotations

import errno
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bshm_watchd.errors import ConfigError, InstanceRunning, PlaceUnavailable, WatchdError, state_error
from bshm_watchd.instance import only_instance
from bshm_watchd.ops.asking import exit_code_of
from tests.support.trees import NOBODY, as_ordinary_user, mode_of


@pytest.fixture
def other(tmp_path: Path) -> Iterator[int]:
    """The number of another process that works with the state directory until it is killed."""
    ready_end, ready = os.pipe()
    child = os.fork()
    if child == 0:
        with only_instance(tmp_path / "state"):
            os.write(ready, b"x")
            signal.pause()
        os._exit(0)
    assert os.read(ready_end, 1) == b"x"
    os.close(ready_end)
    os.close(ready)
    yield child
    _kill(child)


def _kill(child: int) -> None:
    """With -9, and wait for its end."""
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        return  # it was killed by the test already


def test_a_second_process_is_refused_and_told_which_is_the_first(tmp_path: Path, other: int) -> None:
    with pytest.raises(InstanceRunning, match=rf"process {other}\) works with .*/state; stop it first"):
        only_instance(tmp_path / "state").__enter__()


def test_the_lock_is_gone_with_a_process_that_was_killed(tmp_path: Path, other: int) -> None:
    _kill(other)
    with only_instance(tmp_path / "state"):
        assert (tmp_path / "state" / "lock").read_text() == f"{os.getpid()}\n"


def test_the_lock_can_be_had_again_after_a_clean_end(tmp_path: Path) -> None:
    for _ in range(2):
        with only_instance(tmp_path / "state"):
            pass


def test_a_program_started_meanwhile_does_not_keep_the_lock(tmp_path: Path) -> None:
    """A decoder that outlives its daemon must not lock the next one out."""
    with only_instance(tmp_path / "state"):
        inherited = [fd for fd in map(int, os.listdir("/proc/self/fd")) if _is_lock(fd, tmp_path)]
        assert len(inherited) == 1
        assert not os.get_inheritable(inherited[0])


def _is_lock(fd: int, base: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == str(base / "state" / "lock")
    except OSError:
        return False


def test_the_state_directory_is_closed_to_strangers(tmp_path: Path) -> None:
    with only_instance(tmp_path / "a" / "state"):
        assert mode_of(tmp_path / "a" / "state") & 0o007 == 0
        assert mode_of(tmp_path / "a" / "state" / "lock") == 0o600


def test_a_state_directory_that_can_not_be_had_is_for_the_operator_to_change(fast_path: Path) -> None:
    os.chmod(fast_path, 0o555)
    if os.geteuid() == 0:
        os.chown(fast_path, 0, NOBODY)

    def work() -> str:
        try:
            with only_instance(fast_path / "state"):
                return "had"
        except ConfigError as error:
            return str(error)

    told = as_ordinary_user(work)
    os.chmod(fast_path, 0o755)
    assert re.fullmatch(r"state_dir /.*/state: Permission denied; make it writable .* or set state_dir", told)


def test_a_file_in_place_of_the_state_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"state_dir .*/state: File exists"):
        only_instance(tmp_path / "state").__enter__()


@pytest.mark.contract("D6", "O7")
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.EIO, PlaceUnavailable),
        (errno.ENOSPC, PlaceUnavailable),
        (errno.EDQUOT, PlaceUnavailable),
        (errno.ESTALE, PlaceUnavailable),
        (errno.EROFS, ConfigError),
        (errno.EACCES, ConfigError),
        (errno.ENOTDIR, ConfigError),
    ],
)
def test_a_disk_that_fails_at_the_start_is_tried_again_and_a_right_that_is_missing_is_not(
    tmp_path: Path, code: int, kind: type[WatchdError]
) -> None:
    error = state_error(OSError(code, os.strerror(code)), tmp_path)
    assert type(error) is kind
    assert str(tmp_path) in str(error)
    assert exit_code_of(error) == (75 if kind is PlaceUnavailable else 78)
    assert "by itself" not in str(error), "it has ended: nothing resumes by itself"
