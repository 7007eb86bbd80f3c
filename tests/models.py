"""Small models for tests, written with onnx.helper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
HIDDEN = 32
FRAME = 600


class ToyGraph:
    """Collects nodes and seeded initializers."""

    def __init__(self, seed: int = 7) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(seed)

    def weight(self, name: str, *dims: int, scale: float = 0.3) -> str:
        """A float32 initializer of normal numbers."""
        values = (self._random.standard_normal(dims) * scale).astype(np.float32)
        return self.constant(name, values)

    def constant(self, name: str, values: npt.NDArray[np.generic] | np.generic) -> str:
        """An initializer with the given values."""
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, op: str, name: str, *inputs: str, outputs: tuple[str, ...] = (), **attributes: Any) -> str:
        """A node; returns its first output, which is ``<name>_output_0`` unless given."""
        written = outputs or (f"{name}_output_0",)
        self.nodes.append(helper.make_node(op, list(inputs), list(written), name=name, **attributes))
        return written[0]

    def model(
        self,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        *,
        opset: int = 20,
        infer_shapes: bool = True,
    ) -> onnx.ModelProto:
        """The finished model, checked."""
        graph = helper.make_graph(self.nodes, "toy", inputs, outputs, self.initializers)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=9)
        if infer_shapes:
            model = onnx.shape_inference.infer_shapes(model)
        onnx.checker.check_model(model)
        return model


def toy_kokoro(*, tokens: str = "input_ids", speed: int = FLOAT, duration: bool = True) -> onnx.ModelProto:
    """A miniature of Kokoro: tokens, style and speed in, waveform and durations out, with random phase and noise.

    It has every op that can be a candidate, one MatMul weight that two nodes share, a length regulator whose frames
    follow the durations, and an If whose bodies read a tensor of the main graph.
    """
    g = ToyGraph()
    embedded = g.add("Gather", "/encoder/embedding/Gather", g.weight("embedding.weight", 178, HIDDEN), tokens)
    shared = g.weight("bert.shared", HIDDEN, HIDDEN)
    hidden = g.add("MatMul", "/encoder/bert/layer/query/MatMul", embedded, shared)
    hidden = g.add("Tanh", "/encoder/bert/layer/Tanh", hidden)
    hidden = g.add("MatMul", "/encoder/bert/layer/query_1/MatMul", hidden, shared)
    hidden = g.add(
        "LayerNormalization", "/encoder/norm/LayerNormalization", hidden,
        g.weight("norm.weight", HIDDEN), g.weight("norm.bias", HIDDEN), axis=-1,
    )  # fmt: skip
    fused = g.add(
        "Gemm", "/encoder/style/Gemm", "style", g.weight("style.weight", HIDDEN, 256, scale=0.05),
        g.weight("style.bias", HIDDEN), transB=1,
    )  # fmt: skip
    hidden = g.add("Add", "/encoder/style/Add", hidden, fused)
    turned = g.add("Transpose", "/encoder/Transpose", hidden, perm=[1, 0, 2])
    g.add(
        "LSTM", "/encoder/lstm/LSTM", turned, g.weight("lstm.W", 2, 64, HIDDEN), g.weight("lstm.R", 2, 64, 16),
        g.weight("lstm.B", 2, 128), outputs=("/encoder/lstm/Y",), hidden_size=16, direction="bidirectional",
    )  # fmt: skip
    spoken = g.add("Transpose", "/encoder/lstm/Transpose", "/encoder/lstm/Y", perm=[2, 0, 1, 3])
    spoken = g.add("Reshape", "/encoder/lstm/Reshape", spoken, g.constant("lstm.shape", np.array([1, -1, HIDDEN])))
    frames = _length_regulator(g, spoken, speed, "duration")
    waveform = _decoder(g, frames)
    outputs = [helper.make_tensor_value_info("waveform", FLOAT, ["samples"])]
    if duration:
        outputs.append(helper.make_tensor_value_info("duration", INT64, ["n"]))
    assert waveform == "waveform"
    inputs = [
        helper.make_tensor_value_info(tokens, INT64, [1, "n"]),
        helper.make_tensor_value_info("style", FLOAT, [1, 256]),
        helper.make_tensor_value_info("speed", speed, [1]),
    ]
    return g.model(inputs, outputs)


def _length_regulator(g: ToyGraph, spoken: str, speed: int, duration: str) -> str:
    """Durations from the features, then every token's features repeated as many times: [1, HIDDEN, frames]."""
    weight = g.weight("predictor.duration.weight", HIDDEN, 1)
    length = g.add("MatMul", "/encoder/predictor/MatMul", spoken, weight)
    length = g.add("Sigmoid", "/encoder/predictor/Sigmoid", length)
    length = g.add("Mul", "/encoder/predictor/Mul", length, g.constant("predictor.scale", np.float32(6.0)))
    rate = "speed" if speed == FLOAT else g.add("Cast", "/encoder/predictor/Cast", "speed", to=FLOAT)
    length = g.add("Div", "/encoder/predictor/Div", length, rate)
    length = g.add("Round", "/encoder/predictor/Round", length)
    length = g.add("Clip", "/encoder/predictor/Clip", length, g.constant("one.f", np.float32(1.0)))
    length = g.add("Cast", "/encoder/predictor/Cast_1", length, to=INT64)
    flat = g.constant("flat", np.array([-1]))
    g.add("Reshape", "/encoder/predictor/Reshape", length, flat, outputs=(duration,))
    zero, one = g.constant("zero", np.array(0)), g.constant("one", np.array(1))
    ends = g.add("CumSum", "/encoder/CumSum", duration, zero)
    total = g.add("ReduceSum", "/encoder/ReduceSum", duration, keepdims=0)
    steps = g.add("Range", "/encoder/Range", zero, total, one)
    column = g.add("Unsqueeze", "/encoder/Unsqueeze", steps, g.constant("axis1", np.array([1])))
    passed = g.add("GreaterOrEqual", "/encoder/GreaterOrEqual", column, ends)
    counted = g.add("Cast", "/encoder/Cast", passed, to=INT64)
    token = g.add("ReduceSum", "/encoder/ReduceSum_1", counted, "axis1", keepdims=0)
    picked = g.add("Gather", "/encoder/Gather", spoken, token, axis=1)
    return g.add("Transpose", "/encoder/Transpose_1", picked, perm=[0, 2, 1])


def _decoder(g: ToyGraph, frames: str) -> str:
    """Frames to samples: convolutions, noise, a body that reads around itself, and an upsampling convolution."""
    x = g.add(
        "Conv", "/decoder/encode/Conv", frames, g.weight("encode.weight", HIDDEN, HIDDEN, 3, scale=0.1),
        g.weight("encode.bias", HIDDEN), pads=[1, 1],
    )  # fmt: skip
    x = g.add(
        "InstanceNormalization", "/decoder/norm/InstanceNormalization", x,
        g.constant("ones", np.ones(HIDDEN, np.float32)), g.constant("zeros", np.zeros(HIDDEN, np.float32)),
    )  # fmt: skip
    x = g.add("Mul", "/decoder/scale/Mul", x, g.weight("scale.weight", 1, HIDDEN, 1))
    noise = g.add("RandomNormalLike", "/decoder/noise/RandomNormalLike", x, scale=0.02)
    phase = g.add("RandomUniformLike", "/decoder/noise/RandomUniformLike", x, high=0.02)
    x = g.add("Add", "/decoder/noise/Add", x, noise)
    x = g.add("Add", "/decoder/noise/Add_1", x, phase)
    x = g.add("LeakyRelu", "/decoder/LeakyRelu", x, alpha=0.1)
    then = helper.make_graph(
        [helper.make_node("Identity", [x], ["then_out"], name="then")], "then", [],
        [helper.make_tensor_value_info("then_out", FLOAT, None)],
    )  # fmt: skip
    other = helper.make_graph(
        [helper.make_node("Neg", [x], ["else_out"], name="else")], "else", [],
        [helper.make_tensor_value_info("else_out", FLOAT, None)],
    )  # fmt: skip
    condition = g.constant("condition", np.array(True))
    x = g.add("If", "/decoder/If", condition, then_branch=then, else_branch=other)
    x = g.add(
        "ConvTranspose", "/decoder/generator/ups.0/ConvTranspose", x,
        g.weight("ups.weight", HIDDEN, 8, FRAME, scale=0.05), g.weight("ups.bias", 8), strides=[FRAME],
    )  # fmt: skip
    x = g.add(
        "Conv", "/decoder/generator/conv_post/Conv", x, g.weight("post.weight", 1, 8, 41, scale=0.02), pads=[20, 20]
    )
    x = g.add("Tanh", "/decoder/generator/Tanh", x)
    return g.add("Reshape", "/decoder/generator/Reshape", x, "flat", outputs=("waveform",))


def write(model: onnx.ModelProto, path: Path) -> Path:
    """Save a model and return where."""
    path.write_bytes(model.SerializeToString())
    return path
