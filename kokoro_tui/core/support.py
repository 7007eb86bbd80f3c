"""Which precision an operator can take, and in words why it cannot take another."""

from __future__ import annotations

from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.precision import Precision

_ALL_INPUTS = None

HALF_INPUTS: dict[str, tuple[int, ...] | None] = {
    "Conv": (0, 1, 2),
    "ConvTranspose": (0, 1, 2),
    "LSTM": (0, 1, 2, 3, 5, 6, 7),
    "Gemm": _ALL_INPUTS,
    "MatMul": _ALL_INPUTS,
    "Add": _ALL_INPUTS,
    "Sub": _ALL_INPUTS,
    "Mul": _ALL_INPUTS,
    "Div": _ALL_INPUTS,
    "LayerNormalization": (0, 1, 2),
    "InstanceNormalization": (0, 1, 2),
    "Gather": (0,),
    "LeakyRelu": (0,),
    "Relu": (0,),
    "Tanh": (0,),
    "Sigmoid": (0,),
    "Softmax": (0,),
    "Sin": (0,),
    "Cos": (0,),
    "Sqrt": (0,),
    "Reciprocal": (0,),
    "Pow": (0,),
    "Transpose": (0,),
    "Reshape": (0,),
}
"""Inputs that turn to half precision with the node (None: all of them); an op that is missing has no such form.

From the ONNX operator specification: the inputs bound to the type variable T that also types the outputs.
"""

WEIGHT_INPUTS: dict[str, tuple[int, ...]] = {
    "Conv": (1,),
    "ConvTranspose": (1,),
    "Gemm": (1,),
    "MatMul": (1,),
    "LSTM": (1, 2),
    "Gather": (0,),
}
"""Inputs that hold the weight of operators with a weight-only INT8 form."""

DYNAMIC_OPS = frozenset({"Conv", "MatMul", "Gemm", "LSTM"})
"""Operators with a dynamic INT8 form (ConvInteger, MatMulInteger, DynamicQuantizeLSTM)."""


def half_inputs(node: NodeInfo) -> tuple[int, ...]:
    """Positions of the inputs that turn to half precision with ``node``; empty names are left out."""
    wanted = HALF_INPUTS.get(node.op, ())
    positions = range(len(node.inputs)) if wanted is None else wanted
    return tuple(i for i in positions if i < len(node.inputs) and node.inputs[i])


def weight_inputs(node: NodeInfo) -> tuple[int, ...]:
    """Positions of the weights that INT8 and W8 store in 8 bits."""
    return tuple(i for i in WEIGHT_INPUTS.get(node.op, ()) if i < len(node.inputs))


def refusal(inventory: Inventory, node: NodeInfo, precision: Precision) -> str | None:
    """Why ``node`` cannot take ``precision``; None if it can."""
    if precision is Precision.FP32:
        return None
    if node.depth > 0:
        return "it lies inside an If, Loop or Scan body, which is left as it is"
    if node.domain != "":
        return f"{node.domain}.{node.op} is not a standard ONNX operator"
    if precision is Precision.FP16:
        return _half_refusal(inventory, node)
    return _weight_refusal(inventory, node, precision)


def allowed(inventory: Inventory, node: NodeInfo) -> tuple[Precision, ...]:
    """The precisions that ``node`` can take, FP32 first."""
    return tuple(p for p in Precision if refusal(inventory, node, p) is None)


def _half_refusal(inventory: Inventory, node: NodeInfo) -> str | None:
    if node.op not in HALF_INPUTS:
        return f"{node.op} has no half-precision form here"
    for position in half_inputs(node):
        dtype = inventory.dtype_of(node.inputs[position])
        if dtype is None and node.op in WEIGHT_INPUTS and node.op != "Gather":
            continue  # these operators take nothing but floats
        if dtype != "FLOAT":
            return f"its input {node.inputs[position]} is {dtype or 'of unknown type'}, not FLOAT"
    if node.op == "LayerNormalization" and len([name for name in node.outputs if name]) > 1:
        return "its mean and deviation stay FLOAT whatever its type is"
    if any(
        inventory.dtype_of(name) == "FLOAT16" or (inventory.dtype_of(name) is None and node.op == "Gather")
        for name in node.outputs
        if name
    ):
        return "its output is not FLOAT"
    return None


def _weight_refusal(inventory: Inventory, node: NodeInfo, precision: Precision) -> str | None:
    if precision is Precision.INT8 and node.op not in DYNAMIC_OPS:
        return f"{node.op} has no dynamic INT8 form"
    positions = weight_inputs(node)
    if not positions:
        return f"{node.op} has no weight-only INT8 form"
    for position in positions:
        tensor = inventory.tensors.get(node.inputs[position])
        if tensor is None:
            return f"its weight (input {position}) is not an initializer"
        if tensor.dtype != "FLOAT":
            return f"its weight {tensor.name} is {tensor.dtype} already"
        if len(tensor.dims) < 2 or tensor.parameters == 0:
            return f"its weight {tensor.name} has no output channels to scale"
    if precision is Precision.W8:
        return None if inventory.opsets.get("", 0) >= 13 else "DequantizeLinear per channel needs opset 13"
    return _dynamic_refusal(inventory, node)


def _dynamic_refusal(inventory: Inventory, node: NodeInfo) -> str | None:
    weight = inventory.tensors[node.inputs[1]]
    attributes = node.attributes
    if inventory.opsets.get("", 0) < 11:
        return "DynamicQuantizeLinear needs opset 11"
    if node.inputs[0] in inventory.tensors:
        return f"its input {node.inputs[0]} is an initializer, so there is no activation to quantize"
    if inventory.dtype_of(node.inputs[0]) not in (None, "FLOAT"):
        return f"its input {node.inputs[0]} is {inventory.dtype_of(node.inputs[0])}, not FLOAT"
    if node.op == "Gemm" and (
        attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0 or attributes.get("transA", 0)
    ):
        return "Gemm with alpha, beta or transA has no MatMulInteger form"
    if node.op == "Conv" and len(node.inputs) > 2 and node.inputs[2] and node.inputs[2] not in inventory.tensors:
        return "its bias is not an initializer"
    if node.op == "LSTM" and len(weight.dims) != 3:
        return "its weights are not three-dimensional"
    if node.op == "LSTM" and attributes.get("layout", 0):
        return "DynamicQuantizeLSTM knows no batch-first layout"
    return None
