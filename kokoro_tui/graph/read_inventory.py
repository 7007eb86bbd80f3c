"""Model file -> Inventory: the quick look that needs no weights and no onnx_ir."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import prod
from pathlib import Path

import onnx
from google.protobuf.message import Message

from kokoro_tui.core.groups import find_groups
from kokoro_tui.core.inventory import MIN_CANDIDATE_PARAMETERS, Inventory, NodeInfo, TensorInfo, ValueInfo
from kokoro_tui.core.wire import ITEM_BYTES, message_bytes, tensor_bytes
from kokoro_tui.errors import InputError
from kokoro_tui.graph.load import external_file, external_tensors, payload_bytes, read_model, subgraphs

_DTYPE_NAMES: dict[int, str] = {number: name for name, number in onnx.TensorProto.DataType.items()}
_ATTRIBUTE = onnx.AttributeProto
MAX_SUBGRAPH_DEPTH = 16
"""Deeper nesting than any exporter writes; a file that exceeds it is refused."""


def read_inventory(path: Path, *, min_parameters: int = MIN_CANDIDATE_PARAMETERS) -> Inventory:
    """Read what the workbench needs to know of a model file.

    Args:
        path: The model; its external data is looked at for size only.
        min_parameters: Fewest parameters that make a node a candidate.

    Raises:
        InputError: See ``read_model``.
    """
    model = read_model(path)
    file_bytes = path.stat().st_size
    data_files = {external_file(path, tensor) for tensor in external_tensors(model)}
    file_bytes += sum(file.stat().st_size for file in data_files)
    return inventory_of(model, path, file_bytes, min_parameters=min_parameters, external_data=bool(data_files))


def inventory_of(
    model: onnx.ModelProto,
    path: Path,
    file_bytes: int,
    *,
    min_parameters: int = MIN_CANDIDATE_PARAMETERS,
    external_data: bool = False,
) -> Inventory:
    """The inventory of a model in memory; ``path`` and ``file_bytes`` say where it came from."""
    graph = model.graph
    tensors = {tensor.name: _tensor_info(tensor) for tensor in graph.initializer}
    nodes = list(_read_nodes(graph, tensors))
    _make_keys_unique(nodes)
    inputs = tuple(_value_info(value, 0) for value in graph.input if value.name not in tensors)
    outputs = tuple(_value_info(value, 0) for value in graph.output)
    values = {v.name: _value_info(v, message_bytes(v.ByteSize())) for v in graph.value_info}
    values.update({value.name: value for value in (*inputs, *outputs)})
    payload = sum(tensor.record_bytes for tensor in tensors.values())
    graph_bytes = _bytes_without(graph, "initializer") + payload
    return Inventory(
        path=path,
        file_bytes=file_bytes,
        rest_bytes=_bytes_without(model, "graph"),
        graph_bytes=graph_bytes,
        nodes=tuple(nodes),
        tensors=tensors,
        values=values,
        inputs=inputs,
        outputs=outputs,
        subgraph_reads=frozenset(_subgraph_reads(graph)),
        opsets={"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import},
        metadata={entry.key: entry.value for entry in model.metadata_props},
        ir_version=model.ir_version,
        producer=model.producer_name,
        external_data=external_data,
        min_parameters=min_parameters,
        groups=find_groups(node for node in nodes if node.depth == 0),
    )


def _bytes_without(message: Message, heavy: str) -> int:
    """Serialized length of a message without one of its fields.

    Asking for the length of a whole model writes all its weights to memory, which takes most of a second.
    """
    light = type(message)()
    for field, value in message.ListFields():
        if field.name == heavy:
            continue
        if field.is_repeated:
            getattr(light, field.name).MergeFrom(value)
        elif isinstance(value, Message):
            getattr(light, field.name).CopyFrom(value)
        else:
            setattr(light, field.name, value)
    return light.ByteSize()


def _tensor_info(tensor: onnx.TensorProto) -> TensorInfo:
    dims = tuple(tensor.dims)
    if any(dim < 0 for dim in dims):
        raise InputError(f"the initializer {tensor.name!r} has a negative dimension", "export the model again")
    dtype = _DTYPE_NAMES.get(tensor.data_type, "UNDEFINED")
    nbytes = _stored_bytes(tensor, dtype)
    external = tensor.data_location == onnx.TensorProto.EXTERNAL
    return TensorInfo(
        name=tensor.name,
        dtype=dtype,
        dims=dims,
        parameters=prod(dims),
        nbytes=nbytes,
        # Of external data, once a build has brought it in.
        record_bytes=tensor_bytes(tensor.name, dims, nbytes) if external else message_bytes(tensor.ByteSize()),
    )


def _stored_bytes(tensor: onnx.TensorProto, dtype: str) -> int:
    """Payload of a tensor.

    Raises:
        InputError: The file does not hold as many elements as the dims say.
    """
    if dtype == "STRING":
        return sum(len(text) for text in tensor.string_data)
    expected = payload_bytes(tensor)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return expected
    found = len(tensor.raw_data) if tensor.HasField("raw_data") else expected
    if not tensor.HasField("raw_data") and dtype == "FLOAT":
        found = 4 * len(tensor.float_data)
    if found != expected and expected:
        raise InputError(
            f"the initializer {tensor.name!r} holds {found} bytes, but its shape asks for {expected}",
            "copy or export the model again",
        )
    return found


def _value_info(value: onnx.ValueInfoProto, record_bytes: int) -> ValueInfo:
    kind = value.type.WhichOneof("value")
    if kind != "tensor_type":
        return ValueInfo(value.name, (kind or "unknown").removesuffix("_type").upper(), (), record_bytes)
    tensor = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else (dim.dim_param or None) for dim in tensor.shape.dim)
    return ValueInfo(value.name, _DTYPE_NAMES.get(tensor.elem_type, "UNDEFINED"), shape, record_bytes)


def _read_nodes(graph: onnx.GraphProto, tensors: Mapping[str, TensorInfo], depth: int = 0) -> Iterator[NodeInfo]:
    """Nodes of a graph, then those of its bodies, which also see the initializers around them."""
    bodies = []
    for node in graph.node:
        yield _node_info(node, tensors, depth)
        bodies.extend(subgraphs(node))
    if bodies and depth >= MAX_SUBGRAPH_DEPTH:
        raise InputError(
            f"the model nests subgraphs more than {MAX_SUBGRAPH_DEPTH} deep",
            "this is not a file that Kokoro writes",
        )
    for body in bodies:
        inner = {**tensors, **{t.name: _tensor_info(t) for t in body.initializer}}
        yield from _read_nodes(body, inner, depth + 1)


def _node_info(node: onnx.NodeProto, tensors: Mapping[str, TensorInfo], depth: int) -> NodeInfo:
    inputs = tuple(node.input)
    weights = tuple(dict.fromkeys(name for name in inputs if name in tensors))
    inside = [_tensor_info(a.t) for a in node.attribute if a.type == _ATTRIBUTE.TENSOR]
    return NodeInfo(
        key=node.name,
        name=node.name,
        op=node.op_type,
        domain="" if node.domain == "ai.onnx" else node.domain,
        inputs=inputs,
        outputs=tuple(node.output),
        weights=weights,
        parameters=sum(tensors[name].parameters for name in weights),
        nbytes=sum(tensors[name].nbytes for name in weights),
        own_parameters=sum(tensor.parameters for tensor in inside),
        own_nbytes=sum(tensor.nbytes for tensor in inside),
        own_dtype=inside[0].dtype if inside else "",
        record_bytes=message_bytes(node.ByteSize()),
        attributes={a.name: value for a in node.attribute if (value := _scalar(a)) is not None},
        attribute_bytes={a.name: message_bytes(a.ByteSize()) for a in node.attribute},
        depth=depth,
    )


def _scalar(attribute: onnx.AttributeProto) -> int | float | str | tuple[int, ...] | None:
    if attribute.type == _ATTRIBUTE.INT:
        return attribute.i
    if attribute.type == _ATTRIBUTE.FLOAT:
        return attribute.f
    if attribute.type == _ATTRIBUTE.INTS:
        return tuple(attribute.ints)
    if attribute.type == _ATTRIBUTE.STRING:
        return attribute.s.decode("utf-8", "replace")
    return None


def _make_keys_unique(nodes: list[NodeInfo]) -> None:
    """Give every node a key of its own where names are empty or repeated."""
    uses = Counter(node.name for node in nodes)
    taken = {name for name, count in uses.items() if count == 1}
    for index, node in enumerate(nodes):
        if node.name and uses[node.name] == 1:
            continue
        key = f"{node.name or node.op}#{index}"
        while key in taken:
            key += "'"
        taken.add(key)
        nodes[index] = replace(node, key=key)


def _subgraph_reads(graph: onnx.GraphProto) -> Iterable[str]:
    """Names that bodies anywhere below ``graph`` read; a few too many do no harm."""
    for node in graph.node:
        for body in subgraphs(node):
            for inner in body.node:
                yield from inner.input
            yield from (value.name for value in body.output)
            yield from _subgraph_reads(body)
