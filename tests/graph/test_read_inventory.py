"""What the workbench knows of a model file without loading its weights."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import allowed
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from tests.graph.single_ops import normal, quantize_dynamic, single_op
from tests.models import FLOAT, toy_kokoro, write


def inventory(model: onnx.ModelProto, min_parameters: int = 256) -> Inventory:
    return inventory_of(model, Path("model.onnx"), model.ByteSize(), min_parameters=min_parameters)


def test_a_model_as_it_is(toy_model: Path) -> None:
    found = read_inventory(toy_model)
    assert (found.path, found.file_bytes) == (toy_model, toy_model.stat().st_size)
    assert (found.opsets, found.ir_version, found.external_data) == ({"": 20, "com.microsoft": 1}, 9, False)
    assert [(v.name, v.dtype, v.shape) for v in found.inputs] == [
        ("input_ids", "INT64", (1, "n")),
        ("style", "FLOAT", (1, 256)),
        ("speed", "FLOAT", (1,)),
    ]
    assert [(v.name, v.dtype) for v in found.outputs] == [("waveform", "FLOAT"), ("duration", "INT64")]
    conv = found.by_key["/decoder/encode/Conv"]
    assert (conv.op, conv.weights) == ("Conv", ("encode.weight", "encode.bias"))
    assert (conv.parameters, conv.nbytes) == (32 * 32 * 3 + 32, 4 * (32 * 32 * 3 + 32))
    assert conv.attributes["pads"] == (1, 1)
    assert found.dtype_of(conv.inputs[0]) == "FLOAT"
    assert found.dtype_of("nowhere") is None


def test_candidates_are_large_nodes_of_the_known_operators(toy_model: Path) -> None:
    found = read_inventory(toy_model)
    assert {node.key for node in found.candidates} == {
        "/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul", "/encoder/style/Gemm",
        "/encoder/lstm/LSTM", "/decoder/encode/Conv", "/decoder/generator/ups.0/ConvTranspose",
        "/decoder/generator/conv_post/Conv",
    }  # fmt: skip
    more = read_inventory(toy_model, min_parameters=32).candidate_keys - found.candidate_keys
    assert more == {
        "/encoder/norm/LayerNormalization", "/encoder/predictor/MatMul", "/decoder/norm/InstanceNormalization",
        "/decoder/scale/Mul",
    }  # fmt: skip


def test_shared_weights_are_one_group_and_know_their_readers(toy_model: Path) -> None:
    found = read_inventory(toy_model)
    pair = ("/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul")
    assert found.group_of[pair[1]].members == pair
    assert found.readers["bert.shared"] == pair
    assert found.producers["waveform"].key == "/decoder/generator/Reshape"


def test_nodes_of_bodies_come_after_the_main_graph(toy_model: Path) -> None:
    found = read_inventory(toy_model)
    assert [(node.key, node.depth) for node in found.nodes[-2:]] == [("else", 1), ("then", 1)]
    assert {node.depth for node in found.main_nodes} == {0}
    assert "/decoder/LeakyRelu_output_0" in found.subgraph_reads
    assert "/decoder/LeakyRelu_output_0" in found.float_readers_kept
    assert "waveform" in found.float_readers_kept


def test_bodies_see_the_weights_around_them_and_their_own() -> None:
    model = toy_kokoro()
    body = next(node for node in model.graph.node if node.op_type == "If").attribute[0].g
    body.initializer.append(numpy_helper.from_array(normal(4), "inner.weight"))
    body.node.append(helper.make_node("Add", ["inner.weight", "encode.bias"], ["sum"], name="inner"))
    node = inventory(model).by_key["inner"]
    assert (node.weights, node.parameters) == (("inner.weight", "encode.bias"), 36)


def test_names_that_are_missing_or_repeated_give_keys_of_their_own() -> None:
    model = toy_kokoro()
    nodes = model.graph.node
    nodes[0].name = nodes[1].name = ""
    nodes[2].name = nodes[3].name = "twin"
    nodes[4].name = "twin#2"  # what a key would be called
    found = inventory(model)
    assert len(found.by_key) == len(found.nodes)
    assert [node.key for node in found.nodes[:5]] == ["Gather#0", "MatMul#1", "twin#2'", "twin#3", "twin#2"]
    assert [node.name for node in found.nodes[:5]] == ["", "", "twin", "twin", "twin#2"]


@pytest.mark.parametrize(
    "name", ["\x1b[31m", "[bold]name[/bold]", "\u202eesrever", "a\nb\tc\0d", "ß音𝄞", "n" * 100_000]
)
def test_names_are_kept_whatever_they_hold(name: str, tmp_path: Path) -> None:
    model = toy_kokoro()
    model.graph.node[3].name = name
    assert read_inventory(write(model, tmp_path / "model.onnx")).nodes[3].key == name


def test_initializers_that_are_graph_inputs_too_are_weights_not_inputs() -> None:
    model = single_op("MatMul", {"w": normal(20, 30)})
    model.graph.input.append(helper.make_tensor_value_info("w", FLOAT, [20, 30]))
    found = inventory(model)
    assert [value.name for value in found.inputs] == ["x"]
    assert found.by_key["node"].weights == ("w",)
    assert found.tensors["w"].declared_bytes == model.graph.ByteSize() - message_without_input(model)


def message_without_input(model: onnx.ModelProto) -> int:
    graph = onnx.GraphProto()
    graph.CopyFrom(model.graph)
    del graph.input[1:]
    return graph.ByteSize()


def test_a_model_without_candidates_is_an_empty_table() -> None:
    found = inventory(single_op("Relu", {}))
    assert (found.candidates, found.candidate_keys, len(found.nodes)) == ((), frozenset(), 1)


def test_a_model_without_nodes_can_be_read(tmp_path: Path) -> None:
    value = helper.make_tensor_value_info("x", FLOAT, [1])
    graph = helper.make_graph([], "empty", [value], [value])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    assert read_inventory(write(model, tmp_path / "empty.onnx")).nodes == ()


def test_a_model_that_is_quantized_already(tmp_path: Path) -> None:
    model = quantize_dynamic(single_op("Conv", {"w": normal(16, 16, 3)}), tmp_path, weight_type="QUInt8")
    found = read_inventory(write(model, tmp_path / "model.onnx"))
    assert found.tensors["w_quantized"].dtype == "UINT8"
    assert found.tensors["w_quantized"].nbytes == 16 * 16 * 3
    assert found.candidates == ()
    quantized = next(node for node in found.nodes if node.op == "ConvInteger")
    assert allowed(found, quantized) == (Precision.FP32,)


@pytest.mark.parametrize(
    ("dtype", "dims", "payload"),
    [("FLOAT16", [3, 5], 30), ("INT4", [3, 5], 8), ("UINT2", [3, 3], 3), ("BOOL", [7], 7), ("DOUBLE", [2], 16)],
)
def test_payloads_of_other_types(dtype: str, dims: list[int], payload: int) -> None:
    model = single_op("Relu", {})
    tensor = TensorProto(name="w", dims=dims, data_type=TensorProto.DataType.Value(dtype), raw_data=bytes(payload))
    model.graph.initializer.append(tensor)
    info = inventory(model).tensors["w"]
    assert (info.dtype, info.dims, info.nbytes) == (dtype, tuple(dims), payload)


def test_strings_and_unknown_types_can_be_read() -> None:
    model = single_op("Relu", {})
    model.graph.initializer.append(
        TensorProto(name="texts", data_type=TensorProto.STRING, dims=[2], string_data=[b"ab", b"\xff"])
    )
    model.graph.initializer.append(TensorProto(name="new", data_type=99, dims=[4], raw_data=b"12345"))
    tensors = inventory(model).tensors
    assert (tensors["texts"].dtype, tensors["texts"].nbytes) == ("STRING", 3)
    assert (tensors["new"].dtype, tensors["new"].nbytes) == ("UNDEFINED", 5)


def test_weights_inside_nodes_are_counted_as_their_own() -> None:
    model = single_op("Relu", {})
    model.graph.node.append(
        helper.make_node("Constant", [], ["c"], name="constant", value=numpy_helper.from_array(normal(5, 4)))
    )
    node = inventory(model).by_key["constant"]
    assert (node.own_parameters, node.own_nbytes, node.own_dtype) == (20, 80, "FLOAT")
    assert (node.parameters, node.nbytes) == (0, 0)


def test_shapes_tell_known_named_and_unknown_sizes() -> None:
    model = single_op("Relu", {})
    value = helper.make_tensor_value_info("h", FLOAT, [3, "n", None])
    sequence = helper.make_tensor_sequence_value_info("s", FLOAT, None)
    model.graph.value_info.extend([value, sequence])
    values = inventory(model).values
    assert values["h"].shape == (3, "n", None)
    assert (values["s"].dtype, values["s"].shape) == ("SEQUENCE", ())


@pytest.mark.real
def test_the_real_model(real_model: Path) -> None:
    found = read_inventory(real_model)
    assert len(found.main_nodes) == 2280
    assert sum(tensor.parameters for tensor in found.tensors.values()) == pytest.approx(81_162_275, rel=0.001)
    weights = {op: sum(n.parameters for n in found.main_nodes if n.op == op) for op in ("Conv", "LSTM", "Gemm")}
    assert weights == {"Conv": 54_711_192, "LSTM": 10_772_480, "Gemm": 6_409_236}
