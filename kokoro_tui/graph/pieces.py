"""Cut a measurable model into piece files, and rewrite the nodes of one piece."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import onnx
from onnx import helper

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.cutting import CutNode, Grain, Piece, cut
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.graph.apply_plan import check_plan, rewrite_model
from kokoro_tui.graph.harness import NoiseInput, expose_durations, expose_noise
from kokoro_tui.graph.load import all_reads, load_external_data, read_model
from kokoro_tui.graph.read_inventory import inventory_of
from kokoro_tui.graph.write import write_file, write_model

_TENSOR_DTYPES = frozenset(
    ("FLOAT", "DOUBLE", "FLOAT16", "BOOL", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
)
"""Element types that may cross a border: those that numpy has as well."""


@dataclass(frozen=True)
class PieceFile:
    """One piece on disk."""

    piece: Piece
    path: Path
    members: frozenset[str]
    """First output names of its nodes: they stay what they are whatever the nodes are called."""


@dataclass(frozen=True)
class CutModel:
    """A model in pieces on disk, in the order in which they run."""

    pieces: tuple[PieceFile, ...]
    noise: tuple[NoiseInput, ...]
    pinnable: bool
    """Whether the durations are an input."""


class Cutter:
    """A measurable model in memory that can be cut more than once.

    Args:
        source: The model file.
        duration: Name of its duration output, which becomes an input; None leaves durations alone.

    Raises:
        InputError: See ``read_model``.
    """

    def __init__(self, source: Path, duration: str | None) -> None:
        model = read_model(source)
        load_external_data(model, source)
        self._pinnable = duration is not None and expose_durations(model, duration)
        self._noise = expose_noise(model)
        _delay_sources(model.graph)
        self._inventory = inventory_of(model, source, 0)
        self._model = model

    def cut(self, folder: Path, grain: Grain) -> CutModel:
        """Write the pieces of one cut into ``folder``, over those of an earlier cut."""
        tensors = {tensor.name: tensor for tensor in self._model.graph.initializer}
        nodes = [self._cut_node(node) for node in self._model.graph.node]
        dtypes = {v.name: v.dtype for v in self._inventory.values.values() if v.dtype in _TENSOR_DTYPES}
        kept = frozenset(value.name for value in self._inventory.outputs)
        pieces = [piece for piece in cut(nodes, dtypes, kept, grain) if piece.outputs]
        files = []
        for piece in pieces:
            path = folder / f"piece-{piece.index:03}.onnx"
            skeleton, names = self._skeleton(piece, nodes, dtypes)
            write_file(path, skeleton, [tensors[name] for name in names])
            members = frozenset(_first_output(node) for node in self._model.graph.node[piece.start : piece.stop])
            files.append(PieceFile(piece, path, members))
        return CutModel(tuple(files), self._noise, self._pinnable)

    def _cut_node(self, node: onnx.NodeProto) -> CutNode:
        tensors = self._inventory.tensors
        names = dict.fromkeys(all_reads(node))
        return CutNode(
            key=node.name,
            name=node.name,
            op=node.op_type,
            reads=tuple(name for name in names if name not in tensors),
            writes=tuple(node.output),
            weights=tuple((name, tensors[name].parameters) for name in names if name in tensors),
        )

    def _skeleton(
        self, piece: Piece, nodes: list[CutNode], dtypes: Mapping[str, str]
    ) -> tuple[onnx.ModelProto, list[str]]:
        """A piece without its initializers, and their names.

        Shapes at the borders are left open: a trial may change the durations.
        """

        def declare(names: Iterable[str]) -> list[onnx.ValueInfoProto]:
            number = onnx.TensorProto.DataType.Value
            return [helper.make_tensor_value_info(name, number(dtypes[name]), None) for name in names]

        inside = self._model.graph.node[piece.start : piece.stop]
        graph = helper.make_graph(list(inside), "piece", declare(piece.inputs), declare(piece.outputs))
        written = {name for node in inside for name in node.output} - set(piece.outputs)
        graph.value_info.extend(v for v in self._model.graph.value_info if v.name in written)
        model = helper.make_model(graph, opset_imports=self._model.opset_import, ir_version=self._model.ir_version)
        weights = dict.fromkeys(name for node in nodes[piece.start : piece.stop] for name, _ in node.weights)
        return model, list(weights)


def rewrite_piece(
    path: Path,
    members: Iterable[str],
    precision: Precision,
    weight_type: WeightType,
    calibration: Calibration | None = None,
) -> bytes:
    """A piece with some of its nodes at another precision, by the same rules as a whole model.

    Args:
        path: The piece file.
        members: First output names of the nodes to change.
        precision: What they get.
        weight_type: Of INT8.
        calibration: Of static INT8; None for dynamic INT8.

    Raises:
        InputError: A node cannot take the precision.
        WorkError: A weight does not fit into it.
    """
    model = read_model(path)
    inventory: Inventory = inventory_of(model, path, 0)
    keys = [inventory.producers[name].key for name in members]
    plan = PrecisionPlan(weight_type=weight_type, calibration=calibration).with_precision(keys, precision)
    check_plan(inventory, plan)
    buffer = BytesIO()
    write_model(buffer, *rewrite_model(model, inventory, plan))
    return buffer.getvalue()


def _delay_sources(graph: onnx.GraphProto) -> None:
    """Bring nodes that read nothing right before their first reader, in place.

    Kokoro makes the sequence that its alignment loop fills among its first nodes, and nothing can be cut between the
    maker of a sequence and its reader.
    """
    reads = [all_reads(node) for node in graph.node]
    first_reader = {name: index for index in reversed(range(len(reads))) for name in reads[index]}

    def place(index: int) -> float:
        readers = [first_reader[name] for name in graph.node[index].output if name in first_reader]
        return index if reads[index] or not readers else min(readers) - 0.5

    order = sorted(range(len(reads)), key=place)
    copies = [onnx.NodeProto.FromString(graph.node[index].SerializeToString()) for index in order]
    del graph.node[:]
    graph.node.extend(copies)


def _first_output(node: onnx.NodeProto) -> str:
    return next((name for name in node.output if name), "")
