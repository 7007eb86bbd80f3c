"""Model file -> Inventory: the quick look that needs no weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path

import numpy as np
import onnx

from kokoro_tui.core.groups import find_groups
from kokoro_tui.core.inventory import MIN_CANDIDATE_PARAMETERS, Inventory, NodeInfo, TensorInfo, ValueInfo
from kokoro_tui.core.wire import message_bytes
from kokoro_tui.errors import InputError
from kokoro_tui.graph.load import (
    captures,
    check_model,
    external_file,
    external_tensors,
    payload_bytes,
    read_model,
    subgraphs,
)
from kokoro_tui.graph.skim import Span, skim_model
from kokoro_tui.graph.write import message_without

_DTYPE_NAMES: dict[int, str] = {number: name for name, number in onnx.TensorProto.DataType.items()}
_MOST_DIMENSIONS = 64
"""Of an array in NumPy."""
_SMALL_TENSOR = 1024
"""Largest payload, in bytes, of tensors whose values are looked at."""
_ATTRIBUTE = onnx.AttributeProto
MAX_SUBGRAPH_DEPTH = 16
"""Deeper nesting than any exporter writes; a file that exceeds it is refused."""


@dataclass(frozen=True)
class LightModel:
    """A model without its large weights, and what can be told without them."""

    model: onnx.ModelProto
    left_out: Mapping[str, Span]
    """Where in the file the data of its large initializers is; those that are missing have theirs."""
    inventory: Inventory


def read_inventory(path: Path, *, min_parameters: int = MIN_CANDIDATE_PARAMETERS) -> Inventory:
    """Read what the workbench needs to know of a model file.

    Args:
        path: The model; its external data is looked at for size only.
        min_parameters: Fewest parameters that make a node a candidate.

    Raises:
        InputError: See ``read_model``.
    """
    return read_light(path, min_parameters=min_parameters).inventory


def read_light(path: Path, *, min_parameters: int = MIN_CANDIDATE_PARAMETERS) -> LightModel:
    """Read a model file without its large weights; see ``read_inventory``.

    Raises:
        InputError: See ``read_model``.
    """
    model, spans = _skimmed(path)
    initializers = model.graph.initializer
    left_out = {initializers[index].name: span for index, span in spans.items()}
    data_files = {external_file(path, tensor) for tensor in external_tensors(model)}
    file_bytes = path.stat().st_size + sum(file.stat().st_size for file in data_files)
    for index in spans:
        # Their sizes follow from type and shape, as those of external data do.
        initializers[index].data_location = onnx.TensorProto.EXTERNAL
    inventory = inventory_of(model, path, file_bytes, min_parameters=min_parameters, external_data=bool(data_files))
    for index in spans:
        initializers[index].ClearField("data_location")
    return LightModel(model, left_out, inventory)


def _skimmed(path: Path) -> tuple[onnx.ModelProto, Mapping[int, Span]]:
    """A model without its large weights, and where the data of those initializers is.

    Raises:
        InputError: See ``read_model``.
    """
    skimmed = skim_model(path)
    if skimmed is not None:
        initializers = skimmed.model.graph.initializer
        if all(payload_bytes(initializers[index]) == span.nbytes for index, span in skimmed.left_out.items()):
            check_model(skimmed.model, path)
            return skimmed.model, skimmed.left_out
    # Whatever is odd about the file, parsing all of it finds out.
    return read_model(path), {}


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
    entry_bytes = Counter[str]()
    for value in (*graph.input, *graph.value_info):
        entry_bytes[value.name] += message_bytes(value.ByteSize())
    tensors = {tensor.name: _tensor_info(tensor, entry_bytes[tensor.name]) for tensor in graph.initializer}
    nodes = list(_read_nodes(graph, tensors))
    _make_keys_unique(nodes)
    inputs = tuple(_value_info(value, 0) for value in graph.input if value.name not in tensors)
    outputs = tuple(_value_info(value, 0) for value in graph.output)
    values = {v.name: _value_info(v, entry_bytes[v.name]) for v in graph.value_info}
    values.update({value.name: value for value in (*inputs, *outputs)})
    payload = sum(tensor.record_bytes for tensor in tensors.values())
    graph_bytes = message_without(graph, "initializer").ByteSize() + payload
    return Inventory(
        path=path,
        file_bytes=file_bytes,
        rest_bytes=message_without(model, "graph").ByteSize(),
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


def _tensor_info(tensor: onnx.TensorProto, declared_bytes: int = 0) -> TensorInfo:
    dims = tuple(tensor.dims)
    if any(dim < 0 for dim in dims):
        raise InputError(f"the initializer {tensor.name!r} has a negative dimension", "export the model again")
    dtype = _DTYPE_NAMES.get(tensor.data_type, "UNDEFINED")
    nbytes = _stored_bytes(tensor, dtype)
    if len(dims) > _MOST_DIMENSIONS:
        raise InputError(f"the initializer {tensor.name!r} has {len(dims)} dimensions", "export the model again")
    return TensorInfo(
        name=tensor.name,
        dtype=dtype,
        dims=dims,
        parameters=prod(dims),
        nbytes=nbytes,
        record_bytes=message_bytes(_embedded_bytes(tensor, nbytes)),
        declared_bytes=declared_bytes,
        largest=_largest(tensor) if dtype == "FLOAT" and 0 < nbytes <= _SMALL_TENSOR else None,
    )


def _largest(tensor: onnx.TensorProto) -> float | None:
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    return float(np.abs(onnx.numpy_helper.to_array(tensor)).max())


def _embedded_bytes(tensor: onnx.TensorProto, nbytes: int) -> int:
    """Length of the record; of external data, once a build has brought it in."""
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return tensor.ByteSize()
    light = message_without(tensor, "external_data")
    light.ClearField("data_location")
    light.ClearField("raw_data")
    return light.ByteSize() + message_bytes(nbytes)


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
    # Of a type that is not known no element takes less than a bit.
    fits = prod(tensor.dims) <= 8 * found if dtype == "UNDEFINED" else found == expected
    if not fits:
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
        own = {t.name: _tensor_info(t) for t in body.initializer}
        yield from _read_nodes(body, {**tensors, **own} if own else tensors, depth + 1)


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
        captures=tuple(dict.fromkeys(captures(node))),
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
