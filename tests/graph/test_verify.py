"""The check of a written model finds what a faulty writer could do to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from kokoro_tui.graph.verify import check_structure, ensure_valid, verify_against_plan
from tests.graph.plans import everything_at, random_plan
from tests.graph.single_ops import FLOAT, normal, single_op
from tests.models import ToyGraph, toy_kokoro, write

FP32, FP16, INT8, W8 = Precision
TOY = inventory_of(toy_kokoro(), Path("toy.onnx"), 0)
CONV = "/decoder/encode/Conv"
QUERY = "/encoder/bert/layer/query/MatMul"
LSTM = "/encoder/lstm/LSTM"


def node(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(n for n in model.graph.node if n.name == name)


def tensor(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(t for t in model.graph.initializer if t.name == name)


def check(source: Path, plan: PrecisionPlan, tamper: Callable[[onnx.ModelProto], object]) -> None:
    """Build, change the written file, verify it."""
    target = source.with_name("built.onnx")
    build_model(source, plan, target)
    model = onnx.load(str(target))
    tamper(model)
    verify_against_plan(write(model, target), read_inventory(source), plan)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_as_planned_passes(seed: int, toy_model: Path) -> None:
    check(toy_model, random_plan(TOY, seed), lambda model: None)


@pytest.mark.parametrize("precision", [FP16, INT8, W8])
@pytest.mark.parametrize("skipped", [key for key in TOY.candidate_keys if "ConvTranspose" not in key])
def test_a_node_that_was_skipped_is_named(precision: Precision, skipped: str, toy_model: Path) -> None:
    planned = everything_at(TOY, precision)
    less = planned.with_precision([skipped], FP32)
    target = toy_model.with_name("built.onnx")
    build_model(toy_model, less, target)
    with pytest.raises(WorkError, match="does not match the plan") as caught:
        verify_against_plan(target, TOY, planned)
    assert f"{skipped} is not {precision.label}" in caught.value.message


def test_a_skipped_node_behind_a_converted_one_is_named(tmp_path: Path) -> None:
    g = ToyGraph()
    g.add("MatMul", "first", "x", g.weight("w1", 6, 6), outputs=("h",))
    g.add("MatMul", "second", "h", g.weight("w2", 6, 6), outputs=("y",))
    info = helper.make_tensor_value_info
    source = write(g.model([info("x", FLOAT, ["n", 6])], [info("y", FLOAT, ["n", 6])]), tmp_path / "source.onnx")
    build_model(source, PrecisionPlan({"first": INT8}), tmp_path / "built.onnx")
    with pytest.raises(WorkError, match=r"plan: second is not INT8$"):
        verify_against_plan(
            tmp_path / "built.onnx", read_inventory(source), PrecisionPlan({"first": INT8, "second": INT8})
        )


@pytest.mark.parametrize("precision", [FP16, INT8, W8])
def test_a_node_that_was_changed_without_being_asked_is_named(precision: Precision, toy_model: Path) -> None:
    target = toy_model.with_name("built.onnx")
    build_model(toy_model, PrecisionPlan({CONV: precision}), target)
    with pytest.raises(WorkError, match=f"plan: {CONV} is not FP32$"):
        verify_against_plan(target, TOY, PrecisionPlan())


def swap_weight(model: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    tensor(model, name).CopyFrom(numpy_helper.from_array(values, name))


def read_float_weight(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(numpy_helper.from_array(normal(32, 32, 3), "encode.weight"))
    node(model, CONV).input[1] = "encode.weight"


def lose_the_bias(model: onnx.ModelProto) -> None:
    del node(model, CONV).input[2:]


def read_another_value(model: onnx.ModelProto) -> None:
    node(model, CONV).input[0] = "/encoder/Transpose_1_output_0_other"
    index = next(i for i, n in enumerate(model.graph.node) if n.name == CONV)
    model.graph.node.insert(
        index, helper.make_node("Identity", ["/encoder/Transpose_1_output_0"], ["/encoder/Transpose_1_output_0_other"])
    )


def undo_the_dequantizing(model: onnx.ModelProto) -> None:
    dequantize = node(model, node(model, CONV).input[1])
    dequantize.op_type = "Cast"
    del dequantize.input[1:], dequantize.attribute[:]
    dequantize.attribute.append(helper.make_attribute("to", FLOAT))


@pytest.mark.parametrize(
    ("precision", "tamper"),
    [
        (W8, read_float_weight),
        (W8, lose_the_bias),
        (W8, read_another_value),
        (W8, undo_the_dequantizing),
        (FP16, lose_the_bias),
        (FP16, read_another_value),
        (FP16, lambda model: setattr(node(model, CONV), "name", "other")),
        (FP32, lose_the_bias),
        (FP32, read_another_value),
        (FP32, lambda model: setattr(node(model, CONV), "name", "other")),
    ],
)
def test_a_node_that_reads_something_else_is_named(
    precision: Precision, tamper: Callable[[onnx.ModelProto], object], toy_model: Path
) -> None:
    with pytest.raises(WorkError, match=f"plan: {CONV} is not {precision.label}"):
        check(toy_model, PrecisionPlan({CONV: precision}), tamper)


def to_float(model: onnx.ModelProto) -> None:
    name = next(t.name for t in model.graph.initializer if t.name.startswith("bert.shared"))
    swap_weight(model, name, normal(32, 32))


@pytest.mark.parametrize("precision", [FP16, INT8])
def test_a_weight_of_the_wrong_type_is_named(precision: Precision, toy_model: Path) -> None:
    pair = TOY.readers["bert.shared"]
    with pytest.raises(WorkError, match=f"{QUERY} is not {precision.label}"):
        check(toy_model, PrecisionPlan(dict.fromkeys(pair, precision)), to_float)


def test_an_activation_that_is_not_the_nodes_own_is_named(toy_model: Path) -> None:
    def read_style(model: onnx.ModelProto) -> None:
        quantizer = next(n for n in model.graph.node if n.op_type == "DynamicQuantizeLinear")
        quantizer.input[0] = "style"

    with pytest.raises(WorkError, match=f"plan: {QUERY} is not INT8"):
        check(toy_model, PrecisionPlan({QUERY: INT8}), read_style)


def test_an_lstm_that_reads_something_else_is_named(toy_model: Path) -> None:
    def swap(model: onnx.ModelProto) -> None:
        node(model, f"{LSTM}_quant").input[0] = "style"

    with pytest.raises(WorkError, match=f"plan: {LSTM} is not INT8"):
        check(toy_model, PrecisionPlan({LSTM: INT8}), swap)


def test_an_untouched_initializer_keeps_its_type_and_shape(toy_model: Path) -> None:
    with pytest.raises(WorkError, match=r"plan: the initializer post\.weight changed its type or shape"):
        check(toy_model, PrecisionPlan(), lambda m: swap_weight(m, "post.weight", normal(1, 8, 41).astype(np.float16)))
    with pytest.raises(WorkError, match=r"the initializer post\.weight changed its type or shape"):
        check(toy_model, PrecisionPlan(), lambda m: swap_weight(m, "post.weight", normal(1, 8, 43)))


def rename_output(model: onnx.ModelProto) -> None:
    node(model, "/decoder/generator/Reshape").output[0] = "sound"
    model.graph.output[0].name = "sound"


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (rename_output, "its outputs changed"),
        (lambda m: m.graph.output.pop(), "its outputs changed"),
        (lambda m: m.graph.output.reverse(), "its outputs changed"),
        (
            lambda m: setattr(m.graph.output[0].type.tensor_type, "elem_type", TensorProto.FLOAT16),
            "its outputs changed",
        ),
        (lambda m: m.graph.output[0].type.tensor_type.shape.dim.add(), "its outputs changed"),
        (
            lambda m: m.graph.input.append(helper.make_tensor_value_info("more", FLOAT, [1])),
            "its inputs changed",
        ),
        (lambda m: m.metadata_props.pop(), "its metadata changed"),
        (lambda m: setattr(m.metadata_props[0], "value", "bb"), "its metadata changed"),
        (lambda m: m.metadata_props.add(key="new", value="1"), "its metadata changed"),
    ],
)
def test_the_interface_and_metadata_have_to_stay(
    tamper: Callable[[onnx.ModelProto], object], message: str, tmp_path: Path
) -> None:
    model = toy_kokoro()
    model.metadata_props.add(key="kokoro_tui.weights_sha256", value="aa")
    with pytest.raises(WorkError, match=f"does not match the plan: {message}"):
        check(write(model, tmp_path / "toy.onnx"), PrecisionPlan(), tamper)


def test_many_faults_are_counted_not_listed(toy_model: Path) -> None:
    with pytest.raises(WorkError, match=r"(?s)is not FP16; .*; and \d+ more$"):
        verify_against_plan(toy_model, TOY, everything_at(TOY, FP16))


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (lambda m: m.graph.node.pop(0), "ONNX's checker refuses the model: Nodes in a graph must be topologically"),
        (lambda m: m.graph.node[1].input.append("style"), "ONNX's checker refuses the model"),
        (lambda m: m.opset_import.pop(0), "ONNX's checker refuses the model: No opset import"),
    ],
)
def test_what_is_no_valid_graph_is_refused(
    tamper: Callable[[onnx.ModelProto], object], message: str, toy_model: Path
) -> None:
    with pytest.raises(WorkError, match=message):
        check(toy_model, PrecisionPlan(), tamper)


def test_a_file_that_was_cut_off_cannot_be_read_back(toy_model: Path) -> None:
    toy_model.write_bytes(toy_model.read_bytes()[:-100])
    with pytest.raises(WorkError, match=r"the written model cannot be read back: .* is damaged"):
        verify_against_plan(toy_model, TOY, PrecisionPlan())


def test_large_initializers_are_checked_by_length() -> None:
    model = toy_kokoro()
    tensor(model, "ups.weight").raw_data += b"\0\0\0\0"
    with pytest.raises(WorkError, match=r"the initializer ups\.weight has 614404 bytes, not 614400"):
        check_structure(model)


def test_large_initializers_of_four_bits_pass() -> None:
    model = toy_kokoro()
    model.graph.initializer.append(
        TensorProto(name="i4", dims=[4001], data_type=TensorProto.INT4, raw_data=bytes(2001))
    )
    check_structure(model)


def test_a_source_that_is_not_valid_itself_is_the_one_to_blame(tmp_path: Path) -> None:
    model = toy_kokoro()
    model.graph.node[5].op_type = "NoSuchOperator"
    source = write(model, tmp_path / "other.onnx")
    with pytest.raises(
        InputError, match=r"other\.onnx is not valid: ONNX's checker refuses the model: No Op registered"
    ):
        build_model(source, PrecisionPlan({CONV: W8}), tmp_path / "built.onnx")
    with pytest.raises(InputError, match="is not valid"):
        ensure_valid(source)
    assert not (tmp_path / "built.onnx").exists()


@pytest.mark.parametrize("precision", [FP16, INT8, W8])
def test_nodes_of_the_same_name_are_told_apart(precision: Precision, tmp_path: Path) -> None:
    g = ToyGraph()
    info = helper.make_tensor_value_info
    value = "x"
    for index in range(12):  # h1 and h10, h11 begin alike
        value = g.add("MatMul", "twin", value, g.weight(f"w{index}", 6, 6), outputs=(f"h{index}",))
    model = g.model([info("x", FLOAT, ["n", 6])], [info(value, FLOAT, ["n", 6])])
    source = write(model, tmp_path / "source.onnx")
    inventory = read_inventory(source)
    for chosen in (["twin#1"], ["twin#10"], ["twin#1", "twin#11"], ["twin#0", "twin#5", "twin#6"]):
        plan = PrecisionPlan(dict.fromkeys(chosen, precision))
        build_model(source, plan, tmp_path / "built.onnx")
        with pytest.raises(WorkError, match=f"{chosen[0]} is not FP32"):
            verify_against_plan(tmp_path / "built.onnx", inventory, PrecisionPlan())
        with pytest.raises(WorkError, match=f"twin#3 is not {precision.label}"):
            verify_against_plan(tmp_path / "built.onnx", inventory, plan.with_precision(["twin#3"], precision))


def test_a_model_with_nothing_to_change_passes(tmp_path: Path) -> None:
    source = write(single_op("Relu", {}), tmp_path / "relu.onnx")
    assert verify_against_plan(source, read_inventory(source), PrecisionPlan()).nodes[0].op == "Relu"
