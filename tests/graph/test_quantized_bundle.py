"""Reading float parameters back out of an INT8 Kokoro."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
import pytest
from onnx import helper, numpy_helper

from kokoro_tui.errors import InputError
from kokoro_tui.graph.quantized_bundle import DequantizedWeight, read_quantized_bundle, torch_module
from kokoro_tui.reference.bundle import read_bundled_model

LSTM = "/encoder/shared/LSTM_quant"
LSTM_INPUTS = ["x", "w_quantized", "r_quantized", "b", "", "", "", "", "ws", "wz", "rs", "rz"]


@pytest.mark.parametrize(
    ("node", "module"),
    [
        (
            "/decoder/decoder/generator/resblocks.2/convs1.0/Conv_quant",
            "decoder.generator.resblocks.2.convs1.0",
        ),
        ("/encoder/F0.0/conv1/Conv_quant", "predictor.F0.0.conv1"),
        ("/encoder/N_proj/Conv_quant", "predictor.N_proj"),
        ("/encoder/shared/LSTM_quant", "predictor.shared"),
        ("/decoder/decoder/F0_conv/Conv_quant", "decoder.F0_conv"),
        ("/encoder/text_encoder/cnn.1/cnn.1.0/Conv_quant", "text_encoder.cnn.1.0"),
        ("/decoder/decoder/asr_res/asr_res.0/Conv_quant", "decoder.asr_res.0"),
        (
            "/encoder/bert/encoder/albert_layer_groups.0/albert_layers.0/ffn_11/MatMul_quant",
            "bert.encoder.albert_layer_groups.0.albert_layers.0.ffn",
        ),
        (
            "/encoder/bert/encoder/albert_layer_groups.0/albert_layers.0/attention/key_4/MatMul_quant",
            "bert.encoder.albert_layer_groups.0.albert_layers.0.attention.key",
        ),
        (
            "/encoder/predictor/duration_proj/linear_layer/MatMul_quant",
            "predictor.duration_proj.linear_layer",
        ),
    ],
)
def test_a_node_path_names_its_torch_module(node: str, module: str) -> None:
    assert torch_module(node) == module


def test_conv_weights_are_dequantized_with_one_step() -> None:
    weights = read(
        [helper.make_node("ConvInteger", ["x", "w_quantized", "xz", "z"], ["y"], name="/encoder/F0_proj/Conv_quant")],
        {
            "w_quantized": np.array([[[130]], [[126]]], np.uint8),
            "w_scale": np.float32(0.5),
            "z": np.uint8(128),
        },
    )
    weight = weights["predictor.F0_proj.weight"]
    np.testing.assert_array_equal(weight.values, np.array([[[1.0]], [[-1.0]]], np.float32))
    assert weight.step == np.float32(0.5)


def test_matmul_weights_are_transposed_with_a_step_per_output_channel() -> None:
    weights = read(
        [helper.make_node("MatMulInteger", ["x", "w_quantized", "xz", "z"], ["y"], name="/encoder/bert_encoder/M")],
        {
            "w_quantized": np.array([[1, 2, 3], [4, 5, 6]], np.int8),
            "w_scale": np.array([1, 10, 100], np.float32),
            "z": np.zeros(3, np.int8),
        },
    )
    weight = weights["bert_encoder.weight"]
    np.testing.assert_array_equal(weight.values, np.array([[1, 4], [20, 50], [300, 600]], np.float32))
    np.testing.assert_array_equal(weight.step, np.array([[1], [10], [100]], np.float32))


def test_lstm_gates_are_put_into_torch_order_for_both_directions() -> None:
    gates = np.array([[[1, 2, 3, 4]], [[5, 6, 7, 8]]], np.int8)
    weights = read(
        [helper.make_node("DynamicQuantizeLSTM", LSTM_INPUTS, ["y"], name=LSTM, domain="com.microsoft")],
        {
            "w_quantized": gates,
            "r_quantized": gates,
            "b": np.arange(16, dtype=np.float32).reshape(2, 8),
            "ws": np.array([1, 10], np.float32),
            "wz": np.zeros(2, np.int8),
            "rs": np.array([2, 20], np.float32),
            "rz": np.zeros(2, np.int8),
        },
    )
    expected = {
        "weight_ih_l0": [[1], [3], [4], [2]],
        "weight_ih_l0_reverse": [[50], [70], [80], [60]],
        "weight_hh_l0": [[2], [6], [8], [4]],
        "weight_hh_l0_reverse": [[100], [140], [160], [120]],
        "bias_ih_l0": [0, 2, 3, 1],
        "bias_hh_l0": [4, 6, 7, 5],
        "bias_ih_l0_reverse": [8, 10, 11, 9],
        "bias_hh_l0_reverse": [12, 14, 15, 13],
    }
    assert set(weights) == {f"predictor.shared.{name}" for name in expected}
    for name, values in expected.items():
        np.testing.assert_array_equal(weights[f"predictor.shared.{name}"].values, np.array(values, np.float32))
    assert weights["predictor.shared.weight_hh_l0_reverse"].step == np.float32(20)
    assert weights["predictor.shared.bias_ih_l0"].step == 0


def test_embeddings_and_plain_parameters_are_found_by_name() -> None:
    weights = read(
        [
            helper.make_node("Gather", ["encoder.text_encoder.embedding.weight_quantized", "ids"], ["g"], name="G"),
            helper.make_node("DequantizeLinear", ["g", "s", "z"], ["e"], name="/encoder/text_encoder/embedding/DQ"),
        ],
        {
            "encoder.text_encoder.embedding.weight_quantized": np.array([[2, 4]], np.int8),
            "s": np.float32(0.25),
            "z": np.int8(0),
            "decoder.decoder.encode.conv1.bias": np.array([7], np.float32),
            "decoder.decoder.generator.stft.window_sum": np.array([1], np.float32),
        },
    )
    assert set(weights) == {"text_encoder.embedding.weight", "decoder.encode.conv1.bias"}
    np.testing.assert_array_equal(weights["text_encoder.embedding.weight"].values, np.array([[0.5, 1.0]], np.float32))


@pytest.mark.parametrize("content", [b"no model at all", b""])
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"not an ONNX file|no quantized Kokoro weights"):
        read_quantized_bundle(content)


def test_a_weight_that_no_node_explains_is_refused() -> None:
    with pytest.raises(InputError, match="1 unknown weights, stray_quantized first"):
        read([], {"stray_quantized": np.zeros(1, np.int8)})


def test_a_node_that_reads_a_missing_tensor_is_refused() -> None:
    node = helper.make_node("ConvInteger", ["x", "w_quantized", "", "z"], ["y"], name="/encoder/F0_proj/C")
    with pytest.raises(InputError, match="lacks the tensor w_scale"):
        read([node], {"w_quantized": np.zeros((1, 1, 1), np.uint8)})


def test_the_real_bundle_yields_every_parameter_once() -> None:
    weights = read_quantized_bundle(read_bundled_model())
    quantized = [weight for weight in weights.values() if np.any(weight.step)]
    # 87 Conv, 82 MatMul, 4 embeddings, and 6 LSTMs with two matrices for each direction.
    assert len(quantized) == 87 + 82 + 4 + 24
    assert weights["decoder.generator.conv_post.weight"].values.shape == (22, 128, 7)
    assert weights["decoder.generator.conv_post.weight"].step == 0
    assert weights["bert.embeddings.word_embeddings.weight"].values.shape == (178, 128)
    assert sum(weight.values.size for weight in weights.values()) == 81_140_664
    assert all(np.isfinite(weight.values).all() for weight in weights.values())
    assert {weight.values.dtype for weight in weights.values()} == {np.dtype(np.float32)}


def read(
    nodes: list[onnx.NodeProto], tensors: dict[str, npt.NDArray[np.generic] | np.generic]
) -> dict[str, DequantizedWeight]:
    """Put nodes and tensors into a model and read that."""
    initializers = [numpy_helper.from_array(np.asarray(values), name) for name, values in tensors.items()]
    graph = helper.make_graph(nodes, "bundle", [], [], initializers)
    return read_quantized_bundle(helper.make_model(graph).SerializeToString())
