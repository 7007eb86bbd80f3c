"""The four precisions that a node can be given, and the two integer types that INT8 comes in."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """How one node stores its weights and computes; the value is the name used in files and JSON."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    W8 = "w8"

    @property
    def label(self) -> str:
        """The short name shown on screen."""
        return {"fp32": "FP32", "fp16": "FP16", "int8": "INT8", "w8": "W8"}[self.value]

    @property
    def describe(self) -> str:
        """What the precision means, in one phrase."""
        return _DESCRIPTIONS[self]


class WeightType(StrEnum):
    """An 8-bit integer type, of INT8 weights or of quantized activations.

    Dynamic INT8 stores Conv's weights as UINT8 whatever the type of the others is.
    """

    QINT8 = "QInt8"
    QUINT8 = "QUInt8"


_DESCRIPTIONS = {
    Precision.FP32: "32-bit float, as in the source model",
    Precision.FP16: "the node computes in 16-bit float and its weights are stored so",
    Precision.INT8: "activations and weights in 8-bit integers, activations by ranges seen while running or before",
    Precision.W8: "weights in 8-bit integers per output channel, arithmetic in 32-bit float",
}
