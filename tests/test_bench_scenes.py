"""The six kinds of composed pictures: their alpha is exact, and each is what its name says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from bshm_watchd.bench.casts import DrawnCast, PackCast
from bshm_watchd.bench.figures import Figure, Floats, Random, Stage
from bshm_watchd.bench.pack import Alpha, Pack, read_pack
from bshm_watchd.bench.scene_kinds import KINDS, Cast, Composition, SceneKind
from bshm_watchd.errors import ConfigError
from tests.support.drawn_pack import LICENCE, drawn_pack

LONGER, SHORTER, SEEDS = 480, 320, (1, 2, 3)
BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return read_pack(drawn_pack(tmp_path_factory.mktemp("pack") / "pack"), "held-back")


@pytest.fixture(params=["drawn", "pack"])
def cast(request: pytest.FixtureRequest) -> Cast:
    return DrawnCast() if request.param == "drawn" else PackCast(request.getfixturevalue("pack"))


def composed(kind: str, cast: Cast) -> list[Composition]:
    return [BY_NAME[kind].compose(cast, seed, 0, LONGER, SHORTER) for seed in SEEDS]


def solid(alpha: Alpha) -> float:
    return float((alpha > 127).mean())


def soft(alpha: Alpha) -> float:
    return float(((alpha > 25) & (alpha < 230)).mean())


def brightness(made: Composition) -> tuple[float, float]:
    """Of the people and of what is behind them."""
    grey = made.pixels.mean(axis=2)
    return float(grey[made.alpha == 255].mean()), float(grey[made.alpha == 0].mean())


def test_there_are_the_six_kinds_of_the_table() -> None:
    assert list(BY_NAME) == [
        "profile-close-up", "hair-detail", "full-body", "group", "back-lit-silhouette", "dark-background",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", BY_NAME)
def test_somebody_is_in_every_picture_and_does_not_fill_it(kind: str, cast: Cast) -> None:
    for made in composed(kind, cast):
        assert made.pixels.shape == (*made.alpha.shape, 3)
        assert sorted(made.alpha.shape) == [SHORTER, LONGER]
        assert 0.03 < solid(made.alpha) < 0.95
        assert (made.alpha == 0).mean() > 0.03


@pytest.mark.parametrize("kind", BY_NAME)
def test_a_picture_is_the_same_each_time_and_another_with_another_seed(kind: str, cast: Cast) -> None:
    again, other = BY_NAME[kind].compose(cast, 1, 0, LONGER, SHORTER), composed(kind, cast)
    assert np.array_equal(other[0].pixels, again.pixels) and np.array_equal(other[0].alpha, again.alpha)
    assert not np.array_equal(other[0].alpha, other[1].alpha)


def test_a_close_up_is_filled_by_a_head(cast: Cast) -> None:
    for made in composed("profile-close-up", cast):
        assert solid(made.alpha) > 0.35
        rows = np.flatnonzero((made.alpha > 127).any(axis=1))
        assert rows[0] < 0.3 * len(made.alpha) and rows[-1] >= len(made.alpha) - 2


def test_drawn_hair_is_many_times_as_soft_as_any_other_scene() -> None:
    hair = min(soft(made.alpha) for made in composed("hair-detail", DrawnCast()))
    for kind in ("full-body", "group", "back-lit-silhouette", "dark-background"):
        assert hair > 3 * max(soft(made.alpha) for made in composed(kind, DrawnCast()))


def test_hair_stands_out_from_its_background(cast: Cast) -> None:
    for made in composed("hair-detail", cast):
        upper = slice(0, len(made.alpha) // 2)
        hair = made.pixels[upper][made.alpha[upper] > 200].mean()
        assert abs(hair - made.pixels[made.alpha == 0].mean()) > 35


def test_a_full_body_stands_free_in_an_upright_picture(cast: Cast) -> None:
    for made in composed("full-body", cast):
        height, width = made.alpha.shape
        assert height > width
        _, _, figure_width, figure_height = cv2.boundingRect((made.alpha > 127).astype(np.uint8))
        assert not made.alpha[0].any() and not made.alpha[-1].any()
        assert figure_height > 1.7 * figure_width
        assert 0.4 * height < figure_height < 0.9 * height


def test_a_group_has_several_heads(cast: Cast) -> None:
    for made in composed("group", cast):
        tops = np.argmax(made.alpha > 127, axis=0).astype(float)
        tops[~(made.alpha > 127).any(axis=0)] = len(made.alpha)
        heads = tops < np.sort(tops)[0] + 0.2 * len(made.alpha)
        assert 2 <= np.count_nonzero(np.diff(heads.astype(int)) == 1) + int(heads[0]) <= 4


def test_a_silhouette_is_dark_before_the_light_and_has_a_bright_rim(cast: Cast) -> None:
    for made in composed("back-lit-silhouette", cast):
        inner = cv2.erode((made.alpha == 255).astype(np.uint8), np.ones((13, 13), np.uint8)) > 0
        edge = (made.alpha == 255) & (cv2.erode((made.alpha == 255).astype(np.uint8), np.ones((3, 3))) == 0)
        middle, rim = made.pixels[inner].mean(), made.pixels[edge].mean()
        assert middle < 60 and brightness(made)[1] > 180
        assert rim > middle + 40


def test_before_a_dark_background_clothes_are_nearly_as_dark(cast: Cast) -> None:
    for made in composed("dark-background", cast):
        person, behind = brightness(made)
        assert behind < 45
        assert behind - 5 < person < 110


# -- the arithmetic ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OneColour:
    """A cast whose figures are all red and half there, before a blue place."""

    def head(self, random: Random, height: int) -> Figure:
        colours = np.full((height, height, 3), (200.0, 0, 0), np.float32)
        return Figure(colours, np.full((height, height), 0.5, np.float32), cut_below=True, source="red")

    haired = seated = standing = head

    def place(self, random: Random, height: int, width: int) -> tuple[Floats, str]:
        return np.full((height, width, 3), (0, 0, 100.0), np.float32), "blue"


def test_pixels_are_the_people_over_the_place_by_the_alpha_that_is_told() -> None:
    def arrange(random: Random, stage: Stage, cast: Cast) -> None:
        stage.put(cast.head(random, 300), 0, 10)
        stage.put(cast.head(random, 20), 0, 20)

    made = SceneKind("any", False, arrange).compose(OneColour(), 1, 0, 400, 320)
    assert made.sources == ("blue", "red")
    assert (made.alpha[:20, 20:40] == 191).all()  # one half, and half of the rest
    assert (made.alpha[100, 10:310] == 128).all() and not made.alpha[:, :10].any()
    share = made.alpha[..., None] / 255
    expected = np.array([200.0, 0, 0]) * share + np.array([0, 0, 100.0]) * (1 - share)
    assert np.abs(made.pixels - expected).max() <= 0.5 + 1e-6


# -- the pack ------------------------------------------------------------------------------------------------


def test_what_is_composed_of_a_pack_says_whom_it_shows(pack: Pack) -> None:
    made = BY_NAME["full-body"].compose(PackCast(pack), 1, 0, LONGER, SHORTER)
    place, person = made.sources
    assert place in {path.stem for path in pack.backgrounds}
    assert pack.licences[person] == LICENCE


def test_a_pack_without_anybody_who_fits_says_what_is_missing(pack: Pack) -> None:
    standing = tuple(
        person for number, person in enumerate(sorted(pack.people, key=lambda one: one.id)) if not number % 3
    )
    with pytest.raises(ConfigError, match="the pack has nobody with a head large enough"):
        BY_NAME["profile-close-up"].compose(PackCast(Pack(standing, pack.backgrounds)), 1, 0, LONGER, SHORTER)


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        (None, "No such file or directory; a pack has photos/, mattes/, backgrounds/ and this"),
        ("id\tkind\na\tphoto\n", "has no column colour"),
        ("id\tkind\tcolour\n", "0 photos in colour and 0 backgrounds"),
        (b"\xff\xfe\x00", "no table of tab-separated columns in UTF-8"),
    ],
)
def test_a_pack_that_is_none_says_why(manifest: str | bytes | None, told: str, tmp_path: Path) -> None:
    if manifest is not None:
        content = manifest if isinstance(manifest, bytes) else manifest.encode()
        (tmp_path / "manifest.tsv").write_bytes(content)
    with pytest.raises(ConfigError) as error:
        read_pack(tmp_path, "held-back")
    assert told in str(error.value)


def test_a_picture_of_a_pack_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    pack = read_pack(drawn_pack(tmp_path / "pack", 3), "held-back")
    pack.people[0].photo.write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=f"{pack.people[0].photo}: is missing, or no picture that can be read"):
        pack.people[0].pixels()
