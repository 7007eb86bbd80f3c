"""Models of one node, onnxruntime runs, and onnxruntime's own dynamic quantizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
Array = npt.NDArray[Any]
QUANTIZED_OPS = ("Conv", "MatMul", "Gemm", "LSTM")
_INPUT_DIMS: Mapping[str, tuple[str, ...]] = {"Gather": ("n",), "Gemm": ("n", "k"), "MatMul": ("n", "k")}


def normal(*dims: int, seed: int = 0, scale: float = 0.3) -> Array:
    """Seeded float32 normal numbers."""
    return (np.random.default_rng(seed).standard_normal(dims) * scale).astype(np.float32)


def single_op(
    op: str,
    weights: Mapping[str, Array],
    *,
    inputs: tuple[str, ...] | None = None,
    outputs: tuple[str, ...] = ("y",),
    opset: int = 20,
    dims: tuple[str | int, ...] | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node called ``node`` that reads ``x`` and then the weights, or ``inputs`` where given."""
    names = inputs or ("x", *weights)
    node = helper.make_node(op, list(names), list(outputs), name="node", **attributes)
    shape = _INPUT_DIMS.get(op, "abc") if dims is None else dims
    graph = helper.make_graph(
        [node],
        "single",
        [helper.make_tensor_value_info("x", INT64 if op == "Gather" else FLOAT, shape)],
        [helper.make_tensor_value_info(name, FLOAT, None) for name in outputs if name],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    model = onnx.shape_inference.infer_shapes(model)
    onnx.checker.check_model(model)
    return model


def run(model: onnx.ModelProto | Path, **feeds: Array) -> list[Array]:
    """All outputs of a model, without graph optimizations that could hide or add rounding."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, feeds))


def quantize_dynamic(model: onnx.ModelProto, folder: Path, *, weight_type: str) -> onnx.ModelProto:
    """What onnxruntime's ``quantize_dynamic`` makes of a model."""
    from onnxruntime import quantization

    target = folder / "onnxruntime.onnx"
    quantization.quantize_dynamic(
        model,
        target,
        weight_type=quantization.QuantType[weight_type],
        op_types_to_quantize=list(QUANTIZED_OPS),
        extra_options={"DisableShapeInference": True, "DefaultTensorType": TensorProto.FLOAT},
    )
    return onnx.load(str(target))


def initializers(model: onnx.ModelProto) -> dict[str, Array]:
    """Initializers by name."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
