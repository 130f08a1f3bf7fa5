"""Single photos made in this process: bounded by bytes as in the daemon."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bshm_watchd.config import BatchSettings, Limits, ModelSettings
from bshm_watchd.errors import ConfigError
from bshm_watchd.in_process import InProcess, open_in_process
from bshm_watchd.matting.bundle import catalogue
from bshm_watchd.matting.photo import Photo
from bshm_watchd.output_settings import OutputSettings
from tests.support.decoders import decode_children, holding
from tests.support.graphs import arithmetic_graph_bundle
from tests.support.photos import a_maker, pixels_of
from tests.support.studio import cutout_of, png

CUTOUT = OutputSettings(kind="cutout", path="{stem}.png")
FIT_AT_ONCE = 3  # of photos that take about 17 MiB each, in 64 MiB


def test_only_so_many_photos_are_in_work_as_fit_into_the_memory() -> None:
    inside, most, lock = 0, 0, threading.Lock()
    together = threading.Barrier(FIT_AT_ONCE, timeout=20)

    def meet(_: Photo) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        together.wait()
        with lock:
            inside -= 1

    limits = Limits(in_flight_mib=64)
    here = InProcess(a_maker(meet, in_flight_mib=64), limits, lanes=9)

    def make(serial: int) -> bool:
        with holding(png(serial, 60, 80)) as fd:
            made = here.make(CUTOUT, fd, None)
        return bool((pixels_of(bytes(made.content)) == cutout_of(png(serial, 60, 80))).all())

    with ThreadPoolExecutor(9) as pool:
        assert all(pool.map(make, range(9)))
    assert most == FIT_AT_ONCE


@pytest.mark.parametrize("runtime", ["tensorflow", "openvino"])
def test_a_photo_of_any_size_is_made_though_the_model_is_warm_for_one_size_only(runtime: str, tmp_path: Path) -> None:
    directory = str(arithmetic_graph_bundle().directory)
    model = ModelSettings.model_validate({"bundle": directory, "runtime": runtime, "device": "cpu"})
    matte = OutputSettings(kind="matte", path="{stem}.png")
    with open_in_process(model, BatchSettings(), Limits(), tmp_path) as here:
        for height, width in ((30, 40), (300, 400), (256, 160)):
            with holding(png(1, height, width)) as fd:
                made = here.make(matte, fd, None)
            assert pixels_of(bytes(made.content)).shape[:2] == (height, width)


def test_memory_is_given_back_also_by_a_photo_that_fails() -> None:
    def fail(_: Photo) -> None:
        raise ValueError("no alpha")

    here = InProcess(a_maker(fail, in_flight_mib=64), Limits(in_flight_mib=64), lanes=1)
    for _ in range(10):
        with holding(png(1)) as fd, pytest.raises(Exception, match="no alpha"):
            here.make(CUTOUT, fd, None)


def test_it_ends_with_everything_that_it_began(tmp_path: Path) -> None:
    model = ModelSettings(bundle=str(catalogue()["arithmetic"].directory))
    threads = threading.active_count()
    with (
        open_in_process(model, BatchSettings(), Limits(), tmp_path) as here,
        holding(png(1, 60, 80)) as fd,
    ):
        assert (pixels_of(bytes(here.make(CUTOUT, fd, None).content)) == cutout_of(png(1, 60, 80))).all()
        assert decode_children()
    assert not decode_children()
    assert threading.active_count() == threads
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_is_not_there_is_the_operators_affair(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match="bshm-watchd model fetch u2netp"),
        open_in_process(ModelSettings(bundle="u2netp"), BatchSettings(), Limits(), tmp_path),
    ):
        pass
