"""What a rewritten node computes, and where casts stand."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.quantize import derive
from kokoro_tui.core.rewrite import Rewriter
from kokoro_tui.graph.apply_plan import build_model, stored_forms
from kokoro_tui.graph.harness import read_harness
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from tests.graph.plans import everything_at
from tests.graph.single_ops import FLOAT, Array, initializers, normal, quantize_dynamic, run, single_op
from tests.models import INT64, ToyGraph, toy_kokoro, write

FP32, FP16, INT8, W8 = Precision
LSTM = {"w": normal(2, 16, 6), "r": normal(2, 16, 4, seed=1), "b": normal(2, 32, seed=2)}
BOTH_WAYS: dict[str, Any] = {"hidden_size": 4, "direction": "bidirectional"}

MODELS: dict[str, tuple[onnx.ModelProto, Array]] = {
    "Conv": (single_op("Conv", {"w": normal(4, 6, 3), "b": normal(4)}, pads=[1, 1]), normal(1, 6, 9, seed=9)),
    "Conv without bias": (single_op("Conv", {"w": normal(4, 6, 3)}, strides=[2]), normal(1, 6, 9, seed=9)),
    "Conv grouped": (single_op("Conv", {"w": normal(6, 1, 3), "b": normal(6)}, group=6), normal(1, 6, 9, seed=9)),
    "Conv 2D": (
        single_op("Conv", {"w": normal(4, 3, 3, 3), "b": normal(4)}, dims=("a", 3, "c", "d")),
        normal(1, 3, 7, 8, seed=9),
    ),
    "ConvTranspose": (
        single_op("ConvTranspose", {"w": normal(6, 4, 4), "b": normal(4)}, strides=[2]),
        normal(1, 6, 9, seed=9),
    ),
    "MatMul": (single_op("MatMul", {"w": normal(6, 5)}), normal(3, 6, seed=9)),
    "MatMul batched": (single_op("MatMul", {"w": normal(2, 6, 5)}, dims=(2, "n", 6)), normal(2, 3, 6, seed=9)),
    "Gemm": (single_op("Gemm", {"w": normal(6, 5), "b": normal(5)}), normal(3, 6, seed=9)),
    "Gemm transposed": (single_op("Gemm", {"w": normal(5, 6), "b": normal(5)}, transB=1), normal(3, 6, seed=9)),
    "Gemm without bias": (single_op("Gemm", {"w": normal(6, 5)}), normal(3, 6, seed=9)),
    "LSTM": (single_op("LSTM", LSTM, dims=("t", 1, 6), **BOTH_WAYS), normal(7, 1, 6, seed=9)),
    "LSTM without bias": (
        single_op("LSTM", {k: LSTM[k] for k in "wr"}, dims=("t", 1, 6), **BOTH_WAYS),
        normal(7, 1, 6, seed=9),
    ),
    "LSTM last state": (
        single_op("LSTM", LSTM, dims=("t", 1, 6), outputs=("", "y"), **BOTH_WAYS),
        normal(7, 1, 6, seed=9),
    ),
    "LSTM with everything": (
        single_op(
            "LSTM",
            {
                **LSTM,
                "lengths": np.array([5], np.int32),
                "h": normal(2, 1, 4, seed=3),
                "c": normal(2, 1, 4, seed=4),
                "p": normal(2, 12, seed=5),
            },
            dims=(7, 1, 6),
            outputs=("y", "yh", "yc"),
            **BOTH_WAYS,
        ),
        normal(7, 1, 6, seed=9),
    ),
    "Gather": (single_op("Gather", {"w": normal(20, 5)}, inputs=("w", "x")), np.array([3, 0, 19])),
    "Gather columns": (single_op("Gather", {"w": normal(20, 5)}, inputs=("w", "x"), axis=1), np.array([3, 0, 4])),
    "Add": (single_op("Add", {"w": normal(6, 9)}), normal(1, 6, 9, seed=9)),
    "Mul": (single_op("Mul", {"w": normal(6, 1)}), normal(1, 6, 9, seed=9)),
    "Sub reversed": (single_op("Sub", {"w": normal(6, 9)}, inputs=("w", "x")), normal(1, 6, 9, seed=9)),
    "Div": (single_op("Div", {"w": normal(6, 9) + np.float32(3)}), normal(1, 6, 9, seed=9)),
    "Pow": (single_op("Pow", {"w": np.array(2, np.float32)}), normal(1, 6, 9, seed=9)),
    "LayerNormalization": (
        single_op("LayerNormalization", {"w": normal(9), "b": normal(9)}, dims=("a", "b", 9)),
        normal(1, 6, 9, seed=9),
    ),
    "InstanceNormalization": (
        single_op("InstanceNormalization", {"w": normal(6), "b": normal(6)}, dims=(1, 6, "c")),
        normal(1, 6, 9, seed=9),
    ),
    "Reshape": (single_op("Reshape", {"s": np.array([-1, 3])}), normal(1, 6, 9, seed=9)),
    **{
        op: (single_op(op, {}), np.abs(normal(1, 6, 9, seed=9)) + np.float32(0.1))
        for op in ("LeakyRelu", "Relu", "Tanh", "Sigmoid", "Softmax", "Sin", "Cos", "Sqrt", "Reciprocal", "Transpose")
    },
}


def built(model: onnx.ModelProto, plan: Mapping[str, Precision], folder: Path, **options: Any) -> onnx.ModelProto:
    """The model as a plan builds it."""
    source = write(model, folder / "source.onnx")
    build_model(source, PrecisionPlan(plan, **options), folder / "built.onnx")
    return onnx.load(str(folder / "built.onnx"))


def with_weights(model: onnx.ModelProto, values: Mapping[str, Array]) -> onnx.ModelProto:
    """The model with other values in some of its initializers."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer:
        if tensor.name in values:
            tensor.CopyFrom(numpy_helper.from_array(values[tensor.name].astype(np.float32), tensor.name))
    return changed


def can_take(precision: Precision) -> list[str]:
    """Names of the models whose node can take a precision."""
    return [
        name
        for name, (model, _) in MODELS.items()
        if "node" in everything_at(inventory_of(model, Path("model.onnx"), 0), precision).choices
    ]


def test_every_operator_is_tried() -> None:
    assert can_take(FP16) == list(MODELS)
    assert {name.split()[0] for name in can_take(W8)} == {"Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "Gather"}
    assert {name.split()[0] for name in can_take(INT8)} == {"Conv", "MatMul", "Gemm", "LSTM"}


@pytest.mark.parametrize("name", MODELS)
def test_fp32_computes_what_it_did(name: str, tmp_path: Path) -> None:
    model, x = MODELS[name]
    for before, after in zip(run(model, x=x), run(built(model, {}, tmp_path), x=x), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", can_take(W8))
def test_w8_computes_with_the_dequantized_weights(name: str, tmp_path: Path) -> None:
    model, x = MODELS[name]
    inventory = inventory_of(model, Path("model.onnx"), 0)
    plan = PrecisionPlan({"node": W8})
    forms = stored_forms(Rewriter(inventory), plan)
    originals = initializers(model)
    restored = {}
    for weight, (form,) in forms.items():
        arrays: tuple[Array, ...] = derive(form, originals[weight])
        dims = [-1 if i == form.axis else 1 for i in range(arrays[0].ndim)]
        restored[weight] = (arrays[0] * arrays[1].reshape(dims)).reshape(originals[weight].shape)
        # What is stored is close to the weight, so this is a test of more than itself.
        np.testing.assert_allclose(restored[weight], originals[weight], atol=0.04)
    assert set(restored) == {"w", "r"} if name.startswith("LSTM") else {"w"}
    expected = run(with_weights(model, restored), x=x)
    for mine, theirs in zip(run(built(model, plan.choices, tmp_path), x=x), expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", can_take(INT8))
@pytest.mark.parametrize("weight_type", WeightType)
def test_int8_computes_what_quantize_dynamic_does(name: str, weight_type: WeightType, tmp_path: Path) -> None:
    model, x = MODELS[name]
    # Conv is UINT8 whatever the others are.
    theirs = quantize_dynamic(model, tmp_path, weight_type="QUInt8" if name.startswith("Conv") else weight_type.value)
    mine = built(model, {"node": INT8}, tmp_path, weight_type=weight_type)
    assert Counter(n.op_type for n in mine.graph.node) == Counter(
        n.op_type for n in theirs.graph.node if n.op_type != "Reshape"
    )
    for found, expected in zip(run(mine, x=x), run(theirs, x=x), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("name", can_take(INT8))
def test_int8_is_close_to_the_original(name: str, tmp_path: Path) -> None:
    model, x = MODELS[name]
    for found, expected in zip(run(built(model, {"node": INT8}, tmp_path), x=x), run(model, x=x), strict=True):
        np.testing.assert_allclose(found, expected, atol=0.03)


@pytest.mark.parametrize("name", MODELS)
def test_fp16_computes_with_rounded_weights_and_inputs(name: str, tmp_path: Path) -> None:
    model, x = MODELS[name]
    rounded = {k: v.astype(np.float16) for k, v in initializers(model).items() if v.dtype == np.float32}
    halved = x.astype(np.float16).astype(np.float32) if x.dtype == np.float32 else x
    expected = run(with_weights(model, rounded), x=halved)
    for found, value in zip(run(built(model, {"node": FP16}, tmp_path), x=x), expected, strict=True):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, value, rtol=2e-3, atol=2e-3)


# Casts


def chain(*ops: str) -> onnx.ModelProto:
    """Operators one after the other on [n, 6], each matrix with a weight of its own; values are called h0, h1 …"""
    g = ToyGraph()
    value = "x"
    for index, op in enumerate(ops):
        weights = [g.weight(f"w{index}", 6, 6)] if op in ("MatMul", "Add") else []
        value = g.add(op, f"n{index}", value, *weights, outputs=(f"h{index}" if index < len(ops) - 1 else "y",))
    info = helper.make_tensor_value_info
    return g.model([info("x", FLOAT, ["n", 6])], [info("y", FLOAT, ["n", 6])])


def ops_of(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_fp16_neighbours_hand_fp16_on(tmp_path: Path) -> None:
    model = chain("MatMul", "Tanh", "MatMul", "Add")
    half = built(model, dict.fromkeys(("n0", "n1", "n2", "n3"), FP16), tmp_path)
    assert ops_of(half) == ["Cast", "MatMul", "Tanh", "MatMul", "Add", "Cast"]
    x = normal(6, 6, seed=9)
    np.testing.assert_allclose(run(half, x=x)[0], run(model, x=x)[0], atol=5e-3)


def test_casts_stand_at_the_borders_only(tmp_path: Path) -> None:
    half = built(chain("MatMul", "Tanh", "MatMul", "Add"), {"n0": FP16, "n2": FP16, "n3": FP16}, tmp_path)
    assert ops_of(half) == ["Cast", "MatMul", "Cast", "Tanh", "Cast", "MatMul", "Add", "Cast"]


def fan_out() -> onnx.ModelProto:
    """One producer with three matrices as readers."""
    g = ToyGraph()
    g.add("Tanh", "producer", "x", outputs=("h",))
    info = helper.make_tensor_value_info
    for index in range(3):
        g.add("MatMul", f"n{index}", "h", g.weight(f"w{index}", 6, 6), outputs=(f"y{index}",))
    return g.model([info("x", FLOAT, ["n", 6])], [info(f"y{i}", FLOAT, ["n", 6]) for i in range(3)])


@pytest.mark.parametrize(
    ("plan", "casts"),
    [
        ({"n0": FP16, "n1": FP16, "n2": FP16}, 1),
        ({"producer": FP16}, 1 + 1),
        ({"producer": FP16, "n0": FP16}, 1 + 1),
        ({"producer": FP16, "n0": FP16, "n1": FP16, "n2": FP16}, 1),
        ({"producer": FP16, "n0": INT8, "n1": W8}, 1 + 1),
    ],
)
def test_a_tensor_is_cast_once_in_each_direction(plan: Mapping[str, Precision], casts: int, tmp_path: Path) -> None:
    half = built(fan_out(), plan, tmp_path)
    behind_halves = sum(plan.get(f"n{i}") is FP16 for i in range(3))
    inside_int8 = sum(precision is INT8 for precision in plan.values())
    assert ops_of(half).count("Cast") == casts + behind_halves + inside_int8


def test_an_activation_is_quantized_once_for_all_its_readers(tmp_path: Path) -> None:
    quantized = built(fan_out(), {"n0": INT8, "n1": INT8, "n2": INT8}, tmp_path)
    assert ops_of(quantized).count("DynamicQuantizeLinear") == 1
    assert ops_of(quantized).count("MatMulInteger") == 3


def test_graph_outputs_and_bodies_still_read_fp32(tmp_path: Path) -> None:
    inventory = inventory_of(toy_kokoro(), Path("toy.onnx"), 0)
    half = built(toy_kokoro(), everything_at(inventory, FP16).choices, tmp_path)
    makers = {name: node for node in half.graph.node for name in node.output}
    assert makers["/decoder/LeakyRelu_output_0"].op_type == "Cast"
    assert makers["waveform"].op_type == "Cast"
    branch = next(node for node in half.graph.node if node.op_type == "If")
    source = next(node for node in toy_kokoro().graph.node if node.op_type == "If")
    assert branch.SerializeToString() == source.SerializeToString()
    assert [o.type.tensor_type.elem_type for o in half.graph.output] == [FLOAT, INT64]


def test_a_graph_input_is_cast_once(tmp_path: Path) -> None:
    g = ToyGraph()
    info = helper.make_tensor_value_info
    for index in range(2):
        g.add("MatMul", f"n{index}", "x", g.weight(f"w{index}", 6, 6), outputs=(f"y{index}",))
    g.add("Identity", "keep", "x", outputs=("z",))
    outputs = [info(name, FLOAT, ["n", 6]) for name in ("y0", "y1", "z")]
    half = built(g.model([info("x", FLOAT, ["n", 6])], outputs), {"n0": FP16, "n1": FP16}, tmp_path)
    assert ops_of(half) == ["Cast", "MatMul", "Cast", "MatMul", "Cast", "Identity"]


# Weights


def test_a_shared_weight_is_converted_once(tmp_path: Path) -> None:
    pair = ("/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul")
    model = built(toy_kokoro(), dict.fromkeys(pair, W8), tmp_path)
    stored = [tensor.name for tensor in model.graph.initializer if tensor.name.startswith("bert.shared")]
    assert stored == ["bert.shared__w8s1", "bert.shared__w8s1_scale", "bert.shared__w8s1_shape"]
    assert ops_of(model).count("DequantizeLinear") == 1
    readers = [node.input[1] for node in model.graph.node if node.name in pair]
    assert readers == ["bert.shared__w8s1_dq", "bert.shared__w8s1_dq"]


def test_a_weight_that_is_read_at_three_precisions_is_stored_in_three_forms(tmp_path: Path) -> None:
    g = ToyGraph()
    info = helper.make_tensor_value_info
    weight = g.weight("w", 6, 6)
    for index in range(4):
        g.add("MatMul", f"n{index}", "x", weight, outputs=(f"y{index}",))
    model = g.model([info("x", FLOAT, ["n", 6])], [info(f"y{i}", FLOAT, ["n", 6]) for i in range(4)])
    plan = {"n1": FP16, "n2": INT8, "n3": W8}
    result = built(model, plan, tmp_path)
    types = {t.name: onnx.TensorProto.DataType.Name(t.data_type) for t in result.graph.initializer}
    assert {name: kind for name, kind in types.items() if not name.endswith(("scale", "zero_point", "shape"))} == {
        "w": "FLOAT", "w__fp16": "FLOAT16", "w__quantized_int8": "INT8", "w__w8s1": "INT8",
    }  # fmt: skip
    x = normal(2, 6, seed=9)
    exact, *others = run(result, x=x)
    np.testing.assert_array_equal(exact, run(model, x=x)[0])
    for other in others:
        np.testing.assert_allclose(other, exact, atol=0.02)


def test_a_weight_that_nobody_reads_any_more_is_gone(tmp_path: Path) -> None:
    model = built(single_op("MatMul", {"w": normal(6, 6)}), {"node": FP16}, tmp_path)
    assert [tensor.name for tensor in model.graph.initializer] == ["w__fp16"]


def test_two_gemms_may_read_one_weight_this_way_and_that(tmp_path: Path) -> None:
    g = ToyGraph()
    info = helper.make_tensor_value_info
    weight = g.weight("w", 6, 6)
    g.add("Gemm", "straight", "x", weight, outputs=("y",))
    g.add("Gemm", "turned", "x", weight, outputs=("z",), transB=1)
    model = g.model([info("x", FLOAT, ["n", 6])], [info("y", FLOAT, ["n", 6]), info("z", FLOAT, ["n", 6])])
    x = normal(2, 6, seed=9)
    for precision, tolerance in ((INT8, 0.03), (W8, 0.02)):
        result = built(model, {"straight": precision, "turned": precision}, tmp_path)
        for found, expected in zip(run(result, x=x), run(model, x=x), strict=True):
            np.testing.assert_allclose(found, expected, atol=tolerance)


def test_metadata_and_what_the_plan_does_not_touch_stay_to_the_byte(tmp_path: Path) -> None:
    model = toy_kokoro()
    model.metadata_props.add(key="kokoro_tui.weights_sha256", value="00ff")
    model.graph.node[5].doc_string = "documented"
    key = "/decoder/generator/conv_post/Conv"
    result = built(model, {key: W8}, tmp_path)
    assert result.metadata_props == model.metadata_props
    before = {n.name: n.SerializeToString() for n in model.graph.node if n.name != key}
    after = {n.name: n.SerializeToString() for n in result.graph.node if n.name in before}
    assert after == before
    untouched = {t.name: t.SerializeToString(deterministic=True) for t in result.graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.name != "post.weight":
            assert untouched[tensor.name] == tensor.SerializeToString(deterministic=True)


@pytest.mark.parametrize(("precision", "tolerance"), [(FP16, 0.01), (W8, 0.01), (INT8, 0.1)])
def test_the_toy_model_still_speaks(precision: Precision, tolerance: float, toy_model: Path, tmp_path: Path) -> None:
    source = read_inventory(toy_model)
    plan = everything_at(source, precision)
    build_model(toy_model, plan, tmp_path / "built.onnx")
    feeds: dict[str, Array] = {
        "input_ids": np.arange(9)[None], "style": normal(1, 256), "speed": np.ones(1, np.float32),
        "kokoro_tui.durations": np.array([1, 2, 3, 4, 5, 4, 3, 2, 1]),
    }  # fmt: skip
    sounds = []
    for path in (toy_model, tmp_path / "built.onnx"):
        harness = read_harness(path, "duration")
        noise = {entry.name: entry.draws(1, i, 9999) for i, entry in enumerate(harness.noise)}
        sounds.append(run(onnx.ModelProto.FromString(harness.model), **feeds, **noise)[0])
    error = np.sqrt(np.mean((sounds[0] - sounds[1]) ** 2)) / np.sqrt(np.mean(sounds[0] ** 2))
    assert 0 < error < tolerance


def test_who_asks_for_the_same_rules_shares_them(toy_model: Path) -> None:
    inventory = read_inventory(toy_model)
    rules = Rewriter.of(inventory, PrecisionPlan())
    assert Rewriter.of(inventory, everything_at(inventory, FP16)) is rules
    unsigned = Rewriter.of(inventory, PrecisionPlan(weight_type=WeightType.QUINT8))
    assert unsigned is not rules and unsigned.weight_type is WeightType.QUINT8
    assert Rewriter.of(read_inventory(toy_model), PrecisionPlan()) is not rules
    gone = weakref.ref(rules)
    del rules
    assert gone() is None, "nobody needs them any more"
