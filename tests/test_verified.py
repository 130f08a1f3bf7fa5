"""`model.verify_on_change`: golden pictures are looked at again whenever something changed that alpha hangs on."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bshm_watchd.clock import timestamp
from bshm_watchd.errors import ConfigError, RuntimeBroken
from bshm_watchd.matting.batcher import Batcher
from bshm_watchd.matting.bundle import Bundle
from bshm_watchd.matting.circumstances import Computed, changes, circumstances, processor
from bshm_watchd.matting.devices.looking import gpu_libraries
from bshm_watchd.matting.runtime import MattingFailed
from bshm_watchd.matting.verified import passes, verify_on_change
from tests.support.clock import FakeClock
from tests.support.golden import MATTE, golden_bundle
from tests.support.gpus import PACKAGES, Machine
from tests.support.runtimes import ScriptedRuntime, arithmetic_bundle, green

if TYPE_CHECKING:
    from bshm_watchd.matting.photo import Alpha, Pixels

OLD = {"openvino": "2025.4.0", "numpy": "2.1.0", "CPU": "EPYC"}
NEW = {"openvino": "2026.4.1", "numpy": "2.1.0", "CPU": "EPYC"}


class Library:
    """A runtime's library, in one version or another."""

    def __init__(self, answer: Callable[[Pixels], Alpha | Exception] = green) -> None:
        self.answer = answer
        self.asked = 0

    def __call__(self, pixels: Pixels) -> Alpha | Exception:
        self.asked += 1
        return self.answer(pixels)


def spoiled(pixels: Pixels) -> Alpha:
    return np.asarray(green(pixels) // 2, np.uint8)


class Started:
    """Starts again and again with one state directory, each time under the circumstances that it is given."""

    def __init__(self, state_dir: Path, bundle: Bundle, clock: FakeClock) -> None:
        self.state_dir, self.bundle, self.clock = state_dir, bundle, clock
        self.library = Library()
        self.computed = Computed(bundle, "openvino", "f32", "cpu")

    def start(self, now: dict[str, str], computed: Computed | None = None) -> int:
        """How many pictures the model was asked for."""
        before = self.library.asked
        with Batcher(ScriptedRuntime(self.library), self.bundle, 1, 0) as batcher:
            verify_on_change(batcher, computed or self.computed, now, self.state_dir, self.clock)
        return self.library.asked - before

    @property
    def file(self) -> Path:
        return self.state_dir / "cache" / "verified.json"


@pytest.fixture
def studio(tmp_path: Path) -> Started:
    return Started(tmp_path / "state", golden_bundle(tmp_path), FakeClock())


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[tuple[str, dict[str, Any]]]]]:
    with caplog.at_level(logging.INFO, logger="bshm_watchd"):
        yield lambda: [(record.getMessage(), record.fields) for record in caplog.records]  # type: ignore[attr-defined]


def test_the_first_start_looks_and_the_next_does_not(studio: Started) -> None:
    assert studio.start(OLD) == 1
    assert studio.start(OLD) == 0


@pytest.mark.parametrize("what", ["openvino", "CPU", "GPU driver", "bundle.yaml"])
def test_a_start_after_any_change_looks_again(studio: Started, what: str) -> None:
    studio.start(OLD)
    assert studio.start(OLD | {what: "another"}) == 1
    assert studio.start(OLD | {what: "another"}) == 0


def test_a_library_that_is_gone_is_a_change(studio: Started) -> None:
    studio.start(OLD)
    assert studio.start({"openvino": "2025.4.0", "CPU": "EPYC"}) == 1


@pytest.mark.parametrize("other", [{"runtime": "tensorflow"}, {"precision": "bf16"}, {"device": "gpu"}])
def test_each_way_to_compute_has_to_pass_for_itself(studio: Started, other: dict[str, str]) -> None:
    studio.start(OLD)
    way = {"runtime": "openvino", "precision": "f32", "device": "cpu"} | other
    assert studio.start(OLD, Computed(studio.bundle, **way)) == 1  # type: ignore[arg-type]
    assert studio.start(OLD) == 0


def test_a_pass_is_one_line_with_the_figures_and_what_changed(
    studio: Started, told: Callable[[], list[tuple[str, dict[str, Any]]]]
) -> None:
    studio.start(OLD)
    studio.start(NEW)
    first, second = told()
    assert first[1]["because"] == "it was not looked at here before"
    assert second[0] == "the golden pictures are as they must be"
    assert second[1]["because"] == "openvino 2025.4.0 -> 2026.4.1"
    assert second[1]["found"].startswith("golden.png: alpha differs by 0.00000 on average at f32 (at most 0.002), its")


def test_an_upgrade_that_spoils_the_alpha_is_no_start_and_says_what_changed_by_how_much(studio: Started) -> None:
    studio.start(OLD)
    studio.library.answer = spoiled
    with pytest.raises(ConfigError) as refused:
        studio.start(NEW)
    missed, what_to_do = refused.value.problems
    assert missed.startswith(
        "the model green (openvino, f32, cpu) is out of its bounds: golden.png: alpha differs by 0."
    )
    assert "too much on average" in missed
    assert "dB too poor" in missed
    assert (
        f"it last passed on {timestamp(studio.clock.wall())}; since then: openvino 2025.4.0 -> 2026.4.1" in what_to_do
    )
    assert "model.verify_on_change: false" in what_to_do
    assert what_to_do.endswith(": bshm-watchd model verify green")


def test_what_was_refused_is_refused_again_and_going_back_is_a_start(studio: Started) -> None:
    studio.start(OLD)
    studio.library.answer = spoiled
    for _ in range(2):
        with pytest.raises(ConfigError, match=r"openvino 2025\.4\.0 -> 2026\.4\.1"):
            studio.start(NEW)
    studio.library.answer = green
    assert studio.start(OLD) == 0


def test_what_never_passed_here_says_so(studio: Started) -> None:
    studio.library.answer = spoiled
    with pytest.raises(ConfigError, match="it never passed here; choose another runtime, precision or device"):
        studio.start(OLD)


def test_alpha_that_is_no_number_any_more_is_out_of_bounds(studio: Started) -> None:
    studio.library.answer = lambda _: MattingFailed("the model answered with values that are no numbers")
    with pytest.raises(ConfigError, match=r"golden\.png: the model answered with values that are no numbers"):
        studio.start(OLD)


def test_a_model_that_breaks_at_its_golden_picture_is_no_fault_of_the_configuration(studio: Started) -> None:
    def broken(_: Pixels) -> Alpha:
        raise RuntimeBroken("the device is gone")

    studio.library.answer = broken
    with pytest.raises(RuntimeBroken, match="the device is gone"):
        studio.start(OLD)


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"x": 1}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_means_that_it_is_looked_at_again(studio: Started, damage: bytes) -> None:
    studio.start(OLD)
    studio.file.write_bytes(damage)
    assert studio.start(OLD) == 1
    assert studio.start(OLD) == 0


def test_an_entry_of_another_version_is_looked_at_again_and_leaves_the_others_alone(studio: Started) -> None:
    other = Computed(studio.bundle, "tensorflow", "f32", "cpu")
    studio.start(OLD, other)
    studio.start(OLD)
    studio.file.write_text(studio.file.read_text().replace('"runtime": "openvino"', '"engine": "openvino"'))
    assert studio.start(OLD, other) == 0
    assert studio.start(OLD) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_state_directory_that_takes_no_file_costs_looking_again_and_no_start(studio: Started) -> None:
    (studio.state_dir / "cache").mkdir(parents=True)
    (studio.state_dir / "cache").chmod(0o500)
    assert studio.start(OLD) == 1
    assert studio.start(OLD) == 1


def test_a_cache_that_can_not_be_written_is_warned_of(
    studio: Started, told: Callable[[], list[tuple[str, dict[str, Any]]]]
) -> None:
    studio.state_dir.mkdir()
    (studio.state_dir / "cache").write_text("in the way")
    assert studio.start(OLD) == 1
    assert told()[-1][0].startswith("it can't be remembered")


def test_a_bundle_without_golden_pictures_is_told_once_and_starts(
    tmp_path: Path, told: Callable[[], list[tuple[str, dict[str, Any]]]]
) -> None:
    studio = Started(tmp_path / "state", arithmetic_bundle(), FakeClock())
    assert [studio.start(OLD), studio.start(OLD)] == [0, 0]
    assert [event for event, _ in told()] == [
        "the bundle has no golden pictures: nothing says that its mattes are right"
    ]


def test_a_precision_without_a_bound_is_warned_of_once_and_starts(
    studio: Started, told: Callable[[], list[tuple[str, dict[str, Any]]]]
) -> None:
    in_bf16 = Computed(studio.bundle, "openvino", "bf16", "cpu")
    assert [studio.start(OLD, in_bf16), studio.start(OLD, in_bf16)] == [1, 0]
    ((event, fields),) = told()
    assert event.startswith("the bundle has no bound for this precision")
    assert "at bf16" in fields["found"]


def test_a_golden_picture_that_was_changed_on_the_disk_is_no_measure(studio: Started) -> None:
    studio.bundle.path(MATTE).write_bytes(studio.bundle.path("golden.png").read_bytes())
    with pytest.raises(ConfigError, match=r"golden\.matte\.png: has sha256"):
        studio.start(OLD)


def test_when_it_last_passed_can_be_read_the_latest_first(studio: Started) -> None:
    studio.start(OLD)
    studio.clock.advance(3600)
    studio.start(OLD, Computed(studio.bundle, "tensorflow", "f32", "cpu"))
    assert [one.runtime for one in passes(studio.bundle, studio.state_dir)] == ["tensorflow", "openvino"]


def test_circumstances_name_libraries_processor_and_the_bundle(studio: Started) -> None:
    found = circumstances(studio.computed)
    assert {"bshm-watchd", "numpy", "openvino", "tensorflow", "ai-edge-litert", "CPU", "bundle.yaml"} <= found.keys()
    assert "GPU driver" not in found
    assert circumstances(Computed(studio.bundle, "tensorflow", "fp16", "gpu"), "RTX 4090")["GPU"] == "RTX 4090"


def test_on_a_gpu_the_libraries_of_its_own_count_wherever_they_come_from(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    assert gpu_libraries(machine.sources)["libcudnn.so.9"] == PACKAGES["nvidia-cudnn-cu12"]
    del machine.packages["nvidia-cudnn-cu12"]
    assert "libcudnn.so.9" not in gpu_libraries(machine.sources)
    machine.libraries["libcudnn.so.9"] = "/usr/lib/libcudnn.so.9.8.0"
    assert gpu_libraries(machine.sources)["libcudnn.so.9"] == "9.8.0"


def test_int8_hangs_on_the_record_of_its_networks_also_where_that_is_gone(studio: Started) -> None:
    in_int8 = Computed(studio.bundle, "openvino", "int8", "cpu")
    assert "int8.yaml" not in circumstances(in_int8)
    studio.bundle.path("int8.yaml").write_text("networks: []")
    assert "int8.yaml" in circumstances(in_int8)
    assert "int8.yaml" not in circumstances(studio.computed)


def test_another_manifest_is_another_circumstance(studio: Started) -> None:
    before = circumstances(studio.computed)
    with contextlib.closing(studio.bundle.path("bundle.yaml").open("a")) as manifest:
        manifest.write("# changed\n")
    (changed,) = changes(before, circumstances(studio.computed))
    assert changed.startswith("bundle.yaml ")


def test_a_processor_is_known_by_its_model_and_by_what_it_computes_with() -> None:
    one = "model name\t: EPYC\nflags\t\t: fpu sse4_1 avx2 amx_bf16 ibpb\n"
    assert processor(f"processor\t: 0\n{one}\nprocessor\t: 1\n{one}") == {
        "CPU": "EPYC",
        "CPU features": "amx_bf16 avx2 sse4_1",
    }
    assert processor("") == {"CPU": "unknown", "CPU features": "none"}
