"""Results get their names whole, once, and over nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bshm_watchd.disk import publish
from bshm_watchd.disk.folder import HotFolder
from bshm_watchd.ending import EXIT_FINE
from bshm_watchd.errors import PlaceUnavailable
from bshm_watchd.jobs import Job, Place, Result
from tests.support import invariants
from tests.support.disks import ErringDisk, InterruptedDisk
from tests.support.studio import Studio
from tests.support.trees import TellingDisk, a_job, attached, make_special

_CONTENT = os.urandom(5000)


@pytest.fixture
def folder(tmp_path: Path) -> HotFolder:
    return attached(tmp_path)


@pytest.fixture
def job(folder: HotFolder) -> Job:
    return a_job(folder.settings)


def _written(folder: HotFolder, job: Job, name: str = "a.png") -> Result:
    return publish.write_temporary(folder, job, 0, "cutout", Place("", "results", name), _CONTENT)


def _results(folder: HotFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder.settings.path / "results").iterdir()}


@pytest.mark.contract("P1")
def test_a_result_is_first_a_temporary_beside_its_target(folder: HotFolder, job: Job) -> None:
    result = _written(folder, job)
    assert _results(folder) == {publish.temporary_name(job, 0): _CONTENT}
    publish.publish(folder, result)
    assert _results(folder) == {"a.png": _CONTENT}


@pytest.mark.contract("P1")
def test_a_results_name_never_shows_incomplete_bytes(tmp_path: Path) -> None:
    seen: set[bytes] = set()

    def look(_: str, __: tuple[object, ...]) -> None:
        path = tmp_path / "hot" / "results" / "a.png"
        if path.exists():
            seen.add(path.read_bytes())

    folder = attached(tmp_path, TellingDisk(look))
    publish.publish(folder, _written(folder, a_job(folder.settings)))
    assert seen == {_CONTENT}


@pytest.mark.contract("D3", "D4", "P2")
def test_publishing_again_changes_nothing_whatever_stands_at_the_name_now(folder: HotFolder, job: Job) -> None:
    """A temporary that is missing was published; its owner may have edited or removed the result since."""
    result = _written(folder, job)
    publish.publish(folder, result)
    (folder.settings.path / "results" / "a.png").write_bytes(b"edited")
    publish.publish(folder, result)
    assert _results(folder) == {"a.png": b"edited"}
    (folder.settings.path / "results" / "a.png").unlink()
    publish.publish(folder, result)
    assert _results(folder) == {}


@pytest.mark.contract("P2", "P9")
def test_a_taken_name_stays_what_it_is_and_so_does_the_temporary(folder: HotFolder, job: Job) -> None:
    result = _written(folder, job)
    (folder.settings.path / "results" / "a.png").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        publish.publish(folder, result)
    assert _results(folder) == {"a.png": b"theirs", result.temporary: _CONTENT}


@pytest.mark.contract("P1", "P2", "P6")
@pytest.mark.parametrize("kind", ["file", "link", "fifo", "directory"])
def test_another_file_in_a_temporarys_place_is_never_published(
    folder: HotFolder, job: Job, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Who may write in results/ may put one there. It is left to him; what he took away counts as published."""
    result = _written(folder, job)
    path = folder.settings.path / "results" / result.temporary
    path.rename(tmp_path / "taken")
    _put(kind, path, tmp_path / "elsewhere")
    before = path.lstat()
    publish.publish(folder, result)
    assert path.lstat() == before
    assert [one.name for one in path.parent.iterdir()] == [result.temporary]
    assert "somebody put another file in a result's place" in caplog.text


@pytest.mark.contract("P1")
def test_a_file_swapped_in_at_the_very_rename_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It has the result's name then, as if he had put it there himself; it is neither read nor changed."""

    def swap(change: str, name: str) -> None:
        if (change, name) == ("rename", "a.png"):
            temporary = next((tmp_path / "hot" / "results").glob("*.part"))
            temporary.rename(tmp_path / "taken")
            temporary.symlink_to(tmp_path / "elsewhere")

    folder = attached(tmp_path, InterruptedDisk(swap))
    (tmp_path / "elsewhere").write_bytes(b"theirs")
    publish.publish(folder, _written(folder, a_job(folder.settings)))
    assert (tmp_path / "elsewhere").read_bytes() == b"theirs"
    assert "somebody put another file in a result's place" in caplog.text


@pytest.mark.contract("D2")
def test_a_temporary_with_another_number_after_a_remount_is_published_all_the_same(folder: HotFolder, job: Job) -> None:
    """FUSE and vfat number files as they meet them: nothing may be taken for published because of that."""
    folder.lasting_inodes = False
    result = _written(folder, job)
    path = folder.settings.path / "results" / result.temporary
    path.rename(path.with_name("old"))
    path.write_bytes(path.with_name("old").read_bytes())
    path.with_name("old").unlink()
    publish.publish(folder, result)
    assert _results(folder) == {"a.png": _CONTENT}


def _put(kind: str, path: Path, elsewhere: Path) -> None:
    if kind == "file":
        path.write_bytes(b"whatever")
    else:
        make_special(kind, path, elsewhere)


@pytest.mark.contract("P2", "D2")
def test_a_temporary_is_always_written_to_a_new_file(folder: HotFolder, job: Job) -> None:
    """A left one may hold pages that the kernel only believes to be on the disk, or be a link."""
    _results_dir = folder.settings.path / "results"
    _results_dir.mkdir()
    theirs = folder.settings.path / "theirs"
    theirs.write_bytes(b"theirs")
    (_results_dir / publish.temporary_name(job, 0)).symlink_to(theirs)
    _written(folder, job)
    assert theirs.read_bytes() == b"theirs"
    assert _results(folder) == {publish.temporary_name(job, 0): _CONTENT}


@pytest.mark.contract("D6", "P1")
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_an_error_at_any_change_leaves_no_temporary_and_no_name(fast_path: Path, code: int) -> None:
    for at in range(100):
        folder = attached(fast_path / str(at))
        (folder.settings.path / "results").mkdir()
        folder.disk = ErringDisk(at, code)
        try:
            _written(folder, a_job(folder.settings))
        except OSError as error:
            assert error.errno == code
            assert _results(folder) == {}
        else:
            assert at >= 4
            return
    raise AssertionError("it never worked")


@pytest.mark.contract("P2")
def test_discarding_removes_our_temporaries_and_nothing_else(folder: HotFolder, job: Job) -> None:
    _written(folder, job)
    other = a_job(folder.settings)
    kept = _written(folder, other)
    target = Place("", "results", "a.png")
    publish.discard_temporaries(folder, job, (target, target))
    publish.discard_temporaries(folder, job, (target, target))
    assert _results(folder) == {kept.temporary: _CONTENT}


def test_a_file_where_a_directory_is_needed_is_named(folder: HotFolder) -> None:
    (folder.settings.path / "results").write_bytes(b"")
    with pytest.raises(PlaceUnavailable, match=r"results/sub/a\.png: a file stands where a directory is needed"):
        publish.is_free(folder, Place("", "results/sub", "a.png"))


@pytest.mark.parametrize("made", ["file", "link", "directory"])
def test_a_name_is_free_only_while_nothing_at_all_stands_there(folder: HotFolder, made: str) -> None:
    place = Place("", "results", "a.png")
    assert publish.is_free(folder, place)
    path = folder.settings.path / place.path
    assert not path.parent.exists(), "a look made a directory"
    path.parent.mkdir()
    {"file": path.touch, "directory": path.mkdir, "link": lambda: path.symlink_to("nowhere")}[made]()
    assert not publish.is_free(folder, place)


@pytest.mark.contract("D3")
def test_the_same_name_and_the_same_bytes_again_are_a_new_job_after_the_earlier_one(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    content = studio.drop("a.png")
    assert studio.run() == EXIT_FINE
    studio.drop("a.png", content)
    studio.drop("b.png", content)
    assert studio.run() == EXIT_FINE
    studio.drop("a.png")
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["a.png", "a~2.png", "a~3.png", "b.png"]
    assert sorted(Path(name).name for name in studio.tree("done")) == ["a.png", "a~2.png", "a~3.png", "b.png"]
    invariants.check(studio)


@pytest.mark.contract("D3", "P2")
def test_a_result_that_was_taken_away_is_not_made_again(tmp_path: Path) -> None:
    studio = Studio(tmp_path)
    studio.drop("a.png")
    assert studio.run() == EXIT_FINE
    (studio.hot / "results" / "a.png").unlink()
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == []


@pytest.mark.contract("P2", "P9")
def test_a_foreign_file_at_a_results_name_is_left_alone_and_the_number_is_shared_by_all(tmp_path: Path) -> None:
    outputs = "    outputs:\n" + "".join(
        f'      - {{kind: {kind}, path: "{top}/{{stem}}.png"}}\n'
        for kind, top in (("cutout", "results"), ("matte", "mattes"))
    )
    studio = Studio(tmp_path, outputs)
    (studio.hot / "mattes").mkdir(parents=True)
    (studio.hot / "mattes" / "a.png").write_bytes(b"theirs")
    studio.drop("a.png")
    assert studio.run() == EXIT_FINE
    assert studio.tree("results") == ["a~2.png"]
    assert studio.tree("mattes") == ["a.png", "a~2.png"]
    assert (studio.hot / "mattes" / "a.png").read_bytes() == b"theirs"
    assert [Path(name).name for name in studio.tree("done")] == ["a~2.png"]
