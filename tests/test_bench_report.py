"""`bench report`: what its pages tell of results, that they fetch nothing, and that everybody can read them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bshm_watchd.bench.results import SceneQuality
from tests.support.report_page import Page, quality_file, reported, speed_file
from tests.support.results import (
    SCENES,
    a_machine,
    a_picture,
    a_set,
    a_speed_result,
    a_stamp,
    all_scenes,
    quality_of,
    small_jpegs,
    stored,
)

_FETCHING = {"src", "href", "xlink:href", "srcset", "data", "poster", "action", "formaction", "background", "cite"}


@pytest.fixture
def everything(tmp_path: Path) -> tuple[Page, str]:
    shown = {"hair-detail": small_jpegs(tmp_path, "hair-detail-01")}
    speed = stored(tmp_path / "speed.json", a_speed_result(a_set(), a_set("24 MP", 5.0)))
    quality = stored(tmp_path / "quality.json", quality_of(shown=shown))
    return reported(tmp_path / "report", speed, quality)


# -- alone, and for everybody ------------------------------------------------------------------------------


def test_the_page_fetches_nothing(everything: tuple[Page, str]) -> None:
    page, _ = everything
    addresses = [value for _, names in page.elements for name, value in names.items() if name in _FETCHING]
    assert len(addresses) > 20
    assert [one for one in addresses if not one.startswith(("data:image/jpeg;base64,", "#"))] == []
    styles = [names["style"] for _, names in page.elements if "style" in names]
    assert re.findall(r"(?:url\((?!#)|@import|image-set)[^)]*", " ".join([*styles, *page.texts])) == []
    assert not {"script", "link", "iframe", "object", "embed", "base"} & {tag for tag, _ in page.elements}


def test_its_policy_forbids_what_it_does_not_need(everything: tuple[Page, str]) -> None:
    policies = [meta["content"] for meta in everything[0].all("meta") if "http-equiv" in meta]
    assert policies == [
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    ]


def test_every_reference_inside_the_page_leads_somewhere_and_no_id_is_there_twice(
    everything: tuple[Page, str],
) -> None:
    page, _ = everything
    ids = [names["id"] for _, names in page.elements if "id" in names]
    values = [value for _, names in page.elements for name, value in names.items() if name != "id"]
    referred = {found for value in values for found in re.findall(r"^#(.+)$|url\(#(.+?)\)", value)}
    assert {one or other for one, other in referred} <= set(ids)
    assert len(ids) == len(set(ids))


def test_who_hears_the_page_is_told_what_its_pictures_show(everything: tuple[Page, str]) -> None:
    page, _ = everything
    told = [names.get("aria-label", "") for _, names in page.elements if names.get("role") == "img"]
    assert len(told) == len(page.all("svg")) == 2 * 7 + 2
    assert all(len(one) > 40 for one in told)
    assert any(re.match(r"The model alone\. .*p50 0\.4\d+ s, p95 0\.4\d+ s of 20 samples", one) for one in told)
    assert page.all("img")[0]["alt"] == "hair-detail, hair-detail-01: the photo"


def test_every_heading_of_a_table_says_what_it_heads(everything: tuple[Page, str]) -> None:
    page, _ = everything
    assert {names.get("scope") for names in page.all("th")} == {"col", "row", "rowgroup"}
    assert len(page.all("caption")) == len(page.all("table")) == 4
    assert page.all("html")[0]["lang"] == "en"


def test_no_plot_has_rules_that_hold_for_the_whole_page(everything: tuple[Page, str]) -> None:
    assert len(everything[0].all("style")) == 1


def test_plots_take_on_the_page_s_colour(everything: tuple[Page, str]) -> None:
    styles = " ".join(names.get("style", "") for _, names in everything[0].elements)
    assert "currentColor" in styles
    assert "#010203" not in styles


# -- what it tells -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("photos", "seconds", "told"),
    [
        (39, 10.0, "3.9 photos a second, 14,000 an hour"),
        (10, 40.0, "0.25 photos a second, 900 an hour"),
        (240, 10.0, "24 photos a second, 86,000 an hour"),
    ],
)
def test_the_summary_s_throughput_is_that_of_the_rounds(tmp_path: Path, photos: int, seconds: float, told: str) -> None:
    rounds = [burst.model_copy(update={"photos": photos, "seconds": seconds}) for burst in a_set().rounds]
    page, markdown = reported(tmp_path, speed_file(tmp_path, a_set().model_copy(update={"rounds": rounds})))
    assert f"1080p: {told};" in page.text
    assert f"**1080p**: {told};" in markdown


def test_the_summary_tells_latency_share_and_memory_of_the_result(tmp_path: Path) -> None:
    one = a_set()
    rounds = [one.rounds[0].model_copy(update={"photos": 20, "seconds": 10.0, "peak_mib": 777.0})]
    stages = [cost.model_copy(update={"cpu_seconds": 0.09}) for cost in one.stages]
    changed = {"drop_to_result_seconds": [1.0, 1.4, 9.0], "settle_seconds": 0.3, "rounds": rounds, "stages": stages}
    page, _ = reported(tmp_path, speed_file(tmp_path, one.model_copy(update=changed)))
    assert (
        "a lone photo's result is there 1.4 s after the drop, 0.30 s of it to see that the photo is whole" in page.text
    )
    assert "63 % of what this machine can do at most; 780 MiB of memory at most." in page.text


def test_the_summary_tells_errors_and_failures_of_a_scene(tmp_path: Path) -> None:
    pictures = [a_picture("a", 0.01), a_picture("b", 0.05), a_picture("c", failed="nobody was found")]
    page, markdown = reported(tmp_path, quality_file(tmp_path, SceneQuality(scene="group", pictures=pictures)))
    told = "3 pictures, alpha is off by 3.0 % on average, by 5.0 % in the worst (b); 1 failed."
    assert f"group: {told}" in page.text
    assert f"**group**: {told}" in markdown
    assert "group, c: nobody was found" in page.text


def test_a_matte_that_is_wrong_about_who_is_there_counts_as_failed(tmp_path: Path) -> None:
    pictures = [a_picture("a", 0.01), a_picture("b", 0.051)]
    page, markdown = reported(tmp_path, quality_file(tmp_path, SceneQuality(scene="group", pictures=pictures)))
    assert "(b); 1 failed." in page.text
    assert "group, b: alpha is off by 5.1 %, so it is wrong about what is person" in page.text
    assert "| group | 2 | 1 |" in markdown


def test_several_scenes_have_a_row_of_all_their_pictures(tmp_path: Path) -> None:
    one = SceneQuality(scene="hair-detail", pictures=[a_picture("a", 0.01)])
    other = SceneQuality(scene="group", pictures=[a_picture("b", 0.02), a_picture("c", 0.03)])
    _, markdown = reported(tmp_path, quality_file(tmp_path, one, other))
    assert re.findall(r"^\| all \| 3 \| 0 \| [\d.]+ \| [\d.]+ \| (\S+) \|.* \| (.+) \|$", markdown, re.MULTILINE) == [
        ("0.0200", "c (0.0300)")
    ]


def test_the_table_tells_percentiles_as_they_are_of_the_samples(tmp_path: Path) -> None:
    samples = [place / 100 for place in range(1, 102)]
    _, markdown = reported(tmp_path, speed_file(tmp_path, a_set().model_copy(update={"matte_seconds": samples})))
    told = re.findall(r"^\| The model alone: (\w+) \| (.*) \|$", markdown, re.MULTILINE)
    assert told == [("p50", "0.510 s"), ("p95", "0.960 s"), ("p99", "1.00 s"), ("samples", "101")]


@pytest.mark.parametrize(("count", "backed"), [(1, 0), (2, 1), (19, 1), (20, 2), (99, 2), (100, 3)])
def test_a_percentile_is_told_only_where_a_sample_lies_beyond_it(tmp_path: Path, count: int, backed: int) -> None:
    samples = [1.0 + place / 1000 for place in range(count)]
    page, markdown = reported(tmp_path, speed_file(tmp_path, a_set().model_copy(update={"matte_seconds": samples})))
    cells = re.findall(r"^\| The model alone: p\d+ \| (.*) \|$", markdown, re.MULTILINE)
    assert [cell == "too few samples" for cell in cells] == [False] * backed + [True] * (3 - backed)
    (told,) = [names["aria-label"] for _, names in page.elements if "model alone." in names.get("aria-label", "")]
    assert len(re.findall(r"p\d\d ", told)) == backed


def test_the_stamp_tells_what_was_measured(everything: tuple[Page, str]) -> None:
    page, markdown = everything
    for told in ("0.2.0", "e4a85d0" + 33 * "1", "2026-11-25T15:20:00+00:00", 64 * "a", "openvino", "bf16", "6.18.3"):
        assert told in page.text
        assert told in markdown


def test_results_stand_side_by_side_under_their_version_and_date(tmp_path: Path) -> None:
    old = a_speed_result(a_set(slower=2.1), stamp=a_stamp("0.1.0", "2026-10-01T08:00:00+00:00"))
    page, markdown = reported(tmp_path, stored(tmp_path / "old.json", old), speed_file(tmp_path))
    assert "| figure | 0.1.0 (2026-10-01) | 0.2.0 (2026-11-25) |" in markdown
    assert len(page.all("svg")) == 8, "seven plots, of which the timeline is there for each result"
    assert "1080p, 0.1.0 (2026-10-01): 0.95 photos a second" in page.text
    assert "measured on different machines" not in page.text


def test_results_of_one_day_and_commit_are_told_apart(tmp_path: Path) -> None:
    morning = stored(tmp_path / "a.json", a_speed_result(stamp=a_stamp(made="2026-11-25T08:00:00+00:00")))
    _, markdown = reported(tmp_path, morning, speed_file(tmp_path))
    assert "| figure | 0.2.0 e4a85d0 (2026-11-25 08:00) | 0.2.0 e4a85d0 (2026-11-25 15:20) |" in markdown


def test_speed_of_two_machines_is_not_compared_without_a_warning(tmp_path: Path) -> None:
    other = a_speed_result(stamp=a_stamp("0.1.0", machine=a_machine("EPYC")))
    page, markdown = reported(tmp_path, stored(tmp_path / "other.json", other), speed_file(tmp_path))
    assert "measured on different machines (EPYC, 2 cores; Xeon (Sapphire Rapids), 2 cores)" in page.text
    assert "measured on different machines" in markdown


# -- what may be missing -----------------------------------------------------------------------------------


def test_speed_alone_has_nothing_ofquality_file(tmp_path: Path) -> None:
    page, markdown = reported(tmp_path, speed_file(tmp_path))
    assert [heading for heading in ("Quality", "Before and after") if f"## {heading}\n" in markdown] == []
    assert page.all("img") == []


def test_quality_alone_has_nothing_ofspeed_file(tmp_path: Path) -> None:
    page, markdown = reported(tmp_path, quality_file(tmp_path, *all_scenes()))
    assert "## Speed" not in markdown
    assert len(page.all("svg")) == 2
    assert all(f"| {scene} |" in markdown for scene in SCENES)


def test_what_was_not_measured_is_said_and_not_drawn(tmp_path: Path) -> None:
    samples = ("first_result_seconds", "drop_to_result_seconds", "matte_seconds", "in_burst_seconds")
    nothing = {name: [] for name in (*samples, "rounds", "stages", "timeline")}
    empty = a_set().model_copy(update={**nothing, "batches": {}})
    page, markdown = reported(tmp_path, speed_file(tmp_path, empty))
    assert page.all("svg") == []
    assert "1080p: not measured." in page.text
    assert "| Throughput: photos a second | not measured |" in markdown


def test_without_a_timeline_the_other_plots_are_there(tmp_path: Path) -> None:
    page, _ = reported(tmp_path, speed_file(tmp_path, a_set().model_copy(update={"timeline": []})))
    assert len(page.all("svg")) == 6
    assert "Timeline" not in page.text


def test_a_scene_whose_pictures_all_failed_is_in_the_table(tmp_path: Path) -> None:
    scene = SceneQuality(scene="group", pictures=[a_picture("a", failed="nobody was found")])
    _, markdown = reported(tmp_path, quality_file(tmp_path, scene))
    assert "| group | 1 | 1 | not measured |" in markdown
