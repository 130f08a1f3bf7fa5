"""A GPU has one resident model: the second is refused and told whose it is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bshm_watchd.config import ModelSettings
from bshm_watchd.errors import ConfigError, InstanceRunning
from bshm_watchd.matting.devices.lock import holder, only_model
from bshm_watchd.matting.devices.opening import opened_device
from bshm_watchd.ops.asking import exit_code_of
from tests.support.gpus import NO_GPU, a_gpu, another_process, evidence, kill, looking
from tests.support.runtimes import arithmetic_bundle
from tests.support.trees import NOBODY, as_ordinary_user, make_special


@pytest.fixture(params=["a file", "a device"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A file, and where it may be made (by root) a character device, which is what a GPU's node is."""
    path = tmp_path / "nvidia0"
    if request.param == "a device":
        make_special("device", path, tmp_path / "else")
    else:
        path.touch()
    return str(path)


@pytest.mark.contract("G2", "O7")
def test_a_second_model_is_refused_and_told_whose_the_gpu_is(node: str) -> None:
    with another_process(node) as pid:
        with pytest.raises(InstanceRunning, match=rf"model already \(process {pid}\).* stop it first") as caught:
            only_model(node).__enter__()
        assert exit_code_of(caught.value) == 2
        assert holder(node) == pid


@pytest.mark.contract("G2")
def test_a_killed_process_leaves_the_gpu_free(node: str) -> None:
    with another_process(node) as pid:
        kill(pid)
        assert holder(node) is None
        with only_model(node):
            assert holder(node) == os.getpid()


@pytest.mark.contract("G2")
def test_the_gpu_is_free_again_after_a_clean_end(node: str) -> None:
    for _ in range(2):
        with only_model(node):
            pass
    assert holder(node) is None


@pytest.mark.contract("G2")
def test_a_program_started_meanwhile_does_not_keep_the_gpu(node: str) -> None:
    with only_model(node):
        held = [fd for fd in map(int, os.listdir("/proc/self/fd")) if _leads_to(fd, node)]
        assert [os.get_inheritable(fd) for fd in held] == [False]


def _leads_to(fd: int, path: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{fd}") == path
    except OSError:
        return False


@pytest.mark.contract("G2")
def test_no_file_is_made(node: str, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with only_model(node):
        assert sorted(tmp_path.iterdir()) == before


@pytest.mark.contract("G2")
@pytest.mark.parametrize("setting", ["auto", "gpu"])
def test_a_gpu_that_is_taken_is_never_an_occasion_for_the_cpu(node: str, setting: str) -> None:
    found = evidence(gpus=(a_gpu(0, node),))
    settings = ModelSettings(device=setting)
    with another_process(node), pytest.raises(InstanceRunning):
        opened_device(arithmetic_bundle(), settings, looking(found), lambda *_: True).__enter__()


@pytest.mark.contract("G2")
def test_a_device_that_was_opened_is_held_until_its_end(node: str) -> None:
    found = evidence(gpus=(a_gpu(0, node),))
    with opened_device(arithmetic_bundle(), ModelSettings(), looking(found), lambda *_: True) as device:
        assert (device.node, holder(node)) == (node, os.getpid())
    assert holder(node) is None


def test_the_cpu_needs_no_lock() -> None:
    with opened_device(arithmetic_bundle(), ModelSettings(), looking(NO_GPU), lambda *_: True) as device:
        assert device.kind == "cpu"


def test_two_gpus_serve_two_processes(tmp_path: Path) -> None:
    first, second = str(tmp_path / "nvidia0"), str(tmp_path / "nvidia1")
    Path(first).touch()
    Path(second).touch()
    with another_process(first), only_model(second):
        assert holder(second) == os.getpid()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.chmod(0o600)])
def test_a_node_that_can_not_be_locked_is_the_operators_affair(fast_path: Path, spoil: Callable[[Path], None]) -> None:
    fast_path.chmod(0o755)
    path = fast_path / "nvidia0"
    path.touch()
    spoil(path)

    def work() -> str:
        try:
            with only_model(str(path)):
                return "had"
        except ConfigError as error:
            return str(error)

    if os.geteuid() != 0 and path.exists():
        path.chmod(0)
    assert "can't be locked" in as_ordinary_user(work, NOBODY)


def test_a_holder_that_the_kernel_does_not_show_is_another_process(tmp_path: Path) -> None:
    node, locks = tmp_path / "nvidia0", tmp_path / "locks"
    node.touch()
    locks.write_text("1: POSIX  ADVISORY  READ 12 00:1b:99 128 128\n")
    with another_process(str(node)):
        with pytest.raises(InstanceRunning, match=r"\(another process\)"):
            only_model(str(node), locks).__enter__()
        assert holder(str(node), tmp_path / "no locks") is None
