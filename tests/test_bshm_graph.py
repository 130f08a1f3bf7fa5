"""Reading a graph that somebody brings: what it may do, what it answers, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bshm_watchd.errors import ConfigError
from bshm_watchd.matting.bshm.graph import read_graph
from bshm_watchd.matting.bshm.operations import refusal
from tests.support.graphs import arithmetic_graph, graph_file, stand_in


def problems(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_graph(path)
    return "\n".join(caught.value.problems)


def test_a_network_of_bshms_structure_is_read() -> None:
    names = {node.name for node in read_graph(stand_in()).node}
    assert {"input_image", "output_png"} <= names


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_no_graph(share: float, tmp_path: Path) -> None:
    whole = stand_in().read_bytes()
    cut = tmp_path / "tf_graph.pb"
    cut.write_bytes(whole[: int(len(whole) * share)])
    assert "copy it again" in problems(cut)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n" * 8, b"<html>404</html>", bytes(4096)])
def test_another_file_is_no_graph(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "tf_graph.pb"
    path.write_bytes(content)
    assert str(path) in problems(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert "No such file" in problems(tmp_path / "none.pb")


def reads_a_file(picture: Any) -> Any:
    import tensorflow as tf

    secret = tf.io.decode_raw(tf.io.read_file("/etc/passwd"), tf.uint8)
    return tf.concat([picture, picture[..., :1] + tf.cast(tf.shape(secret)[0], tf.float32)], -1, name="output_png")


def writes_a_file(picture: Any) -> Any:
    import tensorflow as tf

    with tf.control_dependencies([tf.io.write_file("/tmp/written-by-a-graph", "x")]):
        return tf.concat([picture, picture[..., :1]], -1, name="output_png")


def calls_python(picture: Any) -> Any:
    import tensorflow as tf

    made = tf.numpy_function(lambda values: values, [picture[..., :1]], tf.float32)
    return tf.concat([picture, tf.ensure_shape(made, [None, None, 1])], -1, name="output_png")


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (reads_a_file, "ReadFile reads or writes files"),
        (writes_a_file, "WriteFile reads or writes files"),
        (calls_python, "PyFunc calls a script"),
    ],
)
def test_a_graph_that_reaches_beyond_its_tensors_is_refused(function: Any, why: str, tmp_path: Path) -> None:
    assert why in problems(graph_file(tmp_path, function))


def test_what_a_function_inside_the_graph_does_is_looked_at_as_well(tmp_path: Path) -> None:
    import tensorflow as tf

    graph = read_graph(arithmetic_graph())
    function = tf.function(lambda: tf.io.read_file("/etc/passwd")).get_concrete_function()
    graph.library.function.append(function.function_def)
    path = tmp_path / "tf_graph.pb"
    path.write_bytes(graph.SerializeToString())
    assert "ReadFile" in problems(path)


def test_no_function_of_the_graph_hides_behind_the_name_of_an_operation(tmp_path: Path) -> None:
    graph = read_graph(arithmetic_graph())
    graph.library.function.add().signature.name = "ReadFile"
    graph.node.add(name="added", op="ReadFile")
    path = tmp_path / "tf_graph.pb"
    path.write_bytes(graph.SerializeToString())
    assert "ReadFile" in problems(path)


def test_weights_outside_the_graph_are_named_as_what_they_are() -> None:
    assert "freeze it first" in str(refusal("VariableV2"))


def test_every_refused_operation_is_named_at_once(tmp_path: Path) -> None:
    graph = read_graph(arithmetic_graph())
    for number, operation in enumerate(["ReadFile", "PyFunc", "TensorListReserve"]):
        graph.node.add(name=f"added_{number}", op=operation)
    path = tmp_path / "tf_graph.pb"
    path.write_bytes(graph.SerializeToString())
    said = problems(path)
    assert all(operation in said for operation in ("ReadFile", "PyFunc", "TensorListReserve"))
