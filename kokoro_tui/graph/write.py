"""Write a model piece by piece: large weights go from their arrays to the file without passing a protobuf.

Protobuf fields may come in any order (https://protobuf.dev/programming-guides/encoding#order), so the graph's
structure is serialized without its initializers and these follow it. Serializing the whole model at once would
hold three copies of the weights and take several times as long.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import Message

from kokoro_tui.core.specs import TensorSpec

NewTensor = tuple[TensorSpec, npt.NDArray[np.generic]]
MessageType = TypeVar("MessageType", bound=Message)
_GRAPH_TAG, _INITIALIZER_TAG, _RAW_DATA_TAG = b"\x3a", b"\x2a", b"\x4a"


def write_model(handle: BinaryIO, skeleton: onnx.ModelProto, tensors: Iterable[onnx.TensorProto | NewTensor]) -> None:
    """Write a model.

    Args:
        handle: Where to.
        skeleton: The model without initializers; its graph is taken out of it.
        tensors: The initializers in the order to be written: kept ones as protobufs, new ones with their values.
    """
    records = [_record(tensor) for tensor in tensors]
    graph = skeleton.graph.SerializeToString(deterministic=True)
    skeleton.ClearField("graph")
    handle.write(skeleton.SerializeToString(deterministic=True))
    sizes = [sum(len(part) for part in record) for record in records]
    total = len(graph) + sum(1 + len(_varint(size)) + size for size in sizes)
    handle.write(_GRAPH_TAG + _varint(total))
    handle.write(graph)
    for record, size in zip(records, sizes, strict=True):
        handle.write(_INITIALIZER_TAG + _varint(size))
        for part in record:
            handle.write(part)


def _record(tensor: onnx.TensorProto | NewTensor) -> Sequence[bytes | memoryview]:
    """The parts of a TensorProto record, without tag and length."""
    if isinstance(tensor, onnx.TensorProto):
        if not tensor.HasField("raw_data"):
            return (tensor.SerializeToString(deterministic=True),)
        header = message_without(tensor, "raw_data")
        raw: bytes | memoryview = tensor.raw_data
    else:
        spec, values = tensor
        data_type = onnx.TensorProto.DataType.Value(spec.dtype)
        header = onnx.TensorProto(name=spec.name, dims=spec.dims, data_type=data_type)
        little_endian = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
        raw = little_endian.reshape(-1).view(np.uint8).data
    return header.SerializeToString(deterministic=True), _RAW_DATA_TAG + _varint(len(raw)), raw


def message_without(message: MessageType, *heavy: str) -> MessageType:
    """A copy of a message that lacks some fields, and unknown ones.

    Serializing a whole model, or asking for its length, writes all its weights to memory, which takes most of a
    second; its light parts take next to nothing.
    """
    light = type(message)()
    for field, value in message.ListFields():
        if field.name in heavy:
            continue
        if field.is_repeated:
            getattr(light, field.name).MergeFrom(value)
        elif isinstance(value, Message):
            getattr(light, field.name).CopyFrom(value)
        else:
            setattr(light, field.name, value)
    return light


def write_file(path: Path, skeleton: onnx.ModelProto, tensors: Iterable[onnx.TensorProto | NewTensor]) -> None:
    """``write_model`` into a file that is opened here."""
    with path.open("wb") as handle:
        write_model(handle, skeleton, tensors)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
