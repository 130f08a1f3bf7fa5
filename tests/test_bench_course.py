"""What a daemon tells of its jobs comes through whole, and is read as it was meant."""

from __future__ import annotations

import os

import pytest

from bshm_watchd import logs
from bshm_watchd.bench.course import Course, Courses, Event, MeasuringFailed, Teller, finished, told
from bshm_watchd.bench.speed_figures import Burst
from bshm_watchd.errors import ConfigError
from bshm_watchd.stages import STAGES, Took
from tests.support.clock import FakeClock


def a_job(courses: Courses, job: str, photo: str, claimed: float, *, end: str = "done", why: str = "") -> None:
    """Through all stages, each of which takes a second."""
    for event in ("claimed", "running"):
        courses.add(Event(event, claimed, job, photo))
    for number, stage in enumerate(STAGES):
        if stage == "file":
            courses.add(Event(end, claimed + 7, job, photo, why))
        courses.add(Took(job, stage, claimed + number, claimed + number + 1))


def test_what_is_told_arrives_as_it_was() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb") as reader, os.fdopen(theirs, "wb") as writer:
        teller = Teller(writer.fileno(), FakeClock(monotonic=7.0))
        teller.took(Took("a", "matte", 1.25, 2.5))
        teller.heard("rejected", {"JOB_ID": "a", "HOT_FOLDER": "hot", "photo": "é 1.jpg", "why": "broken"})
        writer.close()
        assert [told(line) for line in reader] == [
            Took("a", "matte", 1.25, 2.5), Event("rejected", 7.0, "a", "é 1.jpg", "broken"),
        ]  # fmt: skip


def test_every_line_of_the_log_can_be_heard_with_its_fields() -> None:
    heard: list[tuple[str, object]] = []
    logs.start()
    logs.hear(lambda event, fields: heard.append((event, fields)))
    logs.info("watching", HOT_FOLDER="hot")
    logs.start()  # whoever listened is forgotten
    logs.info("ready")
    assert heard == [("watching", {"HOT_FOLDER": "hot"})]


def test_a_job_is_over_when_its_original_is_filed() -> None:
    courses = Courses()
    courses.add(Event("claimed", 10.0, "a", "1.jpg"))
    assert not courses.over(["1.jpg"])
    a_job(courses, "a", "1.jpg", 10.0)
    assert courses.over(["1.jpg"])


def test_claim_publishing_and_filing_are_read_off_what_was_told() -> None:
    courses = Courses()
    a_job(courses, "a", "1.jpg", 10.0)
    (photo,) = finished(courses.of(["1.jpg"]))
    assert (photo.claimed, photo.published, photo.over) == (10.0, 16.0, 17.0)
    assert photo.matte_seconds == 1.0


def test_a_photo_that_was_released_and_claimed_again_counts_once() -> None:
    courses = Courses()
    courses.add(Event("claimed", 1.0, "a", "1.jpg"))
    courses.add(Event("released", 2.0, "a", "1.jpg"))
    a_job(courses, "b", "1.jpg", 3.0)
    assert [one.claimed for one in finished(courses.of(["1.jpg"]))] == [3.0]


def test_a_job_for_review_has_its_results() -> None:
    courses = Courses()
    a_job(courses, "a", "1.jpg", 10.0, end="review")
    assert len(finished(courses.of(["1.jpg"]))) == 1


def test_photos_without_results_are_named_with_what_to_do() -> None:
    courses = Courses()
    a_job(courses, "a", "1.jpg", 10.0)
    a_job(courses, "b", "2.jpg", 10.0, end="rejected", why="broken")
    with pytest.raises(ConfigError) as refused:
        finished(courses.of(["1.jpg", "2.jpg"]))
    assert refused.value.problems[0] == "2.jpg: rejected: broken"
    assert "measure without them" in refused.value.problems[-1]


def test_a_way_that_was_told_with_gaps_is_no_measurement() -> None:
    with pytest.raises(MeasuringFailed, match="measure again"):
        finished([Course("1.jpg", state="done")])


def test_a_held_folder_is_told_with_its_reason() -> None:
    courses = Courses()
    courses.add(Event("held", 1.0, why="disk_full"))
    assert courses.trouble == "held: disk_full"


def test_a_burst_lasts_from_its_first_claim_to_its_last_filing() -> None:
    courses = Courses()
    a_job(courses, "a", "1.jpg", 10.0)
    a_job(courses, "b", "2.jpg", 12.0)
    burst = Burst(tuple(finished(courses.of(["1.jpg", "2.jpg"]))), cpu_seconds=4.0, peak_mib=500.0)
    assert burst.round().seconds == 19.0 - 10.0
    assert burst.round().photos_per_second == pytest.approx(2 / 9)
    assert burst.in_burst_seconds() == [6.0, 6.0]


def test_a_timeline_begins_with_the_first_claim_and_numbers_photos_by_their_claims() -> None:
    courses = Courses()
    a_job(courses, "b", "2.jpg", 12.0)
    a_job(courses, "a", "1.jpg", 10.0)
    spans = Burst(tuple(finished(courses.of(["1.jpg", "2.jpg"]))), 4.0, 500.0).timeline()
    assert [(one.photo, one.began, one.ended) for one in spans if one.stage == "decode"] == [
        (0, 1.0, 2.0),
        (1, 3.0, 4.0),
    ]
