"""What is found of a GPU, from directories that stand for /dev and /proc."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bshm_watchd.matting.devices.evidence import Build, Evidence
from bshm_watchd.matting.devices.looking import look
from tests.support.gpus import CUBLAS, CUDART, CUDNN, DRIVER, NAME, UUID, Machine
from tests.support.trees import NOBODY, as_ordinary_user


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A whole GPU."""
    machine = Machine(tmp_path)
    machine.add_driver()
    machine.add_nodes()
    machine.tell_gpu("0000:01:00.0", 0)
    return machine


def looked(machine: Machine, *, wanted: bool = False) -> Evidence:
    return look(wanted=wanted, sources=machine.sources)


def test_a_whole_gpu_is_found_with_all_that_belongs_to_it(machine: Machine) -> None:
    found = looked(machine)
    (gpu,) = found.gpus
    assert (gpu.minor, gpu.name, gpu.uuid, gpu.bus) == (0, NAME, UUID, "0000:01:00.0")
    assert gpu.node is not None
    assert (gpu.node.usable, gpu.node.mode) == (True, 0o666)
    assert (found.driver, found.driver_library) == (DRIVER, DRIVER)
    assert found.tensorflow == Build("2.21.0", True, "12.5.1", "9")
    assert found.libraries == (CUBLAS, CUDART, CUDNN)
    assert found.seen == (NAME,)


def test_the_open_driver_tells_its_version_too(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_driver("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  560.35.03  Release Build  (x@y)")
    assert looked(machine).driver == "560.35.03"


def test_a_driver_that_tells_no_version_is_a_driver(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.add_driver("NVRM version: a new kind of line")
    assert looked(machine).driver == "unknown"


def _must_not_be_asked() -> tuple[str, ...]:
    raise AssertionError("TensorFlow was asked")


def test_tensorflow_is_not_loaded_where_nothing_hints_at_a_gpu(tmp_path: Path) -> None:
    found = looked(Machine(tmp_path, seen=_must_not_be_asked))
    assert (found.seen, found.sign_of_a_gpu, found.libraries) == (None, False, ())
    assert found.tensorflow is not None  # its version is known without


def test_tensorflow_is_asked_where_a_gpu_is_wanted(tmp_path: Path) -> None:
    assert looked(Machine(tmp_path, seen=lambda: ()), wanted=True).seen == ()


def test_a_container_into_which_no_device_was_passed_shows_the_driver_alone(tmp_path: Path) -> None:
    machine = Machine(tmp_path, seen=_must_not_be_asked)
    machine.add_driver()
    machine.tell_gpu("0000:01:00.0", 0)
    found = looked(machine)
    assert (found.reachable, found.sign_of_a_gpu, found.driver) == ((), True, DRIVER)


def test_gpus_are_counted_by_their_places_on_the_bus(machine: Machine) -> None:
    machine.add_nodes("nvidia1", "nvidia2")
    machine.tell_gpu("0000:00:05.0", 1, "GPU-1")
    assert [gpu.minor for gpu in looked(machine).gpus] == [1, 0, 2]  # nothing is told of the last one's place


def test_a_node_that_this_user_may_not_use_is_found_so(fast_path: Path) -> None:
    fast_path.chmod(0o755)
    machine = Machine(fast_path)
    machine.add_driver()
    machine.add_nodes(mode=0o660)
    if os.geteuid() != 0:
        for path in machine.dev.iterdir():
            path.chmod(0)

    def work() -> str:
        found = looked(machine)
        return " ".join(str(node and node.usable) for node in (found.gpus[0].node, found.control, found.memory))

    assert as_ordinary_user(work, NOBODY) == "False False False"


def test_a_member_of_the_nodes_group_may_use_it(fast_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to give a file another group")
    fast_path.chmod(0o755)
    machine = Machine(fast_path)
    machine.add_nodes(mode=0o660)
    for path in machine.dev.iterdir():
        os.chown(path, 0, 4711)

    def work() -> str:
        node = looked(machine).gpus[0].node
        assert node is not None
        return f"{node.usable} {node.owner}:{node.group} {node.mode:04o}"

    assert as_ordinary_user(work, NOBODY, groups=[4711]) == "True root:4711 0660"


@pytest.mark.parametrize(
    ("file", "version"),
    [("/usr/lib/libcuda.so.535.183.01", "535.183.01"), ("/usr/lib/wsl/lib/libcuda.so.1", ""), (None, None)],
)
def test_the_drivers_library_tells_its_version_by_its_name(
    machine: Machine, file: str | None, version: str | None
) -> None:
    machine.libraries = {"libcuda.so.1": file} if file else {}
    assert looked(machine).driver_library == version


def test_a_library_that_pip_did_not_bring_is_looked_for_where_the_loader_looks(machine: Machine) -> None:
    del machine.packages["nvidia-cudnn-cu12"]
    machine.libraries["libcudnn.so.9"] = "/usr/lib/x86_64-linux-gnu/libcudnn.so.9.6.0"
    (cudnn,) = (library for library in looked(machine).libraries if library.is_cudnn)
    assert (cudnn.found, cudnn.version) == (True, "9.6.0")


def test_a_library_that_is_nowhere_is_missing_and_what_is_there_instead_is_named(machine: Machine) -> None:
    machine.packages["nvidia-cudnn-cu11"] = "8.9.4.25"
    del machine.packages["nvidia-cudnn-cu12"]
    (cudnn,) = (library for library in looked(machine).libraries if library.is_cudnn)
    assert (cudnn.found, cudnn.version, cudnn.others) == (False, None, ("nvidia-cudnn-cu11 8.9.4.25",))


def test_a_tensorflow_that_can_not_be_loaded_is_told(machine: Machine) -> None:
    def broken() -> tuple[str, ...]:
        raise ImportError("libtensorflow_framework.so.2: cannot open shared object file")

    machine.seen = broken
    found = looked(machine)
    assert found.seen == ()
    assert found.trouble == "ImportError: libtensorflow_framework.so.2: cannot open shared object file"


def test_a_tensorflow_for_the_cpu_alone_is_told_from_one_for_gpus(machine: Machine) -> None:
    machine.packages = {"tensorflow-cpu": "2.21.0"}
    machine.build = {"is_cuda_build": False}
    assert looked(machine).tensorflow == Build("2.21.0", False)
    machine.packages = {}
    assert looked(machine).tensorflow is None


def test_the_installed_tensorflow_tells_its_build_without_being_loaded() -> None:
    found = look(wanted=False)
    assert found.tensorflow is not None
    if found.tensorflow.has_cuda:
        assert found.tensorflow.cuda is not None
        assert found.tensorflow.cuda.count(".") >= 1
