"""Finding out what a network does by giving it pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bshm_watchd.bench.drawn import compose
from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm import examine
from bshm_watchd.matting.bshm.compute import picture_function
from bshm_watchd.matting.bshm.graph import read_graph
from bshm_watchd.matting.bshm.looking import INPUT, OUTPUT, look_at
from bshm_watchd.matting.bshm.rebind import ways
from tests.support.graphs import arithmetic_graph, graph_file, stand_in, with_tensorflow

SHOWN = compose(3, 96, 128)
PATH = Path("some.pb")


@pytest.fixture(autouse=True, scope="module")
def _tensorflow() -> None:
    with_tensorflow()


def network_for(white: int, order: str, channels: int = 4, opaque: float = 255) -> examine.Network:
    """Answers with the right matte where it is fed so, and with the picture's brightness where not."""

    def network(values: Any) -> Any:
        pixels = values[..., ::-1] if order == "bgr" else values
        right = np.abs(pixels * (255 / white) - SHOWN.pixels).max() < 1
        alpha = SHOWN.alpha / 255 if right else pixels.mean(axis=2) / white
        plane = (alpha * opaque).astype(np.float32)[..., None]
        return np.concatenate([np.zeros((*plane.shape[:2], channels - 1), np.float32), plane], axis=2)

    return network


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("opaque", [1, 255])
def test_range_and_channel_order_are_measured(white: int, order: str, opaque: int) -> None:
    network = network_for(white, order, opaque=opaque)
    found = examine.read(network, ("in:0", "out:0"), SHOWN.pixels, SHOWN.alpha, PATH)[0]
    assert (found.input.white, found.input.channels, found.output.opaque) == (white, order, opaque)
    assert found.difference < 0.01
    assert np.abs(found.alpha(network, SHOWN.pixels) - SHOWN.alpha / 255).max() < 1e-3


def test_all_four_ways_to_feed_it_are_told_with_what_they_gave() -> None:
    readings = examine.read(network_for(1, "bgr"), ("in:0", "out:0"), SHOWN.pixels, SHOWN.alpha, PATH)
    assert {(one.input.white, one.input.channels) for one in readings} == {
        (255, "rgb"), (255, "bgr"), (1, "rgb"), (1, "bgr"),
    }  # fmt: skip


def test_a_network_that_sees_nobody_is_read_as_bshm_is() -> None:
    found = examine.read(lambda values: values[..., :1] * 0, ("in:0", "out:0"), SHOWN.pixels, SHOWN.alpha, PATH)[0]
    assert (found.input.white, found.input.channels) == (255, "rgb")


def test_a_reading_that_finds_nobody_is_not_believed_for_being_nearer_than_a_poor_matte() -> None:
    """All background is nearer to a matte that is mostly background than its opposite is."""

    def network(values: Any) -> Any:
        return np.where(values.max() > 1, 1 - SHOWN.alpha / 255, 0 * SHOWN.alpha).astype(np.float32)[..., None]

    found = examine.read(network, ("in:0", "out:0"), SHOWN.pixels, SHOWN.alpha, PATH)[0]
    assert (found.input.white, found.input.channels) == (255, "rgb")


@pytest.mark.parametrize(
    ("answer", "channel"), [((96, 128, 4), 3), ((1, 96, 128, 4), 3), ((96, 128, 1), 0), ((96, 128), None)]
)
def test_alpha_is_found_in_every_shape_that_holds_it(answer: tuple[int, ...], channel: int | None) -> None:
    assert examine.alpha_channel(answer, (96, 128, 3), PATH) == channel


@pytest.mark.parametrize("answer", [(48, 64, 4), (96, 128, 3), (128, 96, 4), (7,), (1, 3, 96, 128)])
def test_an_answer_that_is_no_matte_is_refused_with_its_shape(answer: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=f"answers with {' x '.join(map(str, answer))}"):
        examine.alpha_channel(answer, (96, 128, 3), PATH)


@pytest.mark.parametrize("graph_of", [stand_in, arithmetic_graph])
def test_a_graph_for_one_picture_is_bound_to_a_batch_of_equal_answers(graph_of: Any) -> None:
    looked = look_at(graph_of(), (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)
    assert looked.batch is not None
    assert looked.batch.difference <= examine.SAME
    assert looked.no_batch is None


def prepared_before_the_batch(picture: Any) -> Any:
    """As graphs that subtract a mean do it: the picture is changed before a batch is made of it."""
    import tensorflow as tf

    batch = tf.expand_dims((picture - 127.5) / 127.5, 0)
    alpha = tf.reduce_mean(batch, axis=-1, keepdims=True) * 0.5 + 0.5
    return tf.concat([picture, tf.reshape(alpha, tf.shape(picture[..., :1])) * 255.0], -1, name="output_png")


def test_what_is_done_before_the_batch_is_made_is_done_to_all_of_it(tmp_path: Path) -> None:
    path = graph_file(tmp_path, prepared_before_the_batch)
    looked = look_at(path, (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)
    assert looked.batch is not None
    assert looked.batch.difference <= examine.SAME


def looks_at_the_whole_batch(picture: Any) -> Any:
    """One picture's answer would depend on its neighbours'."""
    import tensorflow as tf

    batch = tf.expand_dims(picture, 0)
    brightest = tf.reduce_max(batch)
    alpha = tf.squeeze(tf.reduce_mean(batch, axis=-1, keepdims=True) / brightest, 0)
    return tf.concat([picture, alpha * 255.0], -1, name="output_png")


def never_makes_a_batch(picture: Any) -> Any:
    import tensorflow as tf

    return tf.concat([picture, tf.reduce_mean(picture, axis=-1, keepdims=True)], -1, name="output_png")


def finds_nobody(picture: Any) -> Any:
    """Every channel of nothing equals every other: no comparison could tell which is alpha."""
    import tensorflow as tf

    alpha = tf.squeeze(tf.expand_dims(picture, 0)[..., :1] * 0.0, 0)
    return tf.concat([picture, alpha], -1, name="output_png")


@pytest.mark.contract("L2")
@pytest.mark.parametrize(
    ("function", "why"),
    [
        (finds_nobody, "nothing can be compared"),
        (looks_at_the_whole_batch, "differs"),
        (never_makes_a_batch, "makes no batch"),
    ],
)
def test_a_graph_that_no_batch_is_right_for_takes_one_picture_a_call(function: Any, why: str, tmp_path: Path) -> None:
    looked = look_at(graph_file(tmp_path, function), (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)
    assert looked.model.batch is None
    assert why in str(looked.no_batch)


def test_another_models_graph_is_refused_with_the_names_that_it_has(tmp_path: Path) -> None:
    import tensorflow as tf

    path = graph_file(tmp_path, lambda picture: tf.identity(picture * 2, name="mirrored"), name="photo")
    with pytest.raises(ConfigError) as caught:
        look_at(path, (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)
    said = "\n".join(caught.value.problems)
    assert "its inputs are photo: name one with --input" in said
    assert "name one with --output" in said


def test_a_graph_that_cannot_take_a_picture_says_so_with_the_file(tmp_path: Path) -> None:
    import tensorflow as tf

    weighed = lambda values: tf.tensordot(values, tf.ones((5, 4)), 1, name="output_png")  # noqa: E731
    path = graph_file(tmp_path, weighed, shape=(None, None, 5))
    with pytest.raises(ConfigError, match="cannot be run on a picture of 96 x 128 x 3"):
        look_at(path, (None, None), SHOWN.pixels, SHOWN.alpha, lambda _: None)


def test_the_ways_of_a_batch_are_looked_for_near_the_ends_of_the_graph() -> None:
    found = list(ways(read_graph(stand_in()), "input_image", "output_png"))
    assert found[0].entrance == "ExpandDims"
    assert found[0].exit == "Squeeze"


def test_the_arithmetic_graph_is_what_its_formula_says() -> None:
    from tests.standin import WEIGHTS

    single = picture_function(read_graph(arithmetic_graph()), INPUT, OUTPUT, PATH)
    answer = single(SHOWN.pixels.astype(np.float32))
    assert np.allclose(answer[..., 3], SHOWN.pixels @ np.array(WEIGHTS), atol=1e-3)
    assert np.array_equal(answer[..., :3], SHOWN.pixels)
