"""Where to cut a model into pieces that can be run one after the other.

A piece is a run of nodes in file order, so no two pieces can wait for each other. What crosses a border is kept from
the reference run; a trial then rebuilds the piece that holds its node and reruns what lies behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from kokoro_tui.core.groups import base_path

ANCHOR_OPS = frozenset({"Conv", "ConvTranspose", "LSTM"})
"""Operators that cost enough to end a piece."""
ANCHOR_PARAMETERS = 4096
"""Fewest weight elements that make such an operator end a piece."""
SHARED_PARAMETERS = 65536
"""A weight of at least as many elements is not copied: its readers stay in one piece."""


class Grain(IntEnum):
    """How finely a model is cut; coarser cuts keep fewer tensors and recompute more."""

    ANCHOR = 0
    """After every costly node and between modules: a piece never mixes two branches that cost something."""
    MODULE = 1
    """Between modules, such as one residual block and the next."""
    WHOLE = 2
    """Not at all."""


@dataclass(frozen=True, slots=True)
class CutNode:
    """What cutting needs to know of one node of the main graph."""

    key: str
    name: str
    op: str
    reads: tuple[str, ...]
    """Values that it or its subgraphs read; initializers left out."""
    writes: tuple[str, ...]
    weights: tuple[tuple[str, int], ...]
    """Initializers that it or its subgraphs read, with their number of elements."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One run of nodes."""

    index: int
    start: int
    """Position of its first node."""
    stop: int
    """Position behind its last node."""
    inputs: tuple[str, ...]
    """Values that come from outside, graph inputs among them."""
    outputs: tuple[str, ...]
    """Values that later pieces or the caller need."""


def cut(
    nodes: Sequence[CutNode], dtypes: Mapping[str, str], kept: frozenset[str], grain: Grain = Grain.ANCHOR
) -> tuple[Piece, ...]:
    """Cut a model.

    Args:
        nodes: The main graph in file order.
        dtypes: Element type of every value whose type is known to be a tensor; others are not cut through.
        kept: Graph outputs; they leave their piece.
        grain: How finely.
    """
    borders = _allowed_borders(nodes, dtypes)
    wanted = [i for i in range(1, len(nodes)) if i in borders and _wants_border(nodes, i, grain)]
    starts = [0, *wanted]
    stops = [*wanted, len(nodes)]
    last_read = _last_reads(nodes)
    written_by = {name: index for index, node in enumerate(nodes) for name in node.writes}
    return tuple(
        _piece(index, start, stop, nodes, last_read, written_by, kept)
        for index, (start, stop) in enumerate(zip(starts, stops, strict=True))
        if stop > start
    )


def _piece(
    index: int,
    start: int,
    stop: int,
    nodes: Sequence[CutNode],
    last_read: Mapping[str, int],
    written_by: Mapping[str, int],
    kept: frozenset[str],
) -> Piece:
    inside = nodes[start:stop]
    reads = dict.fromkeys(name for node in inside for name in node.reads)
    inputs = tuple(name for name in reads if not start <= written_by.get(name, -1) < stop)
    writes = (name for node in inside for name in node.writes if name)
    outputs = tuple(name for name in writes if name in kept or last_read.get(name, -1) >= stop)
    return Piece(index, start, stop, inputs, outputs)


def _allowed_borders(nodes: Sequence[CutNode], dtypes: Mapping[str, str]) -> set[int]:
    """Positions at which everything that crosses is a tensor and no large weight is needed on both sides."""
    blocked = [0] * (len(nodes) + 1)

    def block(first: int, last: int) -> None:
        blocked[first + 1] += 1
        blocked[last + 1] -= 1

    last_read = _last_reads(nodes)
    for index, node in enumerate(nodes):
        for name in node.writes:
            if name not in dtypes and last_read.get(name, -1) > index:
                block(index, last_read[name])
    spans: dict[str, list[int]] = {}
    for index, node in enumerate(nodes):
        for name, parameters in node.weights:
            if parameters >= SHARED_PARAMETERS:
                spans.setdefault(name, []).append(index)
    for positions in spans.values():
        if positions[-1] > positions[0]:
            block(positions[0], positions[-1])
    depth, borders = 0, set()
    for index in range(1, len(nodes)):
        depth += blocked[index]
        if depth == 0:
            borders.add(index)
    return borders


def _last_reads(nodes: Sequence[CutNode]) -> dict[str, int]:
    return {name: index for index, node in enumerate(nodes) for name in node.reads}


def _wants_border(nodes: Sequence[CutNode], index: int, grain: Grain) -> bool:
    before = nodes[index - 1]
    between_modules = _module(before.name) != _module(nodes[index].name)
    if grain is Grain.ANCHOR:
        return between_modules or _is_anchor(before)
    return grain is Grain.MODULE and between_modules


def _is_anchor(node: CutNode) -> bool:
    return node.op in ANCHOR_OPS and any(count >= ANCHOR_PARAMETERS for _, count in node.weights)


def _module(name: str) -> tuple[str, ...]:
    """The first three parts of a node's path, such as ('decoder', 'generator', 'resblocks.3')."""
    parts = base_path(name).strip("/").split("/")
    return tuple(parts[: min(3, len(parts) - 1)])
