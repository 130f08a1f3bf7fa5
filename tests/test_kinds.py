from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bshm_watchd.intake.kinds import KINDS, Sort, is_walked, natural_key, sort_name, sort_path

NAMES = ["a.jpg", "a.JPG", "a.jpeg", "a.JpEg", "a.jpe", "a.jfif", "a.png", "a b.c.PNG", "é.jpg", "\udce9.jpg",
         "a.webp", "a.WebP", "a.tif", "a.TIFF"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_photo_name_is_a_candidate(name: str) -> None:
    assert sort_name(name) is Sort.CANDIDATE


@pytest.mark.contract("I6")
@pytest.mark.parametrize(
    "name",
    [
        ".hidden.jpg",
        "._a.jpg",
        ".DS_Store",
        ".nfs0000000000a1.jpg",
        ".a.jpg.Xy12Zq",  # rsync
        "a.jpg.part",
        "a.JPG.PART",
        "a.tmp",
        "a.jpg.crdownload",
        "a.jpg.filepart",
        "~$a.jpg",
        "Thumbs.db",
        "thumbs.DB",
        "@eaDir",
        "a.jpg.error.json",
    ],
)
def test_somebodys_temporary_is_ignored(name: str) -> None:
    assert sort_name(name) is Sort.IGNORED


@pytest.mark.contract("I6")
@pytest.mark.parametrize(
    "name", ["a.cr3", "a.heic", "a.xmp", "a.psd", "a.mp4", "a.gif", "a.dng", "a", "jpg", "a.jpg~", "a.jpgx", "part"]
)
def test_other_kinds_are_left(name: str) -> None:
    assert sort_name(name) is Sort.OTHER


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"RIFF\xff\xff\xff\xffWEBPVP8 ", "webp"),
        (b"II*\0", "tiff"),
        (b"MM\0*", "tiff"),
        (b"II+\0", "tiff"),
        (b"MM\0+", "tiff"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"II\0*", None),
        (b"\x89PNG\n\x1a\n", None),
        (b"RIFF\0\0\0\0WEB", None),
    ],
)
def test_the_first_bytes_say_the_kind(head: bytes, name: str | None) -> None:
    assert [kind.name for kind in KINDS if kind.begins(head)] == ([name] if name else [])


@pytest.mark.contract("I6")
@pytest.mark.parametrize(("name", "walked"), [("wedding", True), ("@eaDir", False), (".Trash", False), ("a.jpg", True)])
def test_ignored_directories_are_not_walked(name: str, walked: bool) -> None:
    assert is_walked(name) is walked


@pytest.mark.parametrize(
    ("path", "sort"),
    [
        ("a/b/c.jpg", Sort.CANDIDATE),
        ("@eaDir/a.jpg", Sort.IGNORED),
        ("a/.git/c.jpg", Sort.IGNORED),
        ("a/b/c.txt", Sort.OTHER),
    ],
)
def test_a_path_is_ignored_with_any_of_its_directories(path: str, sort: Sort) -> None:
    assert sort_path(path) is sort


def test_names_sort_as_people_number_them() -> None:
    expected = ["img1.jpg", "IMG2.jpg", "img2.jpg", "img10.jpg", "img10a.jpg", "z/1.jpg", "z/2.jpg"]
    assert sorted(set(expected), key=natural_key) == expected


def test_a_number_of_five_thousand_digits_sorts() -> None:
    assert natural_key("9" * 4999) < natural_key("1" + "0" * 4999)


any_name = st.text(st.characters(exclude_characters="\0"), max_size=12) | st.binary(max_size=12).map(
    lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")
)


@given(any_name, any_name, any_name)
def test_the_order_is_total_on_any_names(a: str, b: str, c: str) -> None:
    x, y, z = sorted([a, b, c], key=natural_key)
    assert natural_key(x) <= natural_key(y) <= natural_key(z)
    assert (natural_key(a) == natural_key(b)) == (a == b)


def _as_pieces(path: str) -> list[tuple[list[str | tuple[int, str]], str]]:
    """The order in plain words: text and numbers in turn, a number by its length without zeros, then by its digits."""
    return [
        (
            [
                (len(piece.lstrip("0")), piece.lstrip("0")) if place % 2 else piece
                for place, piece in enumerate(re.split("([0-9]+)", name.casefold()))
            ],
            name,
        )
        for name in path.split("/")
    ]


any_numbered = st.text("01290aA.b~/é\udcff", max_size=10)


@given(any_numbered, any_numbered)
def test_the_order_is_that_of_text_and_numbers_in_turn(a: str, b: str) -> None:
    assert (natural_key(a) < natural_key(b)) == (_as_pieces(a) < _as_pieces(b))
