"""What must hold after any accident and a healthy restart. Called everywhere."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from bshm_watchd.disk.filing import SIDECAR_SUFFIX
from bshm_watchd.jobs import FINAL
from tests.support.studio import HotTree, Studio, cutout_of, sha256

_PLACES = ("drop", ".bshm/work", "done", "review", "rejected", "failed")
_FILED = ("done", "review", "rejected", "failed")
_OUTPUTS: dict[str, Callable[[bytes], NDArray[np.uint8]]] = {
    "results": cutout_of,
    "mattes": lambda content: np.ascontiguousarray(cutout_of(content)[:, :, 3]),
}


def check(studio: Studio) -> None:
    """After a healthy run to its end: nothing lost, nothing doubled, nothing half, nothing left lying about.

    The run may have been the studio's own or one of the real program: what lies on the disk is judged, nothing else.
    """
    for tree in studio.trees.values():
        check_tree(tree)
    _the_journal_tells_what_is_there(studio)
    _a_second_run_changes_nothing(studio)


def check_tree(tree: HotTree) -> None:
    """All that a hot folder shows by itself, once everything in it is worked off."""
    each_original_is_in_one_place(tree)
    what_is_foreign_survives(tree)
    _each_filed_original_has_its_own_name(tree)
    _each_trouble_has_its_sidecar_and_no_other_is_there(tree)
    _each_result_is_whole_and_of_one_original(tree)
    _modes_are_the_folders(tree)
    _no_temporaries(tree)


def each_original_is_in_one_place(tree: HotTree) -> None:
    """Holds at any moment, also between a crash and its recovery."""
    there = Counter(sha256(path.read_bytes()) for place in _PLACES for path in _originals(tree, place))
    wanted = Counter({digest: len(names) for digest, names in tree.originals.items() if names})
    lost, doubled = wanted - there, there - wanted
    assert not lost and not doubled, f"lost {_named(tree, lost)}, doubled or changed {_named(tree, doubled)}"


def what_is_foreign_survives(tree: HotTree) -> None:
    """Holds at any moment."""
    for name, content in tree.foreign.items():
        path = tree.path / name
        assert path.is_file() and path.read_bytes() == content, f"{name} was somebody else's, and is not what it was"


def _each_filed_original_has_its_own_name(tree: HotTree) -> None:
    """Where it was dropped, mirrored; its own name, but for a number."""
    for place in _FILED:
        for path in _originals(tree, place):
            below = path.relative_to(tree.path / place)
            filed = str(Path(*below.parts[1:]) if place == "done" else below)
            names = {_unnumbered(name) for name in tree.originals[sha256(path.read_bytes())]}
            assert _unnumbered(filed) in names, f"{filed} was dropped as {set(map(os.fsdecode, names))}"


def _each_trouble_has_its_sidecar_and_no_other_is_there(tree: HotTree) -> None:
    for place in ("review", "rejected", "failed"):
        files = [str(path) for path in _files(tree, place)]
        troubled = {path for path in files if not path.endswith(SIDECAR_SUFFIX)}
        sidecars = {path.removesuffix(SIDECAR_SUFFIX): path for path in files if path.endswith(SIDECAR_SUFFIX)}
        assert troubled == set(sidecars), f"originals {sorted(troubled)} with the sidecars of {sorted(sidecars)}"
        for path in sidecars.values():
            assert json.loads(Path(path).read_bytes())["reason"]


def _each_result_is_whole_and_of_one_original(tree: HotTree) -> None:
    """Every result is the one of a done or doubtful original, and each of those (or requeue) has one of each kind."""
    for directory, made_of in _OUTPUTS.items():
        if directory != "results" and directory not in tree.extra:
            continue
        contents = [path.read_bytes() for place in ("done", "review") for path in _originals(tree, place)]
        expected = Counter(_pixels_hash(made_of(content)) for content in contents)
        for content in set(contents):
            expected[_pixels_hash(made_of(content))] += tree.sets_again[sha256(content)]
        found = Counter(_pixels_hash(whole(path)) for path in _files(tree, directory))
        assert found == expected, f"{directory}: {found.total()} for {expected.total()}, or of another photo"


def _modes_are_the_folders(tree: HotTree) -> None:
    root = tree.path.stat().st_mode
    for top in (*_OUTPUTS, *_FILED):
        for path in [tree.path / top, *(tree.path / top).rglob("*")]:
            if path.is_dir():
                assert path.stat().st_mode & 0o777 == root & 0o777, f"{path} has the wrong mode"
            elif top in _OUTPUTS and path.exists():
                assert path.stat().st_mode & 0o777 == root & 0o666, f"{path} has the wrong mode"


def _no_temporaries(tree: HotTree) -> None:
    left = [str(p) for p in tree.path.rglob("*") if p.name.endswith((".part", ".tmp")) or p.parent.name == "work"]
    assert not left, f"left lying about: {left}"


def _the_journal_tells_what_is_there(studio: Studio) -> None:
    """Nothing is under way, and what was filed is where its row says, unless it was requeued from there."""
    for row in studio.rows():
        assert row.state in FINAL, f"{row.relative} is {row.state} for ever"
        if row.filed_as is not None and not row.requeued_as:
            path = studio.trees[row.folder].path / row.filed_as.path
            assert path.exists(), f"{row.relative} is {row.state}, but not at {row.filed_as.path}"


def _a_second_run_changes_nothing(studio: Studio) -> None:
    """But for the record of an owner that could not remove it at its end: it is dead, and replaced at once."""
    before = _without_owners(studio)
    assert studio.run() == 0
    after = _without_owners(studio)
    assert before == after, f"changed: {sorted(before.items() ^ after.items())}"


def _without_owners(studio: Studio) -> dict[str, str]:
    return {path: digest for path, digest in studio.everything().items() if not path.endswith("/.bshm/owner")}


def _files(tree: HotTree, place: str) -> list[Path]:
    """Without what is somebody else's."""
    foreign = {tree.path / name for name in tree.foreign}
    return sorted(path for path in (tree.path / place).rglob("*") if path.is_file() and path not in foreign)


def _originals(tree: HotTree, place: str) -> list[Path]:
    """Without what is ours: records, temporaries, and the empty files that reserve a name where a rename can't."""
    ours = ("job.json", ".lot.json", SIDECAR_SUFFIX, ".part", ".tmp")
    files = [path for path in _files(tree, place) if not path.name.endswith(ours)]
    return [path for path in files if path.stat().st_size or path.stat().st_mode & 0o777]


def _unnumbered(path: str) -> bytes:
    """Without its number, and without the rest of a name so long that a number or a sidecar's ending cut it."""
    return os.fsencode(re.sub(r"(~\d+)*(\.[^./]*)$", r"\2", path))[:200]


def _named(tree: HotTree, digests: Counter[str]) -> list[str]:
    return [f"{count} of {tree.originals.get(digest, digest[:8])}" for digest, count in digests.items()]


def whole(path: Path) -> NDArray[np.uint8]:
    content = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_UNCHANGED) if len(content) else None
    assert picture is not None, f"{path} is not a whole picture"
    return picture


def _pixels_hash(picture: NDArray[np.uint8]) -> str:
    return hashlib.sha256(picture.tobytes()).hexdigest()
