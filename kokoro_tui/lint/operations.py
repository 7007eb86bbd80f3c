"""What decides whether a node has a kernel: its operator, and of each value the type, and whether it is constant."""

from __future__ import annotations

from dataclasses import dataclass

from kokoro_tui.core.calibration import INTEGERS
from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.rewrite import Rewriter
from kokoro_tui.core.specs import DYNAMIC_PARTS, STATIC_SUFFIX, FormKind, NodeSpec
from kokoro_tui.lint.tables import Schema, find_schema, only_type

_TWIN_TYPES = {
    FormKind.HALF.value: "FLOAT16",
    FormKind.TENSOR_UINT8.value: "UINT8",
    FormKind.TENSOR_INT8.value: "INT8",
    FormKind.DIRECTION_INT8.value: "INT8",
    FormKind.CHANNEL_INT8.value: "INT8",
    FormKind.BROADCAST.value: "FLOAT",
    FormKind.BIAS_INT32.value: "INT32",
    **dict(zip(DYNAMIC_PARTS, ("INT32", "FLOAT", "FLOAT", "FLOAT"), strict=True)),
}
"""Element types by what a rewrite adds to the name of a value."""
_TWINS = tuple(sorted(_TWIN_TYPES, key=len, reverse=True))
_PER_CHANNEL = (FormKind.CHANNEL_INT8.value, FormKind.DIRECTION_INT8.value)
_NO_TYPE = frozenset({"UNKNOWN", "UNDEFINED"})
_CAST_TYPES = {
    1: "FLOAT", 2: "UINT8", 3: "INT8", 4: "UINT16", 5: "INT16", 6: "INT32", 7: "INT64", 9: "BOOL", 10: "FLOAT16",
    11: "DOUBLE", 12: "UINT32", 13: "UINT64", 16: "BFLOAT16",
}  # fmt: skip
"""Element types by the number that Cast names them by (TensorProto.DataType)."""


@dataclass(frozen=True, slots=True)
class Operand:
    """One input of a node."""

    dtype: str | None
    """ONNX element type; None where the file does not tell."""
    constant: bool = False
    rank: int | None = None
    """Number of dimensions; None if unknown."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A node as far as a table of kernels is concerned."""

    op: str
    """The operator; those of other domains as ``domain:operator``."""
    inputs: tuple[Operand | None, ...]
    """None for an input that is left out."""
    outputs: tuple[str | None, ...]
    """Element types."""

    @property
    def domain(self) -> str:
        """The operator's domain, the default one as an empty string."""
        return self.op.rpartition(":")[0]

    @property
    def name(self) -> str:
        """The operator without its domain."""
        return self.op.rpartition(":")[2]


class OperationReader:
    """Describes the nodes of a model and those that plans add to it.

    Args:
        rewriter: Names what a plan adds; its inventory types what is there.
    """

    def __init__(self, rewriter: Rewriter) -> None:
        self._inventory = rewriter.inventory
        self._infix = rewriter.infix
        static = rewriter.static_type
        self._types = {**_TWIN_TYPES, STATIC_SUFFIX: INTEGERS[static] if static else "INT8"}
        # Thousands of values and nodes are alike, so that each kind is kept once.
        self._operands: dict[Operand, Operand] = {}
        self._operations: dict[Operation, Operation] = {}
        self._inferred = _infer_types(self._inventory)

    def source(self, node: NodeInfo) -> Operation:
        """A node as it is in the model."""
        return self._operation(node.op, node.domain, node.inputs, node.outputs)

    def added(self, spec: NodeSpec) -> Operation:
        """A node that a plan writes."""
        return self._operation(spec.op, spec.domain, spec.inputs, spec.outputs)

    def _operation(self, op: str, domain: str, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Operation:
        found = Operation(
            f"{domain}:{op}" if domain else op,
            tuple(self._operand(name) if name else None for name in inputs),
            tuple(self._operand(name).dtype if name else None for name in outputs),
        )
        return self._operations.setdefault(found, found)

    def _operand(self, name: str) -> Operand:
        found = self._twin(name) or self._untouched(name)
        return self._operands.setdefault(found, found)

    def _twin(self, name: str) -> Operand | None:
        """A value whose name says that a rewrite has made it; None for values of the model."""
        base, found, ending = name.rpartition(self._infix)
        kind = next((kind for kind in (STATIC_SUFFIX, *_TWINS) if ending.startswith(kind)), "") if found else ""
        if not kind:
            return None
        source = self._untouched(base)
        part = ending.rpartition("_")[2] if "_" in ending.removeprefix(kind) else ""
        if part in ("dq", "rows"):
            return Operand("FLOAT", rank=source.rank)
        if part == "shape":
            return Operand("INT64", constant=True, rank=1)
        # A static scale is an initializer, a dynamic one is computed; a weight's form is one as the weight was.
        constant = source.constant or (kind == STATIC_SUFFIX and part != "")
        if part in ("scale", "point"):
            dtype = "FLOAT" if part == "scale" else self._types[kind]
            return Operand(dtype, constant, rank=1 if kind.startswith(_PER_CHANNEL) else 0)
        return Operand(self._types[kind], constant, source.rank)

    def _untouched(self, name: str) -> Operand:
        """A value of the model; what a Constant node writes is constant."""
        if tensor := self._inventory.tensors.get(name):
            return Operand(tensor.dtype, constant=True, rank=len(tensor.dims))
        producer = self._inventory.producers.get(name)
        constant = producer is not None and producer.op == "Constant"
        value = self._inventory.values.get(name)
        dtype = _stated_type(self._inventory, name) or self._inferred.get(name)
        # A value of unknown shape reads like a scalar.
        return Operand(dtype, constant, len(value.shape) or None if value is not None else None)


def _stated_type(inventory: Inventory, name: str) -> str | None:
    """The type that the file states for a value."""
    dtype = inventory.dtype_of(name)
    return None if dtype in _NO_TYPE else dtype


def _infer_types(inventory: Inventory) -> dict[str, str]:
    """Types of values about which the file says nothing, from the nodes that write them, as far as that goes."""
    found: dict[str, str] = {}
    for node in inventory.nodes:
        if all(_stated_type(inventory, name) for name in node.outputs if name):
            continue
        schema = find_schema(node.op if not node.domain else f"{node.domain}:{node.op}", inventory.opsets)
        inputs = [_stated_type(inventory, name) or found.get(name) for name in node.inputs]
        for position, name in enumerate(node.outputs):
            dtype = _written_type(node, schema, inputs, position)
            if name and dtype and _stated_type(inventory, name) is None:
                found[name] = dtype
    return found


def _written_type(node: NodeInfo, schema: Schema | None, inputs: list[str | None], position: int) -> str | None:
    """The type of one output of a node."""
    if node.op == "Cast":
        number = node.attributes.get("to")
        return _CAST_TYPES.get(number) if isinstance(number, int) else None
    if node.op == "Constant":
        return node.own_dtype or None
    if schema is None or not (variable := schema.output_variable(position)):
        return None
    bound = (dtype for i, dtype in enumerate(inputs) if dtype and schema.input_variable(i) == variable)
    return next(bound, None) or only_type(schema, variable)
