"""Check a written model against the plan that it was written for, without trusting the code that wrote it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import half_inputs, weight_inputs
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.load import read_model
from kokoro_tui.graph.read_inventory import inventory_of

_QUANTIZED_OPS = {
    "Conv": "ConvInteger", "MatMul": "MatMulInteger", "Gemm": "MatMulInteger", "LSTM": "DynamicQuantizeLSTM",
}  # fmt: skip
_MAX_SMALL_TENSOR = 1024
"""Initializers up to this many bytes go through the checker as they are; larger ones are checked by length."""


def verify_against_plan(path: Path, before: Inventory, plan: PrecisionPlan) -> Inventory:
    """Read a written model back and compare it with its source and plan.

    Returns:
        The inventory of the written model.

    Raises:
        WorkError: ONNX's checker refuses it, its inputs or outputs changed, or nodes do not have their precision.
    """
    try:
        model = read_model(path)
        after = inventory_of(model, path, path.stat().st_size)
    except InputError as error:
        raise WorkError(f"the written model cannot be read back: {error.message}", "report this") from error
    check_structure(model)
    faults = [*_interface_faults(before, after), *_plan_faults(before, after, plan)]
    if faults:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise WorkError(f"the written model does not match the plan: {shown}", "report this with the recipe")
    return after


def check_structure(model: onnx.ModelProto) -> None:
    """Run ONNX's checker; ``model`` is changed by it.

    Large initializers become graph inputs first: the checker serializes the model, which takes seconds with them.
    What it would say of them is whether their data has the length that their shape asks for; that is compared here.

    Raises:
        WorkError: The checker's first complaint.
    """
    graph = model.graph
    large = [t for t in graph.initializer if len(t.raw_data) > _MAX_SMALL_TENSOR]
    small = [t for t in graph.initializer if len(t.raw_data) <= _MAX_SMALL_TENSOR]
    known = {value.name for value in graph.input}
    for tensor in large:
        expected = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        for dim in tensor.dims:
            expected *= dim
        if expected != len(tensor.raw_data):
            raise WorkError(f"the initializer {tensor.name} has {len(tensor.raw_data)} bytes, not {expected}", "report this")
        if tensor.name not in known:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    del graph.initializer[:]
    graph.initializer.extend(small)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise WorkError(f"ONNX's checker refuses the model: {str(error).splitlines()[0]}", "report this") from error


def _interface_faults(before: Inventory, after: Inventory) -> Iterator[str]:
    for kind, old, new in (("inputs", before.inputs, after.inputs), ("outputs", before.outputs, after.outputs)):
        if [(v.name, v.dtype, v.shape) for v in old] != [(v.name, v.dtype, v.shape) for v in new]:
            yield f"its {kind} changed"
    if before.metadata != after.metadata:
        yield "its metadata changed"


def _plan_faults(before: Inventory, after: Inventory, plan: PrecisionPlan) -> Iterator[str]:
    for node in before.main_nodes:
        precision = plan.precision_of(node.key)
        if not _has_precision(node, precision, after):
            yield f"{node.key} is not {precision.label}"


def _has_precision(node: NodeInfo, precision: Precision, after: Inventory) -> bool:
    output = next((name for name in node.outputs if name), "")
    if precision is Precision.INT8:
        return _is_dynamic(node, output, after)
    if precision is Precision.FP16:
        found = _by_name(node, after)
        return found is not None and all(_is_half(found.inputs[i], after) for i in half_inputs(node))
    found = after.producers.get(output)
    if found is None or found.op != node.op or found.name != node.name:
        return False
    if precision is Precision.W8:
        return all(_is_dequantized(found.inputs[i], after) for i in weight_inputs(node))
    return found.inputs == node.inputs and found.outputs == node.outputs


def _is_dynamic(node: NodeInfo, output: str, after: Inventory) -> bool:
    """Whether the integer operator stands upstream of the output, with 8-bit data and weight."""
    producer = after.producers.get(output)
    for _ in range(4):  # product, cast and integer operator, after a bias where there is one
        if producer is None or producer.op == _QUANTIZED_OPS[node.op]:
            break
        producer = after.producers.get(producer.inputs[0])
    if producer is None or producer.op != _QUANTIZED_OPS[node.op]:
        return False
    return after.dtype_of(producer.inputs[1]) in ("INT8", "UINT8")


def _by_name(node: NodeInfo, after: Inventory) -> NodeInfo | None:
    """The node of the same name and op; unnamed nodes are found by their renamed output."""
    if found := after.by_key.get(node.key):
        return found if found.op == node.op and found.name == node.name else None
    prefix = node.outputs[0]
    return next(
        (n for n in after.main_nodes if n.op == node.op and n.name == node.name and n.outputs[0].startswith(prefix)),
        None,
    )


def _is_half(name: str, after: Inventory) -> bool:
    """Whether a tensor is FP16: by its type, by the Cast that makes it, or by the FP16 node that does."""
    if after.dtype_of(name) is not None:
        return after.dtype_of(name) == "FLOAT16"
    producer = after.producers.get(name)
    if producer is None:
        return False
    if producer.op == "Cast":
        return producer.attributes.get("to") == onnx.TensorProto.FLOAT16
    positions = half_inputs(producer)
    return bool(positions) and any(after.dtype_of(producer.inputs[i]) == "FLOAT16" for i in positions) or any(
        _is_half(producer.inputs[i], after) for i in positions if producer.inputs[i] not in after.tensors
    )


def _is_dequantized(name: str, after: Inventory) -> bool:
    producer = after.producers.get(name)
    if producer is not None and producer.op == "Reshape":
        producer = after.producers.get(producer.inputs[0])
    return producer is not None and producer.op == "DequantizeLinear" and after.dtype_of(producer.inputs[0]) == "INT8"
