"""Draws and durations become inputs: two runs then differ only by what was changed in the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.errors import InputError
from kokoro_tui.graph.harness import NOISE_PREFIX, PINNED_DURATIONS, Harness, NoiseInput, expose_noise, read_harness
from tests.graph.single_ops import FLOAT, INT64, normal, run, single_op
from tests.models import ToyGraph, toy_kokoro, write

Array = npt.NDArray[Any]


def speak(harness: Harness, *, seed: int = 1, durations: Array | None = None) -> list[Array]:
    """The outputs of a toy Kokoro for five tokens with paired noise; pinned durations are two frames unless given."""
    feeds: dict[str, Array] = {n.name: n.draws(seed, i, 5000) for i, n in enumerate(harness.noise)}
    feeds |= {"input_ids": np.arange(5)[None], "style": normal(1, 256), "speed": np.ones(1, np.float32)}
    if harness.pinnable:
        feeds[PINNED_DURATIONS] = np.full(5, 2) if durations is None else durations
    return run(onnx.ModelProto.FromString(harness.model), **feeds)


def test_the_same_draws_give_the_same_sound(toy_model: Path) -> None:
    first, second = (read_harness(toy_model, "duration") for _ in range(2))
    assert first == second
    for one, other in zip(speak(first), speak(second), strict=True):
        np.testing.assert_array_equal(one, other)


def test_other_draws_give_another_sound_with_the_same_durations(toy_model: Path) -> None:
    harness = read_harness(toy_model, None)
    one, other = speak(harness), speak(harness, seed=2)
    assert np.abs(one[0] - other[0]).max() > 1e-4
    np.testing.assert_array_equal(one[1], other[1])


def test_the_source_file_is_not_changed(toy_model: Path) -> None:
    content = toy_model.read_bytes()
    read_harness(toy_model, "duration")
    assert toy_model.read_bytes() == content


def test_external_data_is_brought_in(tmp_path: Path) -> None:
    model = toy_kokoro()
    inside = write(model, tmp_path / "inside.onnx")
    onnx.save(model, tmp_path / "outside.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0)
    one, other = (speak(read_harness(path, "duration")) for path in (inside, tmp_path / "outside.onnx"))
    np.testing.assert_array_equal(one[0], other[0])


# Draws


def random_op(op: str, *, dims: tuple[str | int, ...] = ("a", "b", "c"), **attributes: Any) -> onnx.ModelProto:
    """A model that returns the draws of one random node shaped like ``x``, or of a stated shape."""
    model = single_op("Relu", {}, dims=dims)
    source = [] if "shape" in attributes else ["x"]
    model.graph.node.append(helper.make_node(op, source, ["drawn"], name="random", **attributes))
    model.graph.output.append(helper.make_tensor_value_info("drawn", FLOAT, None))
    return model


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 5, 7), (4, 1, 70)])
@pytest.mark.parametrize("count", [1, 7, 60, 1000])
def test_element_i_is_draw_i_modulo_the_number_of_draws(shape: tuple[int, ...], count: int) -> None:
    model = random_op("RandomNormalLike")
    (noise,) = expose_noise(model)
    draws = np.arange(count, dtype=np.float32)
    _, drawn = run(model, x=np.zeros(shape, np.float32), **{noise.name: draws})
    expected = draws[np.arange(int(np.prod(shape))) % count].reshape(shape)
    np.testing.assert_array_equal(drawn, expected)


def test_a_scalar_is_one_draw() -> None:
    model = random_op("RandomUniformLike", dims=())
    (noise,) = expose_noise(model)
    _, drawn = run(model, x=np.zeros((), np.float32), **{noise.name: np.array([3.0, 4.0], np.float32)})
    assert (drawn.shape, float(drawn)) == ((), 3.0)


@pytest.mark.parametrize("op", ["RandomNormal", "RandomUniform"])
def test_nodes_of_a_stated_shape_are_fed_too(op: str) -> None:
    model = random_op(op, shape=[3, 4])
    (noise,) = expose_noise(model)
    _, drawn = run(model, x=np.zeros((1, 1, 1), np.float32), **{noise.name: np.arange(5, dtype=np.float32)})
    np.testing.assert_array_equal(drawn, (np.arange(12) % 5).reshape(3, 4))


def test_the_parameters_of_the_distributions_are_kept() -> None:
    for model, expected in (
        (random_op("RandomNormalLike", mean=2.0, scale=0.5), ("normal", 2.0, 0.5)),
        (random_op("RandomNormal", shape=[2]), ("normal", 0.0, 1.0)),
        (random_op("RandomUniformLike", low=-1.0, high=3.0), ("uniform", -1.0, 3.0)),
        (random_op("RandomUniform", shape=[2]), ("uniform", 0.0, 1.0)),
    ):
        assert expose_noise(model) == (NoiseInput(f"{NOISE_PREFIX}0", *expected),)


def test_draws_follow_their_distribution() -> None:
    normals = NoiseInput("n", "normal", 2.0, 0.5).draws(1, 0, 20_000)
    uniforms = NoiseInput("u", "uniform", -1.0, 3.0).draws(1, 1, 20_000)
    assert (normals.dtype, uniforms.dtype) == (np.dtype(np.float32), np.dtype(np.float32))
    assert normals.mean() == pytest.approx(2.0, abs=0.02)
    assert normals.std() == pytest.approx(0.5, abs=0.02)
    assert (uniforms.min(), uniforms.max()) == pytest.approx((-1.0, 3.0), abs=0.01)
    assert uniforms.mean() == pytest.approx(1.0, abs=0.05)


def test_every_node_has_draws_of_its_own() -> None:
    noise = NoiseInput("n", "normal", 0.0, 1.0)
    np.testing.assert_array_equal(noise.draws(1, 0, 100), noise.draws(1, 0, 100))
    assert (noise.draws(1, 0, 100) != noise.draws(1, 1, 100)).any()
    assert (noise.draws(1, 0, 100) != noise.draws(2, 0, 100)).any()
    np.testing.assert_array_equal(noise.draws(1, 0, 50), noise.draws(1, 0, 100)[:50])


@pytest.mark.parametrize("stated", [True, False])
def test_a_node_of_a_half_precision_model_draws_half_precision(stated: bool) -> None:
    model = single_op("Relu", {})
    graph = model.graph
    graph.node.insert(0, helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16))
    graph.node[1].input[0] = "h"
    del graph.value_info[:]
    graph.value_info.append(helper.make_tensor_value_info("h", TensorProto.FLOAT16, ["a", "b", "c"]))
    graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT16
    graph.node.append(helper.make_node("RandomNormalLike", ["x" if stated else "h"], ["drawn"]))
    if stated:
        graph.node[-1].attribute.append(helper.make_attribute("dtype", TensorProto.FLOAT16))
    graph.output.append(helper.make_tensor_value_info("drawn", TensorProto.FLOAT16, None))
    (noise,) = expose_noise(model)
    _, drawn = run(model, x=np.zeros((1, 2, 2), np.float32), **{noise.name: np.array([0.1, 0.2], np.float32)})
    np.testing.assert_array_equal(drawn, np.array([[[0.1, 0.2], [0.1, 0.2]]], np.float16))


def test_draws_that_are_no_floats_are_refused() -> None:
    with pytest.raises(InputError, match="the random node random draws no floating-point numbers"):
        expose_noise(random_op("RandomNormalLike", dtype=INT64))


def test_random_nodes_that_cannot_be_fed_are_told(tmp_path: Path) -> None:
    model = toy_kokoro()
    body = next(node for node in model.graph.node if node.op_type == "If").attribute[0].g
    body.node.append(helper.make_node("RandomNormalLike", ["else_out"], ["unused"], name="inner noise"))
    model.graph.node.append(helper.make_node("Bernoulli", ["style"], ["coin"], name="coin"))
    harness = read_harness(write(model, tmp_path / "model.onnx"), None)
    assert sorted(harness.unpaired) == ["coin", "inner noise"]
    assert len(harness.noise) == 2


def test_everything_of_the_toy_model_is_paired(toy_model: Path) -> None:
    harness = read_harness(toy_model, "duration")
    assert (harness.unpaired, harness.pinnable) == ((), True)
    assert [(n.distribution, n.low_or_mean) for n in harness.noise] == [("normal", 0.0), ("uniform", 0.0)]
    assert [n.high_or_scale for n in harness.noise] == pytest.approx([0.02, 0.02])


# Durations


def test_pinned_durations_hold(toy_model: Path) -> None:
    harness = read_harness(toy_model, "duration")
    durations = np.array([1, 3, 2, 7, 1])
    waveform, own = speak(harness, durations=durations)
    assert waveform.size == durations.sum() * 600
    free = speak(read_harness(toy_model, None))
    np.testing.assert_array_equal(own, free[1])
    assert free[0].size == own.sum() * 600


def test_pinning_the_models_own_durations_changes_nothing(toy_model: Path) -> None:
    free = speak(read_harness(toy_model, None))
    pinned = speak(read_harness(toy_model, "duration"), durations=free[1])
    np.testing.assert_array_equal(free[0], pinned[0])


def test_bodies_that_read_the_durations_read_the_input_too(tmp_path: Path) -> None:
    g = ToyGraph()
    g.add("Mul", "length", "x", g.constant("two", np.array(2)), outputs=("frames",))
    body = helper.make_graph(
        [helper.make_node("Neg", ["frames"], ["inner"])],
        "body",
        [],
        [helper.make_tensor_value_info("inner", INT64, ["n"])],
    )
    other = helper.make_graph(
        [helper.make_node("Abs", ["frames"], ["outer"])],
        "other",
        [],
        [helper.make_tensor_value_info("outer", INT64, ["n"])],
    )
    value = helper.make_tensor_value_info
    condition = g.constant("condition", np.array(True))
    g.add("If", "if", condition, outputs=("y",), then_branch=body, else_branch=other)
    model = g.model([value("x", INT64, ["n"])], [value("y", INT64, ["n"]), value("frames", INT64, ["n"])])
    harness = read_harness(write(model, tmp_path / "model.onnx"), "frames")
    assert harness.pinnable
    feeds = {"x": np.array([1, 2]), PINNED_DURATIONS: np.array([5, 6])}
    result, own = run(onnx.ModelProto.FromString(harness.model), **feeds)
    assert (result.tolist(), own.tolist()) == ([-5, -6], [2, 4])


@pytest.mark.parametrize("name", ["absent", "waveform"])
def test_what_is_no_output_or_read_by_nobody_is_not_pinned(name: str, toy_model: Path) -> None:
    harness = read_harness(toy_model, name)
    assert not harness.pinnable
    assert PINNED_DURATIONS not in {value.name for value in onnx.ModelProto.FromString(harness.model).graph.input}


def test_the_pin_has_the_type_and_shape_of_the_durations(tmp_path: Path) -> None:
    model = toy_kokoro()
    graph = model.graph
    graph.node.append(helper.make_node("Cast", ["duration"], ["frames"], to=TensorProto.INT32, name="cast"))
    graph.node.append(helper.make_node("Neg", ["frames"], ["negative"], name="reader"))
    graph.output.append(helper.make_tensor_value_info("frames", TensorProto.INT32, ["n"]))
    harness = read_harness(write(model, tmp_path / "model.onnx"), "frames")
    pin = onnx.ModelProto.FromString(harness.model).graph.input[-1]
    assert pin.name == PINNED_DURATIONS
    assert pin.type.tensor_type.elem_type == TensorProto.INT32


@pytest.mark.real
def test_the_real_model_is_paired_and_pinned(real_model: Path) -> None:
    harness = read_harness(real_model, "duration")
    assert (harness.pinnable, harness.unpaired, len(harness.noise)) == (True, (), 2)
    original = onnx.load(real_model)
    changed = onnx.ModelProto.FromString(harness.model)
    weights = {t.name: numpy_helper.to_array(t) for t in original.graph.initializer[:50]}
    kept = {t.name: numpy_helper.to_array(t) for t in changed.graph.initializer if t.name in weights}
    assert all(np.array_equal(weights[name], kept[name]) for name in weights)
