"""Every single thing that can keep a GPU from being used is named, with what to do."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from bshm_watchd.matting.devices.evidence import Build, Evidence, numbers
from bshm_watchd.matting.devices.lacks import Missing, lacks, least_driver
from tests.support.gpus import CUBLAS, CUDART, CUDNN, NO_GPU, UUID, a_gpu, a_node, evidence, unseen

_TWO = (a_gpu(0), a_gpu(1, uuid="GPU-1111"))
_CLOSED = a_node("/dev/nvidia0", usable=False)
_OLD_CUDNN = replace(CUDNN, version="8.9.7.29")


def _without(library: str) -> Evidence:
    gone = (replace(one, found=False, version=None) if library in one.name else one for one in (CUBLAS, CUDART, CUDNN))
    return unseen(libraries=tuple(gone))


@pytest.mark.contract("G1")
@pytest.mark.parametrize(
    ("found", "what", "said"),
    [
        (NO_GPU, Missing.DRIVER, "no NVIDIA driver is loaded .* install the driver for this kernel"),
        (unseen(gpus=()), Missing.NODE, "no /dev/nvidia0, though the driver 550.54.15 .*docker run --gpus all"),
        (unseen(gpus=(a_gpu(node=None),)), Missing.NODE, "no /dev/nvidia0, though the driver .* nvidia-modprobe"),
        (unseen(driver=None), Missing.DRIVER, "/dev/nvidia0 stands there, but no NVIDIA driver .* modprobe nvidia"),
        (unseen(control=None), Missing.NODE, "/dev/nvidiactl is missing"),
        (unseen(memory=None), Missing.NODE, "/dev/nvidia-uvm is missing: make it as root: nvidia-modprobe"),
        (unseen(driver="470.256.02", driver_library="470.256.02"), Missing.DRIVER_VERSION,
         "470.256.02 is too old for TensorFlow 2.21.0, built for CUDA 12.5.1: it takes 525.60.13 or newer"),
        (unseen(driver_library=None), Missing.DRIVER_LIBRARY, "libcuda.so.1 can't be loaded: install it"),
        (unseen(driver_library="535.183.01"), Missing.MISMATCH,
         "loaded driver is 550.54.15, its library libcuda.so.1 is 535.183.01: restart"),
        (unseen(gpus=(a_gpu(node=_CLOSED),)), Missing.PERMISSION,
         r"user bshm may not read and write /dev/nvidia0 \(root:video, 0660\): .*usermod -aG video bshm"),
        (evidence(gpus=(a_gpu(node=_CLOSED),)), Missing.PERMISSION, "SupplementaryGroups=video"),
        (unseen(control=a_node("/dev/nvidiactl", usable=False, mode=0o600, group="root")), Missing.PERMISSION,
         r"/dev/nvidiactl \(root:root, 0600\): give the nodes a group by the driver's options"),
        (unseen(control=a_node("/dev/nvidiactl", refused=True)), Missing.PERMISSION,
         r"may not be opened, though its mode allows it: .*DeviceAllow"),
        (unseen(tensorflow=None), Missing.TENSORFLOW, r"TensorFlow is not installed: install this program .* \[gpu\]"),
        (unseen(tensorflow=Build("2.21.0", False)), Missing.TENSORFLOW,
         r"2.21.0 was built without CUDA: remove it, then pip install 'tensorflow\[and-cuda\]==2.21.0'"),
        (_without("cudart"), Missing.CUDA, r"not found: libcudart.so.12 \(nvidia-cuda-runtime-cu12 12.5.82\); pip"),
        (_without("cublas"), Missing.CUDA, "not found: libcublas.so.12"),
        (_without("cudnn"), Missing.CUDNN, r"not found: libcudnn.so.9 \(nvidia-cudnn-cu12 9.3.0.75\); pip install"),
        (unseen(libraries=(_OLD_CUDNN,)), Missing.MISMATCH,
         r"nvidia-cudnn-cu12 \(or libcudnn.so.9\) is 8.9.7.29, TensorFlow wants 9.3.0.75"),
        (unseen(libraries=(replace(CUDNN, version="9.1.0"),)), Missing.MISMATCH, "is 9.1.0, TensorFlow wants 9.3"),
        (unseen(libraries=(replace(CUDNN, found=False, version=None, others=("nvidia-cudnn-cu11 8.9.4",)),)),
         Missing.MISMATCH, "nvidia-cudnn-cu11 8.9.4 is here, TensorFlow wants nvidia-cudnn-cu12"),
        (unseen(visible=""), Missing.VISIBILITY, "CUDA_VISIBLE_DEVICES='' shows none of /dev/nvidia0: unset it"),
        (unseen(visible="-1"), Missing.VISIBILITY, "CUDA_VISIBLE_DEVICES='-1'"),
        (unseen(visible="7"), Missing.VISIBILITY, "name one by its number or by its UUID"),
        (evidence(gpus=_TWO, order="FASTEST_FIRST"), Missing.ORDER, "leaves open which of /dev/nvidia0, /dev/nvidia1"),
        (unseen(), Missing.UNKNOWN, "TensorFlow sees no GPU, though nothing is missing that can be told"),
        (unseen(trouble="ImportError: no _pywrap"), Missing.UNKNOWN, r"sees no GPU \(ImportError: no _pywrap\)"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named_with_what_to_do(found: Evidence, what: Missing, said: str) -> None:
    reasons = lacks(found)
    assert what in [reason.what for reason in reasons]
    (message,) = [reason.message for reason in reasons if reason.what is what]
    assert re.search(said, message), message


@pytest.mark.contract("G1")
def test_nothing_else_is_blamed_than_the_one_thing_that_is_missing() -> None:
    for found in (_without("cudnn"), unseen(driver_library=None), unseen(memory=None), unseen(visible="")):
        assert len(lacks(found)) == 1


@pytest.mark.contract("G1")
def test_everything_that_is_missing_is_told_at_once() -> None:
    found = unseen(gpus=(a_gpu(node=_CLOSED),), driver="470.1", driver_library="470.1", libraries=(_OLD_CUDNN,))
    assert [reason.what for reason in lacks(found)] == [
        Missing.PERMISSION, Missing.DRIVER_VERSION, Missing.MISMATCH,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "found",
    [
        evidence(),
        evidence(libraries=(), driver_library=None, memory=None),  # TensorFlow sees it all the same
        evidence(gpus=_TWO, order="PCI_BUS_ID"),
        evidence(order="FASTEST_FIRST"),  # of one
        evidence(visible="0"),
    ],
)
def test_nothing_is_missing_where_tensorflow_sees_the_gpu(found: Evidence) -> None:
    assert lacks(found) == []


@pytest.mark.parametrize(
    ("visible", "minors"),
    [
        (None, [0, 1]),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("0,9,1", [0]),  # CUDA stops where the list is wrong
        (UUID, [0]),
        ("GPU-11", [1]),
        ("GPU-", []),  # both begin so
        ("MIG-1234", []),
        ("", []),
    ],
)
def test_the_variable_chooses_as_cuda_reads_it(visible: str | None, minors: list[int]) -> None:
    assert [gpu.minor for gpu in evidence(gpus=_TWO, visible=visible).shown] == minors


def test_a_part_of_the_only_gpu_is_that_gpu() -> None:
    assert [gpu.minor for gpu in evidence(visible="MIG-1234").shown] == [0]


@pytest.mark.parametrize(
    ("version", "found"), [("550.54.15", (550, 54, 15)), ("9", (9,)), ("12.5.1rc1", (12, 5, 1)), ("unknown", ())]
)
def test_versions_are_compared_as_numbers(version: str, found: tuple[int, ...]) -> None:
    assert numbers(version) == found


def test_a_cuda_that_nobody_knows_the_driver_for_is_not_held_against_it() -> None:
    assert (least_driver("12.5.1"), least_driver("99.0"), least_driver(None)) == ("525.60.13", None, None)


def test_libraries_that_are_missing_together_are_told_together() -> None:
    none = tuple(replace(one, found=False, version=None) for one in (CUBLAS, CUDART, CUDNN))
    cuda, cudnn = lacks(unseen(libraries=none))
    assert (cuda.what, cudnn.what) == (Missing.CUDA, Missing.CUDNN)
    assert "libcublas.so.12" in cuda.message
    assert "libcudart.so.12" in cuda.message


def test_a_library_that_loads_and_tells_no_version_is_good_enough() -> None:
    quiet = replace(CUDNN, version=None)
    assert [lack.what for lack in lacks(unseen(libraries=(quiet,)))] == [Missing.UNKNOWN]
