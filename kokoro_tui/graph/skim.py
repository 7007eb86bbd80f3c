"""Read a model file without its large weights: the quick way to an inventory.

A model of 310 MiB holds 0.7 MiB of graph. The wire format says how long every field is, so the weights can be stepped
over; reading and parsing all of them would take ten times as long (0.3 s).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import onnx
from google.protobuf.message import DecodeError

LARGE_BYTES = 4096
"""Payloads up to this length are read; they cost nothing and some are looked at."""
MOST_FIELDS = 500_000
"""More than any model has; a file that is nothing but small fields would take minutes."""
_WINDOW_BYTES = 8192
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MODEL_GRAPH = onnx.ModelProto.DESCRIPTOR.fields_by_name["graph"].number
_GRAPH_INITIALIZER = onnx.GraphProto.DESCRIPTOR.fields_by_name["initializer"].number
_TENSOR_RAW_DATA = onnx.TensorProto.DESCRIPTOR.fields_by_name["raw_data"].number
_TENSOR_LOCATION = onnx.TensorProto.DESCRIPTOR.fields_by_name["data_location"].number


@dataclass(frozen=True)
class SkimmedModel:
    """A model whose large initializers lack their ``raw_data``."""

    model: onnx.ModelProto
    left_out: dict[int, Span]
    """``raw_data`` that was stepped over, by index of the initializer."""


class Span(NamedTuple):
    """A run of bytes in a file."""

    start: int
    nbytes: int


class _IrregularError(Exception):
    """The file is not plainly written; the whole of it has to be parsed to say what is wrong."""


class _Field(NamedTuple):
    number: int
    start: int
    """Where its tag stands in the file."""
    content: int
    """Where its content begins."""
    end: int


def skim_model(path: Path) -> SkimmedModel | None:
    """Parse a model without its large weights; None where only parsing the whole file can tell what it holds."""
    try:
        if not path.is_file():
            return None  # opening a pipe would wait for ever
        with path.open("rb", buffering=0) as handle:
            return _skim(_Windowed(handle.fileno(), os.fstat(handle.fileno()).st_size))
    except (OSError, ValueError, _IrregularError, DecodeError):
        return None


class _Windowed:
    """Bytes of a file by position, read a window at a time (a mapped file that is cut short kills the process)."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.size = size
        self._descriptor = descriptor
        self._window = b""
        self._offset = 0
        self._fields_left = MOST_FIELDS

    def slice(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to before ``end``."""
        found = os.pread(self._descriptor, end - start, start)
        if len(found) != end - start:
            raise _IrregularError
        return found

    def varint(self, position: int) -> tuple[int, int]:
        """The number at ``position``, and where it ends."""
        value = shift = 0
        while True:
            index = position - self._offset
            if not 0 <= index < len(self._window):
                self._window, self._offset = os.pread(self._descriptor, _WINDOW_BYTES, position), position
                index = 0
                if not self._window:
                    raise _IrregularError
            byte = self._window[index]
            value |= (byte & 0x7F) << shift
            position += 1
            shift += 7
            if byte < 0x80:
                return value, position
            if shift > 63:
                raise _IrregularError

    def fields(self, start: int, end: int) -> Iterator[_Field]:
        """The fields of the message that lies between two positions."""
        position = start
        while position < end:
            tag, content = self.varint(position)
            kind = tag & 7
            self._fields_left -= 1
            if tag >> 3 == 0 or not self._fields_left:
                raise _IrregularError
            if kind == _LENGTH:
                length, content = self.varint(content)
                after = content + length
            elif kind == _VARINT:
                _, after = self.varint(content)
            elif kind in (_FIXED64, _FIXED32):
                after = content + (8 if kind == _FIXED64 else 4)
            else:
                raise _IrregularError
            if after > end:
                raise _IrregularError
            yield _Field(tag >> 3, position, content, after)
            position = after


def _skim(file: _Windowed) -> SkimmedModel:
    pieces: list[bytes] = []
    left_out: dict[int, Span] = {}
    graphs = 0
    for field in file.fields(0, file.size):
        if field.number == _MODEL_GRAPH:
            graphs += 1
            pieces.append(_length_delimited(_MODEL_GRAPH, _light_graph(file, field, left_out)))
        else:
            pieces.append(file.slice(field.start, field.end))
    if graphs != 1:
        raise _IrregularError
    model = onnx.ModelProto()
    model.ParseFromString(b"".join(pieces))
    return SkimmedModel(model, left_out)


def _light_graph(file: _Windowed, graph: _Field, left_out: dict[int, Span]) -> bytes:
    """The graph's bytes without the large weights; what lies between them is copied in long runs."""
    pieces: list[bytes] = []
    copied = graph.content
    initializers = 0
    for field in file.fields(graph.content, graph.end):
        if field.number != _GRAPH_INITIALIZER:
            continue
        if field.end - field.content > LARGE_BYTES:
            light, raw_data = _light_tensor(file, field)
            if raw_data.nbytes:
                left_out[initializers] = raw_data
                pieces.append(file.slice(copied, field.start))
                pieces.append(_length_delimited(_GRAPH_INITIALIZER, light))
                copied = field.end
        initializers += 1
    pieces.append(file.slice(copied, graph.end))
    return b"".join(pieces)


def _light_tensor(file: _Windowed, tensor: _Field) -> tuple[bytes, Span]:
    """A tensor's bytes without its raw data, and where that is; nowhere if it has to be read whole."""
    kept: list[_Field] = []
    raw_data = whole = Span(0, 0)
    for field in file.fields(tensor.content, tensor.end):
        if field.number == _TENSOR_LOCATION or (field.number == _TENSOR_RAW_DATA and raw_data.nbytes):
            return b"", whole
        if field.number == _TENSOR_RAW_DATA:
            raw_data = Span(field.content, field.end - field.content)
        else:
            kept.append(field)
    if raw_data.nbytes <= LARGE_BYTES:
        return b"", whole
    return b"".join(file.slice(field.start, field.end) for field in kept), raw_data


def _length_delimited(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
