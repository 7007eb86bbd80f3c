"""Read model files that may come from anywhere: nothing outside the model's folder is ever opened."""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from itertools import chain
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from kokoro_tui.core.wire import ITEM_BYTES
from kokoro_tui.errors import InputError

MAX_PROTOBUF_BYTES = 2**31 - 1
"""A protobuf cannot be larger; bigger models keep their weights in external data."""


def read_model(path: Path) -> onnx.ModelProto:
    """Parse a model without its external data.

    Raises:
        InputError: The file is missing, unreadable, truncated or not ONNX, or its external data is missing or
            lies outside the model's folder.
    """
    content = _read_file(path)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except DecodeError as error:
        # A model begins with its ir_version (field 1, varint).
        if content[:1] == b"\x08":
            raise InputError(
                f"{path} is damaged: it ends too early or holds bytes that are not ONNX",
                "copy or export the model again and compare the file sizes",
            ) from error
        raise _not_onnx(path) from error
    check_model(model, path)
    return model


def check_model(model: onnx.ModelProto, path: Path) -> None:
    """Refuse what can be parsed but is no model that can be worked on; put its nodes in order.

    Raises:
        InputError: It is not ONNX, holds unusable names, or its external data is missing or lies outside the
            model's folder.
    """
    if not model.HasField("graph") or model.ir_version <= 0 or not model.opset_import:
        raise _not_onnx(path)
    _check_contents(model, path)
    for tensor in external_tensors(model):
        external_file(path, tensor)
    _order_nodes(model.graph)


def _order_nodes(graph: onnx.GraphProto) -> None:
    """Bring the nodes into the order that ONNX asks for, and leave them as they are where they have it.

    onnxruntime loads models in any order, and its FP16 converter writes some.
    """
    makers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs = [{makers[name] for name in _reads(node) if name in makers} for node in graph.node]
    if all(max(need, default=-1) < index for index, need in enumerate(needs)):
        return
    readers: list[list[int]] = [[] for _ in needs]
    for index, need in enumerate(needs):
        for maker in need:
            readers[maker].append(index)
    ready = [index for index, need in enumerate(needs) if not need]
    ordered = []
    while ready:
        ordered.append(heappop(ready))
        for reader in readers[ordered[-1]]:
            needs[reader].discard(ordered[-1])
            if not needs[reader]:
                heappush(ready, reader)
    if len(ordered) == len(needs):  # less in a circle, which ONNX's checker refuses
        copies = [onnx.NodeProto.FromString(graph.node[index].SerializeToString()) for index in ordered]
        del graph.node[:]
        graph.node.extend(copies)


def _reads(node: onnx.NodeProto) -> Iterator[str]:
    """Names that a node or its bodies read, those made inside a body among them."""
    yield from node.input
    for body in _bodies([node]):
        yield from (value.name for value in body.output)
        for inner in body.node:
            yield from inner.input


def subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    """The bodies of an If, Loop or Scan node; none for others."""
    bodies: list[onnx.GraphProto] = []
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            bodies.append(attribute.g)
        elif attribute.type == onnx.AttributeProto.GRAPHS:
            bodies.extend(attribute.graphs)
    return bodies


def all_reads(node: onnx.NodeProto) -> list[str]:
    """What a node reads, and what its bodies read from around them; not always each once."""
    return [*filter(None, node.input), *captures(node)]


def captures(node: onnx.NodeProto) -> list[str]:
    """What the bodies of a node read from around them; not always each once."""
    return [name for body in subgraphs(node) for name in _read_from_outside(body)]


def _read_from_outside(body: onnx.GraphProto) -> Iterator[str]:
    own = {value.name for value in body.input} | {tensor.name for tensor in body.initializer}
    own.update(name for inner in body.node for name in inner.output)
    reads = [name for inner in body.node for name in all_reads(inner)] + [value.name for value in body.output]
    return (name for name in reads if name not in own)


def all_nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of all bodies in it."""
    yield from graph.node
    for body in _bodies(graph.node):
        yield from body.node


def _check_contents(model: onnx.ModelProto, path: Path) -> None:
    """Refuse names that are not text, ambiguous weights, and external data that nobody has looked at."""
    again = "copy or export the model again"
    graphs = [model.graph, *_bodies(model.graph.node)]
    # protobuf hands out bytes where a text is not UTF-8.
    if bytes in set(map(type, chain(_model_texts(model), *map(_texts, graphs)))):
        raise InputError(f"{path} is damaged: it holds a name that is not UTF-8 text", again)
    for graph in graphs:
        names = Counter(tensor.name for tensor in graph.initializer)
        if "" in names:
            raise InputError(f"{path} is damaged: it holds an initializer without a name", again)
        if len(names) < len(graph.initializer):
            twice = names.most_common(1)[0][0]
            raise InputError(f"{path} is damaged: it holds the initializer {twice!r} more than once", again)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _inner_tensors(model)):
        raise InputError(
            f"{path.name} keeps data of a node or a subgraph in another file, which is not opened",
            "save the model with that data inside",
        )


def _bodies(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.GraphProto]:
    """All bodies of the given nodes, of the nodes in them, and so on."""
    for node in nodes:
        for body in subgraphs(node):
            yield body
            yield from _bodies(body.node)


def _model_texts(model: onnx.ModelProto) -> Iterator[str]:
    yield from (model.producer_name, model.producer_version, model.domain, model.doc_string)
    yield from (text for entry in model.metadata_props for text in (entry.key, entry.value))
    yield from (entry.domain for entry in model.opset_import)


def _texts(graph: onnx.GraphProto) -> Iterator[str]:
    yield from (graph.name, graph.doc_string)
    yield from (text for tensor in graph.initializer for text in (tensor.name, tensor.doc_string))
    for value in chain(graph.input, graph.output, graph.value_info):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _inner_tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor but the initializers of the main graph."""
    main = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    bodies = list(_bodies(main))
    yield from (tensor for body in bodies for tensor in body.initializer)
    sparse = [tensor for graph in (model.graph, *bodies) for tensor in graph.sparse_initializer]
    for attribute in (a for node in chain(main, *(body.node for body in bodies)) for a in node.attribute):
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse += attribute.sparse_tensors
        if attribute.HasField("sparse_tensor"):
            sparse.append(attribute.sparse_tensor)
    for tensor in sparse:
        yield from (tensor.values, tensor.indices)


def load_external_data(model: onnx.ModelProto, path: Path) -> None:
    """Bring the external data of ``model`` into memory; every file was checked by ``read_model``.

    Raises:
        InputError: A data file does not hold what its tensors say, or all of them together exceed 2 GiB.
    """
    tensors = external_tensors(model)
    if sum(_external_span(tensor)[1] for tensor in tensors) > MAX_PROTOBUF_BYTES:
        raise InputError(f"{path.name} has more than 2 GiB of weights, which no single file can hold", _SMALLER_HINT)
    for tensor in tensors:
        source = external_file(path, tensor)
        offset, length = _external_span(tensor)
        try:
            with source.open("rb") as handle:
                handle.seek(offset)
                tensor.raw_data = handle.read(length)
        except OSError as error:
            raise InputError(f"cannot read {source}: {error.strerror or error}", _BESIDE_HINT) from error
        tensor.ClearField("external_data")
        tensor.ClearField("data_location")


def external_tensors(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Initializers of the main graph whose data lies in another file."""
    return [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]


def external_file(path: Path, tensor: onnx.TensorProto) -> Path:
    """The data file of an external tensor.

    Raises:
        InputError: It is missing, too short, or outside the model's folder (also through links).
    """
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    try:
        folder = path.parent.resolve()
        source = (folder / location).resolve()
        inside = bool(location) and not Path(location).is_absolute() and source.is_relative_to(folder)
        size = source.stat().st_size if inside and source.is_file() else None
    # A location may be anything: with NUL, longer than a path can be, not UTF-8, a circle of links.
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise InputError(f"{path.name} names an impossible external data file", "export the model again") from error
    if not inside:
        raise InputError(
            f"{path.name} keeps weights outside its own folder ({location!r}), which is not opened", _BESIDE_HINT
        )
    if size is None:
        raise InputError(f"{path.name} needs the external data file {location!r}, which is missing", _BESIDE_HINT)
    offset, length = _external_span(tensor)
    if offset + length > size:
        raise InputError(
            f"the external data file {location!r} is shorter than {path.name} says",
            "copy the data file again and compare the sizes",
        )
    return source


_BESIDE_HINT = "put the data file beside the model"
_SMALLER_HINT = "choose a smaller model"


def _external_span(tensor: onnx.TensorProto) -> tuple[int, int]:
    """Offset and length of the data of an external tensor in its file, in bytes."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    expected = payload_bytes(tensor)
    try:
        offset, length = int(entries.get("offset", 0)), int(entries.get("length", expected))
    except ValueError as error:
        raise InputError(
            f"the external data entry of {tensor.name!r} is not a number", "export the model again"
        ) from error
    if offset < 0 or length != expected:
        raise InputError(f"the external data entry of {tensor.name!r} does not fit its shape", "export the model again")
    return offset, length


def payload_bytes(tensor: onnx.TensorProto) -> int:
    """Bytes that the elements of a tensor take by its type and dims; 0 for strings and unknown types."""
    name = _DTYPE_NAMES.get(tensor.data_type, "")
    count = prod(tensor.dims)
    if name in _PARTS_OF_A_BYTE:
        return -(-count // _PARTS_OF_A_BYTE[name])
    return count * ITEM_BYTES.get(name, 0)


_DTYPE_NAMES: dict[int, str] = {number: name for name, number in onnx.TensorProto.DataType.items()}
_PARTS_OF_A_BYTE = {"UINT4": 2, "INT4": 2, "FLOAT4E2M1": 2, "UINT2": 4, "INT2": 4}
"""Elements that share a byte."""


def _read_file(path: Path) -> bytes:
    hint = "check the path; `kokoro-tui export` writes a kokoro.onnx"
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise InputError(f"{path} is a folder, not a model file", "name the .onnx file in it")
        if not stat.S_ISREG(status.st_mode):
            raise InputError(f"{path} is not a file that can be read from start to end", hint)
        if status.st_size > MAX_PROTOBUF_BYTES:
            raise InputError(
                f"{path} is larger than 2 GiB, which no ONNX file can be", "keep its weights as external data"
            )
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", hint) from error
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)!r} is no file name", hint) from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", hint) from error
    if not content:
        raise InputError(f"{path} is empty", hint)
    return content


def _not_onnx(path: Path) -> InputError:
    return InputError(f"{path} is not an ONNX model", "name a .onnx file; `kokoro-tui export` writes one")
