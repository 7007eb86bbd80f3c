"""What a model file holds, as plain frozen values: no protobuf reaches this far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

CANDIDATE_OPS = frozenset(
    ["Conv", "LSTM", "Gemm", "MatMul", "ConvTranspose", "Mul", "LayerNormalization", "Add", "InstanceNormalization"]
)
"""Operators whose nodes are rows of the node table when they are large enough."""

MIN_CANDIDATE_PARAMETERS = 256
"""Fewest parameters that make a node a candidate (the ``--min-params`` default)."""


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An initializer."""

    name: str
    dtype: str
    """ONNX element type, such as ``FLOAT`` or ``UINT8``."""
    dims: tuple[int, ...]
    parameters: int
    """Number of elements; 1 for a scalar."""
    nbytes: int
    """Payload in bytes."""
    record_bytes: int
    """Bytes that the whole TensorProto takes in the file, its own tag and length included."""
    declared_bytes: int = 0
    """Bytes of its graph input and ``value_info`` entries in the file, which go when it goes."""
    largest: float | None = None
    """Largest magnitude in a small tensor of floats, such as an epsilon or a mask; None for all others."""


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """A graph input, output or intermediate tensor."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]
    """Known sizes as int, symbolic ones as str, unknown ones as None."""
    record_bytes: int
    """Bytes of its ``value_info`` entry in the file; 0 for graph inputs and outputs."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node of the main graph or of a subgraph."""

    key: str
    """Unique in the model: the node's name, made unique where the file repeats or omits it."""
    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: tuple[str, ...]
    """Initializers that it reads, in input order, each once."""
    parameters: int
    """Elements of those initializers."""
    nbytes: int
    """Payload of those initializers in bytes."""
    own_parameters: int
    """Elements inside its attributes (Constant nodes)."""
    own_nbytes: int
    """Payload inside its attributes in bytes."""
    own_dtype: str
    """Element type of the tensors inside its attributes; empty where it holds none."""
    record_bytes: int
    """Bytes that the whole NodeProto takes in the file, its own tag and length included."""
    attributes: Mapping[str, int | float | str | tuple[int, ...]]
    """Scalar and integer-list attributes."""
    attribute_bytes: Mapping[str, int]
    """Bytes that each attribute takes inside the NodeProto, tag and length included."""
    depth: int
    """0 in the main graph, 1 in a body of one of its nodes, and so on."""
    captures: tuple[str, ...] = ()
    """Values from around it that the bodies of an If, Loop or Scan read, each once."""


@dataclass(frozen=True)
class Group:
    """Nodes that share one weight and therefore change precision together."""

    key: str
    """Key of its first member."""
    members: tuple[str, ...]
    """Node keys in graph order."""


@dataclass(frozen=True)
class Inventory:
    """Everything the workbench knows of a model without holding its weights."""

    path: Path
    file_bytes: int
    """The model file together with its external data."""
    rest_bytes: int
    """Length of the serialized model without its main graph."""
    graph_bytes: int
    """Length of the serialized main graph without its tag and length, external data brought in."""
    nodes: tuple[NodeInfo, ...]
    """Main graph first, in file order; nodes of subgraphs after it."""
    tensors: Mapping[str, TensorInfo]
    """Initializers of the main graph by name."""
    values: Mapping[str, ValueInfo]
    """Graph inputs, outputs and intermediate tensors whose type the file states, by name."""
    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    subgraph_reads: frozenset[str]
    """Names of the main graph that bodies of If, Loop or Scan read."""
    opsets: Mapping[str, int]
    """Opset version by domain, the default domain as an empty string."""
    metadata: Mapping[str, str]
    """``metadata_props`` of the model."""
    ir_version: int
    producer: str
    external_data: bool
    min_parameters: int = MIN_CANDIDATE_PARAMETERS
    groups: tuple[Group, ...] = field(default=())
    """Shared-weight groups of all nodes in the main graph; filled by the reader."""

    @cached_property
    def by_key(self) -> Mapping[str, NodeInfo]:
        """Nodes by key."""
        return {node.key: node for node in self.nodes}

    @cached_property
    def main_nodes(self) -> tuple[NodeInfo, ...]:
        """Nodes of the main graph in file order."""
        return tuple(node for node in self.nodes if node.depth == 0)

    @cached_property
    def candidates(self) -> tuple[NodeInfo, ...]:
        """Nodes that the node table lists and trials are run on, in file order."""
        return tuple(
            node
            for node in self.main_nodes
            if node.op in CANDIDATE_OPS and node.domain == "" and node.parameters >= self.min_parameters
        )

    @cached_property
    def candidate_keys(self) -> frozenset[str]:
        """Keys of the candidates."""
        return frozenset(node.key for node in self.candidates)

    @cached_property
    def producers(self) -> Mapping[str, NodeInfo]:
        """The main-graph node that writes each tensor."""
        return {name: node for node in self.main_nodes for name in node.outputs if name}

    @cached_property
    def readers(self) -> Mapping[str, tuple[str, ...]]:
        """Keys of the main-graph nodes that read each tensor, each once, in file order."""
        found: dict[str, list[str]] = {}
        for node in self.main_nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    found.setdefault(name, []).append(node.key)
        return {name: tuple(keys) for name, keys in found.items()}

    @cached_property
    def capturers(self) -> Mapping[str, tuple[str, ...]]:
        """Keys of the main-graph nodes whose bodies read each tensor, in file order."""
        found: dict[str, list[str]] = {}
        for node in self.main_nodes:
            for name in node.captures:
                found.setdefault(name, []).append(node.key)
        return {name: tuple(keys) for name, keys in found.items()}

    @cached_property
    def group_of(self) -> Mapping[str, Group]:
        """The group of each main-graph node."""
        return {key: group for group in self.groups for key in group.members}

    @cached_property
    def float_readers_kept(self) -> frozenset[str]:
        """Tensors that must stay available as they are: graph outputs and reads from subgraphs."""
        return self.subgraph_reads | frozenset(value.name for value in self.outputs)

    def dtype_of(self, name: str) -> str | None:
        """Element type of an initializer or value, or None where the file does not tell."""
        if tensor := self.tensors.get(name):
            return tensor.dtype
        if value := self.values.get(name):
            return value.dtype
        return None
