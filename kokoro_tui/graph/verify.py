"""Check a written model against the plan that it was written for, without trusting the code that wrote it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import onnx

from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.regions import HalfRegions
from kokoro_tui.core.support import half_inputs, weight_inputs
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.load import load_external_data, payload_bytes, read_model
from kokoro_tui.graph.read_inventory import read_light
from kokoro_tui.graph.skim import Span

_QUANTIZED_OPS = {
    "Conv": "ConvInteger", "MatMul": "MatMulInteger", "Gemm": "MatMulInteger", "LSTM": "DynamicQuantizeLSTM",
}  # fmt: skip
_STATIC_OPS = {
    "Conv": "QLinearConv", "MatMul": "QLinearMatMul", "Gemm": "QGemm", "Add": "QLinearAdd", "Mul": "QLinearMul",
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
        light = read_light(path)
    except InputError as error:
        raise WorkError(f"the written model cannot be read back: {error.message}", "report this") from error
    after = light.inventory
    check_structure(light.model, light.left_out)
    faults = [*_interface_faults(before, after), *_plan_faults(before, after, plan)]
    if faults:
        shown = "; ".join(faults[:5]) + (f"; and {len(faults) - 5} more" if len(faults) > 5 else "")
        raise WorkError(f"the written model does not match the plan: {shown}", "report this with the recipe")
    return after


def ensure_valid(path: Path) -> None:
    """Check a model that something was built from.

    Raises:
        InputError: ONNX's checker refuses it, so that nothing built from it can pass.
    """
    model = read_model(path)
    load_external_data(model, path)
    try:
        check_structure(model)
    except WorkError as error:
        raise InputError(f"{path.name} is not valid: {error.message}", "export the model again") from error


def check_structure(model: onnx.ModelProto, left_out: Mapping[str, Span] = MappingProxyType({})) -> None:
    """Run ONNX's checker; ``model`` is changed by it.

    Large initializers become graph inputs first: the checker serializes the model, which takes seconds with them.
    What it would say of them is whether their data has the length that their shape asks for; that is compared here.

    Args:
        model: The model.
        left_out: Data that was stepped over when it was read, by initializer.

    Raises:
        WorkError: The checker's first complaint.
    """
    graph = model.graph
    lengths = {t.name: left_out[t.name].nbytes if t.name in left_out else len(t.raw_data) for t in graph.initializer}
    large = [t for t in graph.initializer if lengths[t.name] > _MAX_SMALL_TENSOR]
    small = [t for t in graph.initializer if lengths[t.name] <= _MAX_SMALL_TENSOR]
    known = {value.name for value in graph.input}
    for tensor in large:
        expected = payload_bytes(tensor)
        if expected != lengths[tensor.name]:
            raise WorkError(
                f"the initializer {tensor.name} has {lengths[tensor.name]} bytes, not {expected}",
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
    for name in before.tensors.keys() & after.tensors.keys():
        old_tensor, new_tensor = before.tensors[name], after.tensors[name]
        if (old_tensor.dtype, old_tensor.dims) != (new_tensor.dtype, new_tensor.dims):
            yield f"the initializer {name} changed its type or shape"


def _plan_faults(before: Inventory, after: Inventory, plan: PrecisionPlan) -> Iterator[str]:
    plan = HalfRegions(before).spread(plan)
    result = _Result(after)
    half_nodes = [n for n in before.main_nodes if plan.precision_of(n.key) is Precision.FP16]
    result.half_values |= {name for node in half_nodes if (twin := result.half_twin(node)) for name in twin.outputs}
    for node in before.main_nodes:
        precision = plan.precision_of(node.key)
        is_static = precision is Precision.INT8 and plan.static
        check = _Result.is_static if is_static else _CHECKS[precision]
        if any(node.outputs) and not check(result, node):
            yield f"{node.key} is not {precision.label}"


_HALF_NAME = re.compile(r"(?P<source>.*)__(?:\d+_)?fp16", re.DOTALL)
_STATIC_NAME = re.compile(r"(?P<source>.*)__(?:\d+_)?static", re.DOTALL)


class _Result:
    """What the nodes of a written model look like from those of its source."""

    def __init__(self, after: Inventory) -> None:
        self._after = after
        self._half_writers = _writers(after, _HALF_NAME)
        self._static_writers = _writers(after, _STATIC_NAME)
        self.half_values = {
            name
            for node in after.main_nodes
            if node.op == "Cast" and node.attributes.get("to") == onnx.TensorProto.FLOAT16
            for name in node.outputs
        }
        """Values that hold FP16; only casts are known from the result alone."""

    def half_twin(self, node: NodeInfo) -> NodeInfo | None:
        """The node of the same name and op that writes the FP16 twin of its output."""
        found = self._half_writers.get((_first_output(node), node.op))
        same = found is not None and (found.name, found.op, len(found.inputs)) == (node.name, node.op, len(node.inputs))
        return found if same else None

    def is_untouched(self, node: NodeInfo) -> bool:
        """Whether the node is there with the inputs and outputs that it had."""
        found = self._same_node(node)
        return found is not None and found.inputs == node.inputs

    def is_half(self, node: NodeInfo) -> bool:
        """Whether the node reads FP16 wherever it can, and the rest as before."""
        found = self.half_twin(node)
        positions = half_inputs(node)
        return found is not None and all(
            self._is_half_value(name) if i in positions else name == node.inputs[i]
            for i, name in enumerate(found.inputs)
        )

    def is_weight_only(self, node: NodeInfo) -> bool:
        """Whether the node reads dequantized INT8 weights, and the rest as before."""
        found = self._same_node(node)
        positions = weight_inputs(node)
        return found is not None and all(
            self._is_dequantized(name) if i in positions else name == node.inputs[i]
            for i, name in enumerate(found.inputs)
        )

    def is_dynamic(self, node: NodeInfo) -> bool:
        """Whether the integer operator stands before the output, with an 8-bit weight and this node's activation."""
        has_bias = node.op in ("Conv", "Gemm") and len(node.inputs) > 2 and node.inputs[2] != ""
        behind = () if node.op == "LSTM" else (*(["Add"] if has_bias else []), "Mul", "Cast")
        found = self._after.producers.get(_first_output(node))
        for op in behind:
            if found is None or found.op != op:
                return False
            found = self._after.producers.get(found.inputs[0])
        if found is None or found.op != _QUANTIZED_OPS[node.op]:
            return False
        activation = found.inputs[0]
        if node.op != "LSTM":
            quantizer = self._after.producers.get(activation)
            activation = quantizer.inputs[0] if quantizer is not None and quantizer.inputs else ""
        return activation == node.inputs[0] and self._after.dtype_of(found.inputs[1]) in _EIGHT_BITS

    def is_static(self, node: NodeInfo) -> bool:
        """Whether the integer operator stands between quantized twins of this node's activation and output."""
        found = self._static_writers.get((_first_output(node), _STATIC_OPS[node.op]))
        if found is None:
            return False
        biased = node.op in ("Conv", "Gemm") and len(node.inputs) > 2 and node.inputs[2] != ""
        if sum(self._after.dtype_of(name) == "INT32" for name in found.inputs) != biased:
            return False
        operands = {0: found.inputs[0:3], 1: found.inputs[3:6]}
        return self._reads_with(_scales(found.outputs[0]), found) and any(
            self._is_static_twin(operands[i], node.inputs[i])
            and self._after.tensors.keys() >= {*operands[1 - i]}
            and self._after.dtype_of(operands[1 - i][0]) in _EIGHT_BITS
            for i in (0, 1)
        )

    def _is_static_twin(self, operand: tuple[str, ...], source: str) -> bool:
        """Whether an operand is the quantized twin of a source value with that twin's scale and zero point."""
        match = _STATIC_NAME.fullmatch(operand[0])
        return match is not None and match["source"] == source and operand[1:] == _scales(operand[0])

    def _reads_with(self, names: tuple[str, ...], node: NodeInfo) -> bool:
        return all(name in node.inputs and name in self._after.tensors for name in names)

    def _same_node(self, node: NodeInfo) -> NodeInfo | None:
        found = self._after.producers.get(_first_output(node))
        identity = (node.op, node.name, node.outputs, len(node.inputs))
        same = found is not None and (found.op, found.name, found.outputs, len(found.inputs)) == identity
        return found if same else None

    def _is_half_value(self, name: str) -> bool:
        tensor = self._after.tensors.get(name)
        return name in self.half_values if tensor is None else tensor.dtype == "FLOAT16"

    def _is_dequantized(self, name: str) -> bool:
        producer = self._after.producers.get(name)
        if producer is not None and producer.op == "Reshape":
            producer = self._after.producers.get(producer.inputs[0])
        if producer is None or producer.op != "DequantizeLinear":
            return False
        return self._after.dtype_of(producer.inputs[0]) == "INT8"


_CHECKS: Mapping[Precision, Callable[[_Result, NodeInfo], bool]] = {
    Precision.FP32: _Result.is_untouched,
    Precision.FP16: _Result.is_half,
    Precision.INT8: _Result.is_dynamic,
    Precision.W8: _Result.is_weight_only,
}


def _writers(after: Inventory, pattern: re.Pattern[str]) -> dict[tuple[str, str], NodeInfo]:
    """The nodes that write twins of source values, by the value's name and their op."""
    written = ((name, node) for node in after.main_nodes for name in node.outputs)
    return {(match["source"], node.op): node for name, node in written if (match := pattern.fullmatch(name))}


def _scales(twin: str) -> tuple[str, str]:
    """Names of the scale and zero point of a quantized twin."""
    return f"{twin}_scale", f"{twin}_zero_point"


def _first_output(node: NodeInfo) -> str:
    return next((name for name in node.outputs if name), "")
