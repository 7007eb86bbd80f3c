"""Static INT8: what is built, that it is what onnxruntime's quantizer builds, and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from onnx import helper

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import calibrated_values
from kokoro_tui.core.sizing import Sizer, largest_tensors
from kokoro_tui.core.support import refusal
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from kokoro_tui.graph.verify import verify_against_plan
from tests.graph.plans import everything_at, plans, wide_calibration
from tests.graph.single_ops import FLOAT, Array, initializers, normal, run, single_op
from tests.graph.test_estimate import KINDS, assert_exact
from tests.models import ToyGraph, toy_kokoro, write

FP32, FP16, INT8, W8 = Precision
QINT8, QUINT8 = WeightType
TYPES = [(QINT8, QINT8), (QINT8, QUINT8), (QUINT8, QUINT8)]
"""Weights and activations."""
TOY = inventory_of(toy_kokoro(), Path("toy.onnx"), toy_kokoro().ByteSize())
OF_OP = {"Conv": "QLinearConv", "Gemm": "QGemm", "MatMul": "QLinearMatMul", "Add": "QLinearAdd", "Mul": "QLinearMul"}
Single = tuple[onnx.ModelProto, tuple[int, ...]]


def singles() -> dict[str, Single]:
    """One node of every kind, with the shape of its input."""
    return {
        "conv": (single_op("Conv", {"w": normal(8, 4, 3), "b": normal(8)}, pads=[1, 1], dilations=[1]), (1, 4, 9)),
        "conv_no_bias": (single_op("Conv", {"w": normal(8, 2, 3)}, group=2, strides=[2]), (1, 4, 9)),
        "gemm": (single_op("Gemm", {"w": normal(8, 4), "b": normal(8)}, transB=1), (3, 4)),
        "gemm_no_bias": (single_op("Gemm", {"w": normal(4, 8)}), (3, 4)),
        "matmul": (single_op("MatMul", {"w": normal(4, 8)}, dims=(1, "n", 4)), (1, 3, 4)),
        "add": (single_op("Add", {"w": normal(1, 4, 1)}), (1, 4, 9)),
        "add_first": (single_op("Add", {"w": normal(4, 1)}, inputs=("w", "x")), (1, 4, 9)),
        "mul": (single_op("Mul", {"w": normal(4, 1)}), (1, 4, 9)),
        "mul_scalar": (single_op("Mul", {"w": np.array(0.7, np.float32)}), (1, 4, 9)),
    }


def ranges_of(model: onnx.ModelProto, data: Array) -> dict[str, tuple[float, float]]:
    """What the input and the output of a single op hold."""
    (result,) = run(model, x=data)
    return {"x": (float(data.min()), float(data.max())), "y": (float(result.min()), float(result.max()))}


def quantize_static(
    model: onnx.ModelProto, ranges: dict[str, tuple[float, float]], types: tuple[WeightType, WeightType]
) -> onnx.ModelProto:
    """What onnxruntime's quantizer makes of a single op in the QOperator format."""
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
    from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
    from onnxruntime.quantization.quant_utils import QuantizationMode

    found = {name: (np.array(low, np.float32), np.array(high, np.float32)) for name, (low, high) in ranges.items()}
    weights, activations = (QuantType[kind.value] for kind in types)
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    quantizer = ONNXQuantizer(
        copy, False, False, QuantizationMode.QLinearOps, True, weights, activations,
        TensorsData(CalibrationMethod.MinMax, found), ["node"], [], list(OF_OP), {"DisableShapeInference": True},
    )  # fmt: skip
    quantizer.quantize_model()
    result = quantizer.model.model
    assert isinstance(result, onnx.ModelProto)
    return result


def operands(model: onnx.ModelProto) -> dict[str, list[tuple[str, bytes] | None]]:
    """Type and content of every constant input of the integer operators, by node."""
    known = initializers(model)
    return {
        node.name: [(str(known[i].dtype), known[i].tobytes()) if i in known else None for i in node.input]
        for node in model.graph.node
        if node.op_type in OF_OP.values()
    }


@pytest.mark.parametrize("types", TYPES, ids=lambda pair: f"{pair[0]}-{pair[1]}")
@pytest.mark.parametrize("name", singles())
def test_a_node_is_what_onnxruntimes_quantizer_makes_of_it(
    name: str, types: tuple[WeightType, WeightType], tmp_path: Path
) -> None:
    model, shape = singles()[name]
    data = normal(*shape, seed=4, scale=1.0)
    ranges = ranges_of(model, data)
    source = write(model, tmp_path / "single.onnx")
    plan = PrecisionPlan({"node": INT8}, weight_type=types[0], calibration=Calibration(types[1], ranges))
    assert_exact(source, plan, tmp_path / "built.onnx")
    built = onnx.load(str(tmp_path / "built.onnx"))
    expected = quantize_static(model, ranges, types)
    # It stores an operand of Add and Mul symmetrically wherever weights are, in the activations' type all the same.
    if model.graph.node[0].op_type not in ("Add", "Mul") or types[0] is types[1]:
        assert operands(built) == operands(expected)
        assert np.array_equal(run(built, x=data)[0], run(expected, x=data)[0])
    assert np.abs(run(built, x=data)[0] - run(model, x=data)[0]).max() < 0.05


def chain() -> onnx.ModelProto:
    """MatMul, Add, Tanh, Conv-like Gemm and Mul: neighbours that are quantized and one between that is not."""
    g = ToyGraph()
    value = g.add("MatMul", "a", "x", g.weight("a.w", 16, 16))
    value = g.add("Add", "b", value, g.weight("b.w", 16))
    value = g.add("Tanh", "c", value)
    value = g.add("Gemm", "d", value, g.weight("d.w", 16, 16), g.weight("d.b", 16))
    g.add("Mul", "e", value, g.weight("e.w", 16), outputs=("y",))
    dims = helper.make_tensor_value_info
    return g.model([dims("x", FLOAT, ["n", 16])], [dims("y", FLOAT, ["n", 16])])


def test_neighbours_hand_integers_on(tmp_path: Path) -> None:
    source = write(chain(), tmp_path / "chain.onnx")
    inventory = read_inventory(source)
    plan = everything_at(inventory, INT8, wide_calibration(inventory))
    report = build_model(source, plan, tmp_path / "built.onnx")
    assert report.added_ops == {
        "QuantizeLinear": 2, "DequantizeLinear": 2, "QLinearMatMul": 1, "QLinearAdd": 1, "QGemm": 1, "QLinearMul": 1,
    }  # fmt: skip
    built = onnx.load(str(tmp_path / "built.onnx"))
    assert sum(name.endswith("static_scale") for name in initializers(built)) == 6
    assert not {value.name for value in built.graph.value_info} & {"a_output_0", "d_output_0"}


def test_half_neighbours_are_reached_by_way_of_float(tmp_path: Path) -> None:
    source = write(chain(), tmp_path / "chain.onnx")
    inventory = read_inventory(source)
    plan = PrecisionPlan({"a": INT8, "b": FP16, "d": FP16, "e": INT8}, calibration=wide_calibration(inventory))
    assert_exact(source, plan, tmp_path / "built.onnx")
    built = onnx.load(str(tmp_path / "built.onnx"))
    assert Counter(node.op_type for node in built.graph.node) == {
        "QuantizeLinear": 2, "QLinearMatMul": 1, "DequantizeLinear": 2, "Cast": 4, "Add": 1, "Tanh": 1, "Gemm": 1,
        "QLinearMul": 1,
    }  # fmt: skip
    data = normal(3, 16, seed=9)
    assert np.abs(run(built, x=data)[0] - run(chain(), x=data)[0]).max() < 0.1


def test_a_quantized_value_that_is_a_graph_output_stays_float(tmp_path: Path) -> None:
    model = chain()
    model.graph.output.append(helper.make_tensor_value_info("a_output_0", FLOAT, ["n", 16]))
    source = write(model, tmp_path / "chain.onnx")
    inventory = read_inventory(source)
    plan = PrecisionPlan({"a": INT8, "b": INT8}, calibration=wide_calibration(inventory))
    assert_exact(source, plan, tmp_path / "built.onnx")
    data = normal(3, 16, seed=9)
    for found, expected in zip(run(tmp_path / "built.onnx", x=data), run(model, x=data), strict=True):
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 0.05


@pytest.mark.parametrize("types", TYPES, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def test_the_toy_model_with_everything_static(
    types: tuple[WeightType, WeightType], toy_model: Path, tmp_path: Path
) -> None:
    plan = everything_at(TOY, INT8, wide_calibration(TOY, types[1]))
    plan = replace(plan, weight_type=types[0])
    assert_exact(toy_model, plan, tmp_path / "built.onnx")
    ops = Counter(TOY.by_key[key].op for key in plan.choices)
    built = Counter(node.op_type for node in onnx.load(str(tmp_path / "built.onnx")).graph.node)
    assert {OF_OP[op]: count for op, count in ops.items()} == {op: built[op] for op in OF_OP.values() if built[op]}
    feeds = {
        "input_ids": np.array([[0, 5, 6, 0]]),
        "style": normal(1, 256),
        "speed": np.ones(1, np.float32),
    }
    assert np.isfinite(run(tmp_path / "built.onnx", **feeds)[0]).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=plans(TOY, wide_calibration(TOY)))
def test_any_static_plan_of_the_toy_model(plan: PrecisionPlan, toy_model: Path) -> None:
    assert_exact(toy_model, plan, toy_model.with_name("built.onnx"))
    stored = Sizer(TOY).estimate(plan).stored
    built = read_inventory(toy_model.with_name("built.onnx"))
    assert sum(stored.values()) == sum(tensor.nbytes for tensor in built.tensors.values())
    weights = sum(size for name, _, size in largest_tensors(TOY, plan, 1000))
    assert 0 <= sum(stored.values()) - weights <= 5 * len(calibrated_values(TOY, plan))


@given(plans(TOY, wide_calibration(TOY)), plans(TOY))
@settings(deadline=None)
def test_one_sizer_serves_dynamic_and_static_plans_in_turn(static: PrecisionPlan, dynamic: PrecisionPlan) -> None:
    sizer = Sizer(TOY)
    for plan in (static, dynamic, static):
        assert sizer.estimate(plan) == Sizer(TOY, plan).estimate(plan)


@given(plans(TOY, wide_calibration(TOY)), plans(TOY))
@settings(deadline=None)
def test_nodes_of_dynamic_and_static_plans_are_sized_in_turn(static: PrecisionPlan, dynamic: PrecisionPlan) -> None:
    sizer = Sizer(TOY)
    for plan, other in ((static, dynamic), (dynamic, static)):
        fresh = Sizer(TOY, plan)
        sizer.estimate(other)  # as when a candidate is taken beside the plan on show
        for key in plan.choices:
            assert sizer.node_bytes(key, plan) == fresh.node_bytes(key, plan)


def test_the_estimate_needs_no_ranges() -> None:
    plan = everything_at(TOY, INT8, wide_calibration(TOY))
    request = replace(plan, calibration=Calibration())
    assert Sizer(TOY).estimate(request) == Sizer(TOY).estimate(plan)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_static_plans_of_models_of_every_kind(kind: Callable[[onnx.ModelProto, Path], Path], tmp_path: Path) -> None:
    source = kind(toy_kokoro(), tmp_path)
    inventory = read_inventory(source)
    assert_exact(source, everything_at(inventory, INT8, wide_calibration(inventory)), tmp_path / "built.onnx")


def test_a_static_model_is_built_again(toy_model: Path, tmp_path: Path) -> None:
    first = PrecisionPlan({"/encoder/style/Gemm": INT8}, calibration=wide_calibration(TOY))
    build_model(toy_model, first, tmp_path / "1.onnx")
    inventory = read_inventory(tmp_path / "1.onnx")
    second = everything_at(inventory, INT8, wide_calibration(inventory))
    assert "/encoder/style/Gemm_quant" not in second.choices
    assert_exact(tmp_path / "1.onnx", second, tmp_path / "2.onnx")


def test_a_plan_without_a_range_or_a_kernel_is_refused(toy_model: Path, tmp_path: Path) -> None:
    pending = PrecisionPlan({"/encoder/style/Gemm": INT8}, calibration=Calibration(ranges={"style": (0.0, 1.0)}))
    with pytest.raises(InputError, match="/encoder/style/Gemm_output_0 has no calibrated range"):
        build_model(toy_model, pending, tmp_path / "built.onnx")
    wide = wide_calibration(TOY, QINT8)
    with pytest.raises(InputError, match="no kernel for INT8 activations with UINT8 weights"):
        build_model(toy_model, PrecisionPlan(weight_type=QUINT8, calibration=wide), tmp_path / "built.onnx")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (single_op("ConvTranspose", {"w": normal(4, 8, 3)}), "ConvTranspose has no static INT8 form"),
        (single_op("Relu", {}), "Relu has no static INT8 form"),
        (single_op("Add", {}, inputs=("x", "x")), "neither or both of its operands are initializers"),
        (single_op("Mul", {"w": normal(4), "v": normal(4)}, inputs=("w", "v")), "neither or both of its operands"),
        (single_op("Add", {"w": normal(4)}, opset=10), "INT8 needs opset 11"),
        (single_op("Gemm", {"w": normal(4, 4)}, alpha=0.5), "Gemm with alpha, beta or transA has no integer form"),
        (single_op("MatMul", {"w": normal(4, 4)}, inputs=("w", "x")), "its weight (input 1) is not an initializer"),
        (single_op("Gemm", {"w": normal(4, 4)}, inputs=("x", "w", "x")), "its bias is not an initializer"),
    ],
)  # fmt: skip
def test_what_has_no_static_form_is_refused_with_the_reason(model: onnx.ModelProto, reason: str) -> None:
    inventory = inventory_of(model, Path("single.onnx"), 0)
    assert (refusal(inventory, inventory.main_nodes[0], INT8, static=True) or "").startswith(reason)


# Verifying


def retyped_zero_point(model: onnx.ModelProto) -> None:
    """The integer node reads another zero point than its input was quantized with."""
    node = next(n for n in model.graph.node if n.op_type == "QLinearMatMul")
    node.input[2] = node.input[7]


def other_activation(model: onnx.ModelProto) -> None:
    """The integer node reads another value."""
    quantizer = next(n for n in model.graph.node if n.op_type == "QuantizeLinear")
    node = next(n for n in model.graph.node if n.op_type == "QGemm")
    node.input[0] = quantizer.output[0]


def no_bias(model: onnx.ModelProto) -> None:
    """The integer node has lost its bias."""
    next(n for n in model.graph.node if n.op_type == "QGemm").input[6] = ""


def other_operator(model: onnx.ModelProto) -> None:
    """Mul where the plan has Add."""
    next(n for n in model.graph.node if n.op_type == "QLinearAdd").op_type = "QLinearMul"


def scale_of_another(model: onnx.ModelProto) -> None:
    """The result has the scale of another value."""
    node = next(n for n in model.graph.node if n.op_type == "QLinearMul")
    node.input[6] = node.input[1]


@pytest.mark.parametrize(
    ("spoil", "key"),
    [
        (retyped_zero_point, "a"),
        (other_activation, "d"),
        (no_bias, "d"),
        (other_operator, "b"),
        (scale_of_another, "e"),
    ],
)
def test_a_model_that_is_not_the_plan_is_found_out(
    spoil: Callable[[onnx.ModelProto], None], key: str, tmp_path: Path
) -> None:
    source = write(chain(), tmp_path / "chain.onnx")
    inventory = read_inventory(source)
    plan = everything_at(inventory, INT8, wide_calibration(inventory))
    build_model(source, plan, tmp_path / "built.onnx")
    model = onnx.load(str(tmp_path / "built.onnx"))
    spoil(model)
    with pytest.raises(WorkError, match=f"{key} is not INT8"):
        verify_against_plan(write(model, tmp_path / "spoilt.onnx"), inventory, plan)
    dynamic = replace(plan, calibration=None, choices={"a": INT8})
    with pytest.raises(WorkError, match="a is not INT8"):
        verify_against_plan(tmp_path / "built.onnx", inventory, dynamic)
