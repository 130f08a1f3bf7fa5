"""`job.json`: whatever a job is, it comes back the same, or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bshm_watchd.config import PermissionSettings
from bshm_watchd.disk import record
from bshm_watchd.disk.ops import Disk
from bshm_watchd.jobs import Job, Place, Problem, Result, State
from tests.support.trees import a_job, settings_of

_OPTIONS = {
    "outputs": [{"kind": "cutout", "path": "r/{stem}.png"}, {"kind": "matte", "path": "/out/{date}/{stem}.png"}],
    "permissions": {"mode": "0640", "directory_mode": "2750", "group": "studio", "strict": True},
}
_SETTINGS = settings_of(Path("/srv/hot"), **_OPTIONS)

_names = st.binary(min_size=1, max_size=60).filter(lambda name: not {0, 47} & set(name)).map(os.fsdecode)
_texts = st.text(max_size=60)
_walls = st.floats(0, 1e11)
_places = st.builds(Place, st.sampled_from(["", "/out"]), _names, _names)
_results = st.builds(Result, st.sampled_from(["cutout", "matte"]), _places, _names, _texts, st.integers(0, 2**62))
_jobs = st.builds(
    a_job,
    st.just(_SETTINGS),
    name=_names,
    relative_dir=_names,
    state=st.sampled_from(State),
    attempts=st.integers(0, 100),
    suspect=st.booleans(),
    retry_wall=_walls,
    withheld=st.integers(0, 100),
    claimed_wall=_walls,
    number=st.integers(1, 10_000),
    results=st.lists(_results, max_size=3).map(tuple),
    filed_as=st.none() | _places,
    problem=st.none() | st.builds(Problem, _texts, _texts | _names, _texts),
    finished_wall=st.none() | _walls,
)


@pytest.mark.contract("D4")
@given(_jobs)
def test_any_job_comes_back_as_it_was(job: Job) -> None:
    assert record.decode(record.encode(job)) == job


@pytest.mark.contract("D4")
@given(_jobs)
@settings(max_examples=10, deadline=None)
def test_a_record_cut_anywhere_is_known_to_be_torn(job: Job) -> None:
    content = record.encode(job)
    for length in range(len(content)):
        with pytest.raises(record.TornRecord):
            record.decode(content[:length])


@pytest.mark.contract("D4")
@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"7", b'"job"', b"{}", b"\xff\xfe", b'{"version": 1}', b'{"version": 2}', b"\0" * 4096],
)
def test_what_is_no_record_is_known_to_be_torn(content: bytes) -> None:
    with pytest.raises(record.TornRecord):
        record.decode(content)


def test_a_record_of_a_later_version_is_not_guessed_at() -> None:
    content = record.encode(a_job(_SETTINGS)).replace(b'"version": 1', b'"version": 2')
    with pytest.raises(record.TornRecord, match="unknown version"):
        record.decode(content)


def test_a_record_is_text_that_any_editor_shows() -> None:
    content = record.encode(a_job(_SETTINGS, name="é\udcff\n.png"))
    assert content.isascii()
    assert b"\\udcff" in content


@pytest.mark.parametrize("mode", [None, "0000", "0007", "664", "0o664", "2770", "7777"])
def test_a_mode_comes_back_as_it_was(mode: str | None) -> None:
    folder = settings_of(Path("/srv/hot"), permissions={"mode": mode, "directory_mode": mode})
    back = record.decode(record.encode(a_job(folder))).plan.permissions
    assert back == PermissionSettings.model_validate({"mode": mode, "directory_mode": mode})


def test_a_record_on_the_disk_is_private_and_replaced_whole(tmp_path: Path) -> None:
    disk, fd = Disk(), os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    assert record.read(disk, fd) is None
    for attempts in (1, 2):
        job = a_job(_SETTINGS, attempts=attempts)
        record.write(disk, fd, job)
        assert record.read(disk, fd) == job
    os.close(fd)
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]
    assert (tmp_path / "job.json").stat().st_mode & 0o777 == 0o600
