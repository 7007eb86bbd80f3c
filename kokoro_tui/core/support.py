"""Which precision an operator can take, and in words why it cannot take another."""

from __future__ import annotations

from kokoro_tui.core.half import half_fault
from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.precision import Precision, WeightType
from kokoro_tui.errors import InputError

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
    "Slice": (0,),
    "Squeeze": (0,),
    "Unsqueeze": (0,),
    "Concat": _ALL_INPUTS,
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

STATIC_OPS = frozenset({"Conv", "MatMul", "Gemm", "Add", "Mul"})
"""Operators with a static INT8 form (QLinearConv, QLinearMatMul, QGemm, QLinearAdd, QLinearMul)."""


def half_inputs(node: NodeInfo) -> tuple[int, ...]:
    """Positions of the inputs that turn to half precision with ``node``; empty names are left out."""
    wanted = HALF_INPUTS.get(node.op, ())
    positions = range(len(node.inputs)) if wanted is None else wanted
    return tuple(i for i in positions if i < len(node.inputs) and node.inputs[i])


def weight_inputs(node: NodeInfo) -> tuple[int, ...]:
    """Positions of the weights that INT8 and W8 store in 8 bits."""
    return tuple(i for i in WEIGHT_INPUTS.get(node.op, ()) if i < len(node.inputs))


def constant_operand(inventory: Inventory, node: NodeInfo) -> int | None:
    """Position of the initializer among the operands of an Add or Mul; None unless it is exactly one of two."""
    constant = [position for position, name in enumerate(node.inputs) if name in inventory.tensors]
    return constant[0] if len(constant) == 1 and len(node.inputs) == 2 else None


def refusal(inventory: Inventory, node: NodeInfo, precision: Precision, *, static: bool = False) -> str | None:
    """Why ``node`` cannot take ``precision``; None if it can.

    Args:
        inventory: The model.
        node: One of its nodes.
        precision: What it is to take.
        static: INT8 means the static form.
    """
    if precision is Precision.FP32:
        return None
    if node.depth > 0:
        return "it lies inside an If, Loop or Scan body, which is left as it is"
    if node.domain != "":
        return f"{node.domain}.{node.op} is not a standard ONNX operator"
    if not any(node.outputs):
        return "it has no output"
    if precision is Precision.FP16:
        return _half_refusal(inventory, node)
    if precision is Precision.INT8 and static:
        return _static_refusal(inventory, node)
    return _weight_refusal(inventory, node, precision)


def allowed(inventory: Inventory, node: NodeInfo, *, static: bool = False) -> tuple[Precision, ...]:
    """The precisions that ``node`` can take, FP32 first; ``static`` as for ``refusal``."""
    return tuple(p for p in Precision if refusal(inventory, node, p, static=static) is None)


def check_integer_types(weights: WeightType, activations: WeightType) -> None:
    """Refuse a pair of types for which the static operators have no kernel.

    Raises:
        InputError: INT8 activations with UINT8 weights.
    """
    if (weights, activations) == (WeightType.QUINT8, WeightType.QINT8):
        raise InputError(
            "onnxruntime has no kernel for INT8 activations with UINT8 weights",
            "take --quant-type QInt8, or --quant-activation-type QUInt8",
        )


def _half_refusal(inventory: Inventory, node: NodeInfo) -> str | None:
    if node.op not in HALF_INPUTS:
        return f"{node.op} has no half-precision form here"
    names = [node.inputs[position] for position in half_inputs(node)]
    floats = any(inventory.dtype_of(name) == "FLOAT" for name in names)
    for name in names:
        tensor = inventory.tensors.get(name)
        if tensor is not None and tensor.largest is not None and (fault := half_fault(tensor.largest)):
            return f"its input {tensor.name} holds {fault}"
        dtype = inventory.dtype_of(name)
        if dtype is None and floats:
            continue  # all of these inputs have one type
        if dtype != "FLOAT":
            return f"its input {name} is {dtype or 'of unknown type'}, not FLOAT"
    if node.op == "LayerNormalization" and len([name for name in node.outputs if name]) > 1:
        return "its mean and deviation stay FLOAT whatever its type is"
    return None


def _weight_refusal(inventory: Inventory, node: NodeInfo, precision: Precision) -> str | None:
    if precision is Precision.INT8 and node.op not in DYNAMIC_OPS:
        return f"{node.op} has no dynamic INT8 form"
    if node.op not in WEIGHT_INPUTS:
        return f"{node.op} has no weight-only INT8 form"
    positions = weight_inputs(node)
    if len(positions) < len(WEIGHT_INPUTS[node.op]):
        return "its weight is missing"
    for position in positions:
        tensor = inventory.tensors.get(node.inputs[position])
        if tensor is None:
            return f"its weight (input {position}) is not an initializer"
        if tensor.dtype != "FLOAT":
            return f"its weight {tensor.name} is {tensor.dtype} already"
        if node.op == "LSTM" and len(tensor.dims) != 3:
            return "its weights are not three-dimensional"
        if len(tensor.dims) < 2 or tensor.parameters == 0:
            return f"its weight {tensor.name} has no output channels to scale"
    if precision is Precision.W8:
        return None if inventory.opsets.get("", 0) >= 13 else "DequantizeLinear per channel needs opset 13"
    return _dynamic_refusal(inventory, node)


def _static_refusal(inventory: Inventory, node: NodeInfo) -> str | None:
    if node.op not in STATIC_OPS:
        return f"{node.op} has no static INT8 form"
    if node.op in WEIGHT_INPUTS:
        if reason := _weight_refusal(inventory, node, Precision.INT8):
            return reason
        if len(node.inputs) > 2 and node.inputs[2] and node.inputs[2] not in inventory.tensors:
            return "its bias is not an initializer"
        return None
    position = constant_operand(inventory, node)
    if position is None:
        return f"neither or both of its operands are initializers, and {node.op} is quantized with exactly one"
    operand = inventory.tensors[node.inputs[position]]
    if operand.dtype != "FLOAT":
        return f"its operand {operand.name} is {operand.dtype}, not FLOAT"
    if operand.parameters == 0:
        return f"its operand {operand.name} is empty"
    return None if inventory.opsets.get("", 0) >= 11 else "INT8 needs opset 11"


def _dynamic_refusal(inventory: Inventory, node: NodeInfo) -> str | None:
    attributes = node.attributes
    if inventory.opsets.get("", 0) < 11:
        return "INT8 needs opset 11"
    if node.inputs[0] in inventory.tensors:
        return f"its input {node.inputs[0]} is an initializer, so there is no activation to quantize"
    if inventory.dtype_of(node.inputs[0]) not in (None, "FLOAT"):
        return f"its input {node.inputs[0]} is {inventory.dtype_of(node.inputs[0])}, not FLOAT"
    if node.op == "Gemm" and (
        attributes.get("alpha", 1.0) != 1.0 or attributes.get("beta", 1.0) != 1.0 or attributes.get("transA", 0)
    ):
        return "Gemm with alpha, beta or transA has no integer form"
    if node.op == "Conv" and len(node.inputs) > 2 and node.inputs[2] and node.inputs[2] not in inventory.tensors:
        return "its bias is not an initializer"
    if node.op == "LSTM" and attributes.get("layout", 0):
        return "DynamicQuantizeLSTM knows no batch-first layout"
    return None
