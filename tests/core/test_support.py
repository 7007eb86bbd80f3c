"""Which precision a node can take, and the words that say why it cannot take another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import allowed, half_inputs, refusal, weight_inputs
from kokoro_tui.graph.read_inventory import inventory_of
from tests.graph.single_ops import normal, single_op
from tests.models import FLOAT, INT64, ToyGraph, toy_kokoro

FP32, FP16, INT8, W8 = Precision
CONV = {"w": normal(4, 6, 3), "b": normal(4)}
GEMM = {"w": normal(5, 7), "b": normal(7)}
LSTM = {"w": normal(1, 16, 6), "r": normal(1, 16, 4)}


def inventory(model: onnx.ModelProto) -> Inventory:
    return inventory_of(model, Path("model.onnx"), 0)


def refused(model: onnx.ModelProto, precision: Precision, key: str = "node") -> str | None:
    found = inventory(model)
    return refusal(found, found.by_key[key], precision)


@pytest.mark.parametrize(
    ("op", "weights", "attributes", "expected"),
    [
        ("Conv", CONV, {}, (FP32, FP16, INT8, W8)),
        ("ConvTranspose", {"w": normal(6, 4, 3)}, {}, (FP32, FP16, W8)),
        ("MatMul", {"w": normal(5, 7)}, {}, (FP32, FP16, INT8, W8)),
        ("Gemm", GEMM, {}, (FP32, FP16, INT8, W8)),
        ("LSTM", LSTM, {"hidden_size": 4}, (FP32, FP16, INT8, W8)),
        ("Add", {"w": normal(4, 4)}, {}, (FP32, FP16)),
        ("Mul", {"w": normal(4, 4)}, {}, (FP32, FP16)),
        ("LayerNormalization", {"w": normal(4), "b": normal(4)}, {"dims": ("n", 4)}, (FP32, FP16)),
        ("InstanceNormalization", {"w": normal(4), "b": normal(4)}, {"dims": (1, 4, "n")}, (FP32, FP16)),
        ("CumSum", {"w": np.array(0)}, {}, (FP32,)),
    ],
)
def test_every_operator_has_its_precisions(
    op: str, weights: dict[str, Any], attributes: dict[str, Any], expected: tuple[Precision, ...]
) -> None:
    found = inventory(single_op(op, weights, **attributes))
    assert allowed(found, found.by_key["node"]) == expected


def test_gather_takes_everything_but_dynamic_int8() -> None:
    found = inventory(single_op("Gather", {"w": normal(20, 16)}, inputs=("w", "x")))
    assert allowed(found, found.by_key["node"]) == (FP32, FP16, W8)


@pytest.mark.parametrize(
    ("model", "precision", "words"),
    [
        (single_op("CumSum", {"axis": np.array(0)}), FP16, "CumSum has no half-precision form here"),
        (single_op("Add", {"w": normal(4)}), INT8, "Add has no dynamic INT8 form"),
        (single_op("Add", {"w": normal(4)}), W8, "Add has no weight-only INT8 form"),
        (single_op("ConvTranspose", {"w": normal(6, 4, 3)}), INT8, "ConvTranspose has no dynamic INT8 form"),
        (single_op("MatMul", {}, inputs=("x", "x")), W8, "its weight (input 1) is not an initializer"),
        (single_op("MatMul", {}, inputs=("x", "x")), INT8, "its weight (input 1) is not an initializer"),
        (single_op("MatMul", {"w": normal(8)}), W8, "its weight w has no output channels to scale"),
        (single_op("MatMul", {"w": normal(0, 8)}), W8, "its weight w has no output channels to scale"),
        (single_op("Conv", CONV, opset=12), W8, "DequantizeLinear per channel needs opset 13"),
        (single_op("Conv", CONV, opset=10), INT8, "INT8 needs opset 11"),
        (single_op("Gemm", GEMM, alpha=0.5), INT8, "Gemm with alpha, beta or transA has no integer form"),
        (single_op("Gemm", GEMM, beta=2.0), INT8, "Gemm with alpha, beta or transA has no integer form"),
        (single_op("Gemm", GEMM, transA=1), INT8, "Gemm with alpha, beta or transA has no integer form"),
        (
            single_op("MatMul", {"a": normal(3, 5), "w": normal(5, 7)}, inputs=("a", "w")),
            INT8,
            "its input a is an initializer, so there is no activation to quantize",
        ),
        (
            single_op("LayerNormalization", {"w": normal(4)}, outputs=("y", "mean", "deviation"), dims=("n", 4)),
            FP16,
            "its mean and deviation stay FLOAT whatever its type is",
        ),
    ],
)
def test_a_refusal_says_why(model: onnx.ModelProto, precision: Precision, words: str) -> None:
    assert refused(model, precision) == words


def test_a_bias_that_is_computed_bars_dynamic_int8_of_a_convolution() -> None:
    g = ToyGraph()
    bias = g.add("ReduceMean", "mean", "x", g.constant("axes", np.array([0, 2])), keepdims=0)
    g.add("Conv", "node", "x", g.weight("w", 6, 6, 3), bias, outputs=("y",))
    value = helper.make_tensor_value_info
    model = g.model([value("x", FLOAT, [1, 6, "n"])], [value("y", FLOAT, [1, 6, "m"])])
    assert refused(model, INT8) == "its bias is not an initializer"
    assert refused(model, W8) is None


@pytest.mark.parametrize(
    ("constant", "words"),
    [
        (1e-9, "its input w holds nothing larger than 1e-09, which FP16 rounds to zero"),
        (-3.4e38, "its input w holds 3.4e+38, more than FP16 can (65504)"),
        (-np.inf, "its input w holds NaN or infinity"),
        (0.0, None),
        (1e-7, None),
    ],
)
def test_constants_that_fp16_cannot_hold_are_refused(constant: float, words: str | None) -> None:
    assert refused(single_op("Add", {"w": np.array([constant], np.float32)}), FP16) == words


def test_batch_first_lstm_has_no_dynamic_form() -> None:
    model = single_op("LSTM", LSTM, hidden_size=4, layout=1)
    assert refused(model, INT8) == "DynamicQuantizeLSTM knows no batch-first layout"
    assert refused(model, W8) is None


def test_nodes_in_bodies_and_of_other_domains_are_left_alone() -> None:
    model = toy_kokoro()
    for precision in (FP16, INT8, W8):
        assert refused(model, precision, "then") == "it lies inside an If, Loop or Scan body, which is left as it is"
    custom = single_op("MatMul", {"w": normal(5, 7)})
    custom.graph.node[0].domain = "com.example"
    assert refused(custom, W8) == "com.example.MatMul is not a standard ONNX operator"
    custom.graph.node[0].domain = "ai.onnx"
    assert refused(custom, W8) is None


def test_tensors_that_are_no_floats_are_named() -> None:
    value = helper.make_tensor_value_info
    g = ToyGraph()
    g.add("Add", "node", "x", g.constant("w", np.arange(6)), outputs=("y",))
    model = g.model([value("x", INT64, ["n", 6])], [value("y", INT64, ["n", 6])])
    assert refused(model, FP16) == "its input x is INT64, not FLOAT"
    half = single_op("MatMul", {"w": normal(5, 7)})
    half.graph.initializer[0].CopyFrom(onnx.numpy_helper.from_array(normal(5, 7).astype(np.float16), "w"))
    assert refused(half, W8) == "its weight w is FLOAT16 already"
    assert refused(half, INT8) == "its weight w is FLOAT16 already"
    assert refused(half, FP16) == "its input w is FLOAT16, not FLOAT"


def untyped(*inputs: str) -> onnx.ModelProto:
    """An operator on the output of a Relu whose type the file does not state."""
    g = ToyGraph()
    g.add("Relu", "relu", "x", outputs=("h",))
    g.weight("w", 6, 6)
    g.add("MatMul", "node", *inputs, outputs=("y",))
    value = helper.make_tensor_value_info
    return g.model([value("x", FLOAT, [6, 6])], [value("y", FLOAT, [6, 6])], infer_shapes=False)


def test_a_value_of_unknown_type_has_the_type_of_its_partner() -> None:
    assert refused(untyped("h", "w"), FP16) is None
    assert refused(untyped("h", "w"), INT8) is None
    # A model that was built at FP16 before holds such values: they may be FP16 already.
    assert refused(untyped("h", "h"), FP16) == "its input h is of unknown type, not FLOAT"


def test_every_refusal_is_a_phrase() -> None:
    found = inventory(toy_kokoro())
    reasons = [refusal(found, node, precision) for node in found.nodes for precision in Precision]
    assert all(reason is None or (len(reason) > 10 and not reason.endswith(".")) for reason in reasons)


def test_inputs_that_change_with_the_precision() -> None:
    found = inventory(single_op("LSTM", {**LSTM, "b": normal(1, 32)}, hidden_size=4))
    node = found.by_key["node"]
    assert (half_inputs(node), weight_inputs(node)) == ((0, 1, 2, 3), (1, 2))
    found = inventory(single_op("Conv", {"w": normal(4, 6, 3)}))
    assert (half_inputs(found.by_key["node"]), weight_inputs(found.by_key["node"])) == ((0, 1), (1,))
