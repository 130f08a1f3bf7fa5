"""A daemon that is measured is set as the user's is, and writes nowhere that is the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.bench.measured_settings import measured_settings, outputs_of, without_configuration
from bshm_watchd.config import HotFolderSettings, Settings

_BASE, _BUNDLE = Path("/tmp/bench"), Path("/srv/state/models/u2netp")


def a_user_s(**folder: Any) -> Settings:
    content = {"name": "portraits", "path": "/srv/hot/portraits", **folder}
    return Settings.model_validate(
        {
            "version": 1, "state_dir": "/srv/state", "model": {"bundle": "u2netp", "precision": "bf16"},
            "batch": {"max_size": 8}, "limits": {"in_flight_mib": 512}, "hot_folders": [content],
        }
    )  # fmt: skip


def measured(settings: Settings) -> Settings:
    return measured_settings(settings, settings.hot_folders[0], _BASE, _BUNDLE)


def the_folder(**folder: Any) -> HotFolderSettings:
    return measured(a_user_s(**folder)).hot_folders[0]


def test_model_batch_and_limits_are_the_user_s() -> None:
    found = measured(a_user_s())
    assert (found.model.precision, found.batch.max_size, found.limits.in_flight_mib) == ("bf16", 8, 512)


def test_the_model_is_found_where_the_user_has_it() -> None:
    assert measured(a_user_s()).model.bundle == str(_BUNDLE)


@pytest.mark.contract("P7")
def test_nothing_is_written_outside_the_places_made_for_measuring() -> None:
    outputs = [
        {"kind": "cutout", "path": "/srv/out/{relative_dir}/{stem}.png"},
        {"kind": "matte", "path": "mattes/{stem}.png"},
    ]
    found = measured(a_user_s(outputs=outputs, originals={"done": "delete"}))
    (folder,) = found.hot_folders
    assert found.state_dir == _BASE / "state"
    assert folder.path == _BASE / "hot"
    assert [output.path for output in folder.outputs] == ["output-1/{relative_dir}/{stem}.png", "mattes/{stem}.png"]


def test_originals_are_filed_so_that_they_can_be_dropped_again() -> None:
    assert the_folder(originals={"done": "delete"}).originals.done == "done"


def test_the_user_s_group_is_not_asked_for() -> None:
    assert the_folder(permissions={"group": "studio", "mode": "0664"}).permissions.group is None


def test_what_a_photo_waits_for_is_as_the_user_has_set_it() -> None:
    assert the_folder(settle_seconds=7, watch="poll").settle_seconds == 7
    assert the_folder(watch="poll").watch == "poll"


def test_settings_that_are_measured_can_be_handed_to_another_process() -> None:
    found = measured(a_user_s(permissions={"mode": "0664"}))
    assert Settings.model_validate_json(found.model_dump_json()) == found


def test_without_a_configuration_all_is_by_default() -> None:
    settings = without_configuration(Path("/srv/state"))
    found = measured_settings(settings, settings.hot_folders[0], _BASE, _BUNDLE)
    assert outputs_of(found.hot_folders[0]) == ["cutout png"]
    assert found.limits.min_free_mib == 0
