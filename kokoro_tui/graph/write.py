"""Write a model piece by piece: large weights go from their arrays to the file without passing a protobuf.

Protobuf fields may come in any order (https://protobuf.dev/programming-guides/encoding#order), so the graph's
structure is serialized without its initializers and these follow it. Serializing the whole model at once would
hold three copies of the weights and take several times as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np
import numpy.typing as npt
import onnx
from google.protobuf.message import Message

from kokoro_tui.core.specs import TensorSpec

MessageType = TypeVar("MessageType", bound=Message)
_GRAPH_TAG, _INITIALIZER_TAG, _RAW_DATA_TAG = b"\x3a", b"\x2a", b"\x4a"


@dataclass(frozen=True)
class PendingTensors:
    """Initializers whose data is made when its turn to be written comes."""

    headers: tuple[onnx.TensorProto, ...]
    """The tensors without their data."""
    sizes: tuple[int | None, ...]
    """Bytes of data of each; None for one that is complete without."""
    make: Callable[[], Sequence[npt.NDArray[np.generic]]]
    """Gives the data of each."""

    @classmethod
    def of(cls, specs: Iterable[TensorSpec], make: Callable[[], Sequence[npt.NDArray[np.generic]]]) -> PendingTensors:
        """New initializers."""
        chosen = tuple(specs)
        number = onnx.TensorProto.DataType.Value
        headers = (onnx.TensorProto(name=s.name, dims=s.dims, data_type=number(s.dtype)) for s in chosen)
        return cls(tuple(headers), tuple(spec.nbytes for spec in chosen), make)


def write_model(
    handle: BinaryIO,
    skeleton: onnx.ModelProto,
    tensors: Iterable[onnx.TensorProto | PendingTensors],
    *,
    threads: int = 1,
) -> None:
    """Write a model.

    Args:
        handle: Where to.
        skeleton: The model without initializers; its graph is taken out of it.
        tensors: The initializers in the order to be written.
        threads: Threads that make data ahead of the writing.
    """
    pending = [_pending(tensor) for tensor in tensors]
    starts = [
        [_start(header, size) for header, size in zip(entry.headers, entry.sizes, strict=True)] for entry in pending
    ]
    graph = skeleton.graph.SerializeToString(deterministic=True)
    skeleton.ClearField("graph")
    handle.write(skeleton.SerializeToString(deterministic=True))
    data = sum(size or 0 for entry in pending for size in entry.sizes)
    total = len(graph) + data + sum(len(start) for group in starts for start in group)
    handle.write(_GRAPH_TAG + _varint(total))
    handle.write(graph)
    for entry, group, arrays in zip(pending, starts, _made(pending, threads), strict=True):
        for start, size, array in zip(group, entry.sizes, arrays, strict=True):
            if array.nbytes != (size or 0):
                raise ValueError(f"{array.nbytes} bytes of data where {size} were announced")
            handle.write(start)
            handle.write(_little_endian(array))


def _pending(tensor: onnx.TensorProto | PendingTensors) -> PendingTensors:
    if isinstance(tensor, PendingTensors):
        return tensor
    if not tensor.HasField("raw_data"):
        return PendingTensors((tensor,), (None,), lambda: [np.empty(0, np.uint8)])
    raw = np.frombuffer(tensor.raw_data, np.uint8)
    return PendingTensors((message_without(tensor, "raw_data"),), (raw.size,), lambda: [raw])


def _start(header: onnx.TensorProto, size: int | None) -> bytes:
    """What stands before the data of a TensorProto: its tag and length, its other fields, the tag of the data."""
    fields = header.SerializeToString(deterministic=True)
    if size is None:
        return _INITIALIZER_TAG + _varint(len(fields)) + fields
    fields += _RAW_DATA_TAG + _varint(size)
    return _INITIALIZER_TAG + _varint(len(fields) + size) + fields


def _made(pending: Sequence[PendingTensors], threads: int) -> Iterator[Sequence[npt.NDArray[np.generic]]]:
    """The data of all tensors in order, made by threads that are a few tensors ahead."""
    if threads < 2:
        yield from (entry.make() for entry in pending)
        return
    with ThreadPoolExecutor(threads) as pool:
        ahead = deque(pool.submit(entry.make) for entry in pending[: 2 * threads])
        for entry in pending[2 * threads :]:
            yield ahead.popleft().result()
            ahead.append(pool.submit(entry.make))
        while ahead:
            yield ahead.popleft().result()


def _little_endian(array: npt.NDArray[np.generic]) -> memoryview:
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8).data


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


def write_file(
    path: Path,
    skeleton: onnx.ModelProto,
    tensors: Iterable[onnx.TensorProto | PendingTensors],
    *,
    threads: int = 1,
) -> None:
    """``write_model`` into a file that is opened here."""
    with path.open("wb") as handle:
        write_model(handle, skeleton, tensors, threads=threads)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
