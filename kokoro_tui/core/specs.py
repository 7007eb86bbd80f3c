"""What a rewrite adds to a graph, as plain values that know their size in the file.

The builder turns these into real nodes and tensors; the estimate adds up their sizes. Because both read the same
specs, the estimate is exact by construction.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from math import prod

from kokoro_tui.core.inventory import NodeInfo, TensorInfo
from kokoro_tui.core.wire import (
    ITEM_BYTES,
    int_attribute_bytes,
    message_bytes,
    names_bytes,
    tensor_bytes,
    text_bytes,
    value_bytes,
)


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """A node to be written."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str = ""
    attributes: tuple[tuple[str, int], ...] = ()
    copy_from: NodeInfo | None = None
    """The node whose attributes it takes over."""
    without: frozenset[str] = frozenset()
    """Names of attributes that are not taken over."""

    @property
    def record_bytes(self) -> int:
        """Bytes in the file, tag and length included."""
        body = names_bytes(self.inputs) + names_bytes(self.outputs) + text_bytes(self.op)
        body += text_bytes(self.name) if self.name else 0
        body += text_bytes(self.domain) if self.domain else 0
        body += sum(int_attribute_bytes(name, value) for name, value in self.attributes)
        if self.copy_from is not None:
            body += sum(n for name, n in self.copy_from.attribute_bytes.items() if name not in self.without)
        return message_bytes(body)


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """An initializer to be written."""

    name: str
    dtype: str
    dims: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        """Payload in bytes."""
        return prod(self.dims) * ITEM_BYTES[self.dtype]

    @property
    def record_bytes(self) -> int:
        """Bytes in the file, tag and length included."""
        return tensor_bytes(self.name, self.dims, self.nbytes)


@dataclass(frozen=True, slots=True)
class ValueSpec:
    """The type and shape of an intermediate value, to be written as its ``value_info`` entry."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    """Empty where it is not told."""

    @property
    def record_bytes(self) -> int:
        """Bytes in the file, tag and length included."""
        return value_bytes(self.name, self.shape)


class FormKind(Enum):
    """How a stored copy of a weight differs from the original."""

    HALF = "fp16"
    """Cast to FLOAT16."""
    TENSOR_UINT8 = "quantized_uint8"
    """Asymmetric UINT8 with one scale and zero point."""
    TENSOR_INT8 = "quantized_int8"
    """Symmetric INT8 with one scale."""
    DIRECTION_INT8 = "lstm8"
    """LSTM weight [directions, 4*hidden, input] as symmetric INT8 [directions, input, 4*hidden], one scale each."""
    CHANNEL_INT8 = "w8"
    """Symmetric INT8 with one scale per slice along an axis, dequantized in the graph."""
    SHARED_INT8 = "w8s"
    """CHANNEL_INT8 of a weight that several nodes read, dequantized once: a Reshape stands behind DequantizeLinear.

    onnxruntime gives every reader of a DequantizeLinear one of its own, and none of them is folded: the ALBERT layers
    would dequantize each of their shared weights twelve times a run.
    """
    ROW_INT8 = "w8r"
    """LSTM weight as symmetric INT8 with one scale per gate row of each direction, dequantized in the graph."""
    BROADCAST = "bc"
    """A bias [C] reshaped to [1, C, 1, ...]."""
    BIAS_INT32 = "int32bias"
    """A bias in units of input scale times weight scale."""


@dataclass(frozen=True, slots=True)
class BiasScale:
    """Where the unit of an INT32 bias comes from."""

    output: str
    """The value that the operator writes; no other operator writes it, so the bias is named after it."""
    data: str
    """The value that the operator reads quantized."""
    weight: WeightForm
    """The operator's weight."""


@dataclass(frozen=True, slots=True)
class WeightForm:
    """One stored form of one weight; equal forms of several readers are stored once."""

    kind: FormKind
    weight: str
    axis: int = 0
    """The channel axis of CHANNEL_INT8 and SHARED_INT8; the rank of BROADCAST."""
    transposed: bool = False
    """The two dims are swapped, as Gemm with transB needs to become MatMulInteger."""
    scaled_by: BiasScale | None = None
    """The unit of BIAS_INT32; None for all other forms."""

    def base_name(self, infix: str) -> str:
        """Name of the main tensor."""
        if self.scaled_by is not None:
            return f"{self.scaled_by.output}{infix}{self.kind.value}"
        extra = str(self.axis) if self.kind in _NAMED_BY_AXIS else ""
        return f"{self.weight}{infix}{self.kind.value}{extra}{'t' if self.transposed else ''}"

    def float_name(self, infix: str) -> str:
        """Name of the dequantized value of CHANNEL_INT8, SHARED_INT8 and ROW_INT8."""
        return f"{self.base_name(infix)}_dq"

    def tensors(self, weight: TensorInfo, infix: str) -> tuple[TensorSpec, ...]:
        """The initializers of this form; ``quantize.derive`` gives their values in the same order."""
        name, dims = self.base_name(infix), weight.dims
        if self.transposed:
            dims = dims[::-1]
        if self.kind is FormKind.HALF:
            return (TensorSpec(name, "FLOAT16", dims),)
        if self.kind is FormKind.BROADCAST:
            return (TensorSpec(name, "FLOAT", (1, weight.parameters, *(1,) * (self.axis - 2))),)
        if self.kind is FormKind.BIAS_INT32:
            return (TensorSpec(name, "INT32", dims),)
        scale, zero_point = f"{name}_scale", f"{name}_zero_point"
        if self.kind in (FormKind.CHANNEL_INT8, FormKind.SHARED_INT8):
            shape = (TensorSpec(f"{name}_shape", "INT64", (len(dims),)),) if self.kind is FormKind.SHARED_INT8 else ()
            return (TensorSpec(name, "INT8", dims), TensorSpec(scale, "FLOAT", (dims[self.axis],)), *shape)
        if self.kind is FormKind.ROW_INT8:
            rows = dims[0] * dims[1]
            return (
                TensorSpec(name, "INT8", (rows, dims[2])),
                TensorSpec(scale, "FLOAT", (rows,)),
                TensorSpec(f"{name}_shape", "INT64", (3,)),
            )
        if self.kind is FormKind.DIRECTION_INT8:
            turned = (dims[0], dims[2], dims[1])
            return (
                TensorSpec(name, "INT8", turned),
                TensorSpec(scale, "FLOAT", (dims[0],)),
                TensorSpec(zero_point, "INT8", (dims[0],)),
            )
        dtype = "UINT8" if self.kind is FormKind.TENSOR_UINT8 else "INT8"
        return (
            TensorSpec(name, dtype, dims),
            TensorSpec(scale, "FLOAT", ()),
            TensorSpec(zero_point, dtype, ()),
        )

    def nodes(self, infix: str) -> tuple[NodeSpec, ...]:
        """The nodes that turn the stored form back to float; none for forms that are read directly."""
        name, output = self.base_name(infix), self.float_name(infix)
        if self.kind is FormKind.CHANNEL_INT8:
            inputs = (name, f"{name}_scale")
            return (NodeSpec("DequantizeLinear", output, inputs, (output,), attributes=(("axis", self.axis),)),)
        if self.kind in (FormKind.ROW_INT8, FormKind.SHARED_INT8):
            # DequantizeLinear scales along one axis only, and a gate row is a pair (direction, row).
            flat = f"{name}_rows"
            inputs = (name, f"{name}_scale")
            return (
                NodeSpec("DequantizeLinear", flat, inputs, (flat,), attributes=(("axis", self.axis),)),
                NodeSpec("Reshape", output, (flat, f"{name}_shape"), (output,)),
            )
        return ()


_NAMED_BY_AXIS = frozenset({FormKind.CHANNEL_INT8, FormKind.SHARED_INT8, FormKind.BROADCAST})
DYNAMIC_PARTS = ("int32", "float", "scale", "product")
"""What stands between an integer operator and its output: the sum, the sum as float, the scale, the scaled sum."""
STATIC_SUFFIX = "static"
"""What the quantized twin of a calibrated value is called by."""
_SUFFIXES = (*(kind.value for kind in FormKind), *DYNAMIC_PARTS, STATIC_SUFFIX)


def choose_infix(names: frozenset[str]) -> str:
    """Text between an old name and its new suffix such that no new name is taken already.

    A model that this tool has written before holds such names; its next build gets another infix.
    """
    text = "\n".join(names)
    infix, attempt = "__", 1
    while any(f"{infix}{suffix}" in text for suffix in _SUFFIXES):
        attempt += 1
        infix = f"__{attempt}_"
    return infix
