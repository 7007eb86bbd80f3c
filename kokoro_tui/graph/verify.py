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
_EIGHT_BITS = ("INT8", "UINT8")
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
            raise WorkError(
                f"the initializer {tensor.name} has {len(tensor.raw_data)} bytes, not {expected}",
                "report this",
            )
        if tensor.name not in known:
            graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    del graph.initializer[:]
    graph.initializer.extend(small)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise WorkError(f"ONNX's checker refuses the model: {str(error).splitlines()[0]}", "report this") from error


def _interface_faults(before: Inventory, after: Inventory) -> Iterator[str]:
    for kind, old, new in (
        ("inputs", before.inputs, after.inputs),
        ("outputs", before.outputs, after.outputs),
    ):
        if [(v.name, v.dtype, v.shape) for v in old] != [(v.name, v.dtype, v.shape) for v in new]:
            yield f"its {kind} changed"
    if before.metadata != after.metadata:
        yield "its metadata changed"


def _plan_faults(before: Inventory, after: Inventory, plan: PrecisionPlan) -> Iterator[str]:
    half_outputs = _half_outputs(before, after, plan)
    for node in before.main_nodes:
        precision = plan.precision_of(node.key)
        if not _has_precision(node, precision, after, half_outputs):
            yield f"{node.key} is not {precision.label}"


def _half_outputs(before: Inventory, after: Inventory, plan: PrecisionPlan) -> frozenset[str]:
    """Names in the result that hold FP16: outputs of casts to it and of nodes that the plan makes FP16."""
    half_nodes = {(n.name, n.op) for n in before.main_nodes if plan.precision_of(n.key) is Precision.FP16}
    kept = {name for node in before.main_nodes for name in node.outputs}
    return frozenset(
        name
        for node in after.main_nodes
        for name in node.outputs
        if (node.op == "Cast" and node.attributes.get("to") == onnx.TensorProto.FLOAT16)
        or ((node.name, node.op) in half_nodes and name not in kept)
    )


def _has_precision(node: NodeInfo, precision: Precision, after: Inventory, half_outputs: frozenset[str]) -> bool:
    output = next((name for name in node.outputs if name), "")
    if precision is Precision.INT8:
        return _is_dynamic(node, output, after)
    if precision is Precision.FP16:
        found = _half_twin(node, after)
        return found is not None and all(
            after.tensors[name].dtype == "FLOAT16" if name in after.tensors else name in half_outputs
            for name in (found.inputs[i] for i in half_inputs(node))
        )
    found = after.producers.get(output)
    if found is None or found.op != node.op or found.name != node.name:
        return False
    if precision is Precision.W8:
        return all(_is_dequantized(found.inputs[i], after) for i in weight_inputs(node))
    return found.inputs == node.inputs and found.outputs == node.outputs


def _is_dynamic(node: NodeInfo, output: str, after: Inventory) -> bool:
    """Whether the integer operator stands upstream of the output, with an 8-bit weight."""
    integer_op = _QUANTIZED_OPS[node.op]
    producer = after.producers.get(output)
    for _ in range(4):  # bias, product, cast, then the integer operator
        if producer is None or producer.op == integer_op:
            break
        producer = after.producers.get(producer.inputs[0])
    return producer is not None and producer.op == integer_op and after.dtype_of(producer.inputs[1]) in _EIGHT_BITS


def _half_twin(node: NodeInfo, after: Inventory) -> NodeInfo | None:
    """The node of the same name and op; where names are missing or repeated, the one with the renamed output."""
    found = after.by_key.get(node.key)
    if found is None or found.name != node.name:
        first = node.outputs[0]
        twins = (n for n in after.main_nodes if n.op == node.op and n.outputs[0].startswith(first))
        found = next(twins, None)
    return found if found is not None and found.op == node.op else None


def _is_dequantized(name: str, after: Inventory) -> bool:
    producer = after.producers.get(name)
    if producer is not None and producer.op == "Reshape":
        producer = after.producers.get(producer.inputs[0])
    return producer is not None and producer.op == "DequantizeLinear" and after.dtype_of(producer.inputs[0]) == "INT8"
