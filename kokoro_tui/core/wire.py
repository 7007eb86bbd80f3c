"""Sizes of serialized ONNX records, computed without building them.

Formula: a protobuf field is a tag (the field number shifted by three, as a varint) and its payload; strings and
messages carry their length as a varint in front (https://protobuf.dev/programming-guides/encoding). Field numbers
are those of onnx.proto.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

ITEM_BYTES = {
    "FLOAT": 4, "FLOAT16": 2, "BFLOAT16": 2, "DOUBLE": 8, "INT8": 1, "UINT8": 1, "BOOL": 1, "INT16": 2,
    "UINT16": 2, "INT32": 4, "UINT32": 4, "INT64": 8, "UINT64": 8, "COMPLEX64": 8, "COMPLEX128": 16,
    "FLOAT8E4M3FN": 1, "FLOAT8E4M3FNUZ": 1, "FLOAT8E5M2": 1, "FLOAT8E5M2FNUZ": 1, "FLOAT8E8M0": 1,
}  # fmt: skip
"""Bytes per element; four-bit types and strings are missing because they have no whole number."""


def varint_bytes(value: int) -> int:
    """Bytes of a varint; negative numbers take ten."""
    if value < 0:
        return 10
    return max(1, (value.bit_length() + 6) // 7)


def message_bytes(length: int) -> int:
    """Bytes of a length-delimited field that holds ``length`` bytes."""
    return 1 + varint_bytes(length) + length


@lru_cache(maxsize=1 << 15)
def text_bytes(text: str) -> int:
    """Bytes of a string field."""
    return message_bytes(len(text.encode()))


def names_bytes(names: Iterable[str]) -> int:
    """Bytes of a repeated string field; empty names count, as optional node inputs do."""
    return sum(text_bytes(name) for name in names)


def int_attribute_bytes(name: str, value: int) -> int:
    """Bytes of an INT AttributeProto inside its node: name (1), i (3), type (20, a two-byte tag)."""
    return message_bytes(text_bytes(name) + 1 + varint_bytes(value) + 3)


def tensor_bytes(name: str, dims: tuple[int, ...], nbytes: int) -> int:
    """Bytes of an initializer inside its graph: dims (1, unpacked), data_type (2), name (8), raw_data (9)."""
    data_type = 2  # every number is below 128
    dimensions = sum(1 + varint_bytes(dim) for dim in dims)
    return message_bytes(dimensions + data_type + text_bytes(name) + message_bytes(nbytes))


def opset_bytes(domain: str, version: int) -> int:
    """Bytes of an opset_import entry inside its model."""
    return message_bytes((text_bytes(domain) if domain else 0) + 1 + varint_bytes(version))


def value_bytes(name: str, shape: tuple[int | str | None, ...]) -> int:
    """Bytes of a ``value_info`` entry inside its graph; without a shape where that is empty.

    name (1) and type (2) of ValueInfoProto; tensor_type (1) of TypeProto; elem_type (1) and shape (2) of its tensor;
    one dim (1) per axis, that holds dim_value (1), dim_param (2) or nothing.
    """
    tensor = 2  # elem_type: every number is below 128
    if shape:
        tensor += message_bytes(sum(message_bytes(_axis_bytes(size)) for size in shape))
    return message_bytes(text_bytes(name) + message_bytes(message_bytes(tensor)))


def _axis_bytes(size: int | str | None) -> int:
    if size is None:
        return 0
    return text_bytes(size) if isinstance(size, str) else 1 + varint_bytes(size)
