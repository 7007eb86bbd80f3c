"""The values inside Kokoro that show small errors best: the F0 curve, and the durations before they are rounded.

Errors of the F0 curve are summed up to the phase, so a spectral distance saturates while they are still small: the
layers that lead to the pitch read 0.12 to 0.37 alone as W8, and 0.34 together. Mean square errors of the curve itself
add up: for the six matrices of ALBERT 0.50 Hz² one by one and 0.65 Hz² together.
"""

from __future__ import annotations

from dataclasses import dataclass

from kokoro_tui.core.hazards import phase_sums
from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.support import WEIGHT_INPUTS

_LEARNED = frozenset(WEIGHT_INPUTS) - {"Gather"}


@dataclass(frozen=True)
class InnerValues:
    """Values that are watched, and the nodes that they depend on."""

    curves: tuple[str, ...]
    """Outputs of the layers that make the F0 curve, in Hz; empty in a model without a phase."""
    lengths: tuple[str, ...]
    """Durations in frames before they are rounded, at most one."""
    pitch_nodes: frozenset[str]
    """Keys of the nodes that the F0 curve depends on."""
    length_nodes: frozenset[str]
    """Keys of the nodes that the durations depend on."""

    @property
    def names(self) -> tuple[str, ...]:
        """All of the values."""
        return (*self.curves, *self.lengths)


def inner_values(inventory: Inventory, duration: str | None) -> InnerValues:
    """Find the values by the structure of the graph.

    Args:
        inventory: The model.
        duration: Name of its duration output, if it has one.
    """
    sources = [layer for node in phase_sums(inventory) for layer in _nearest(inventory, node, _LEARNED)]
    curves = dict.fromkeys(layer.outputs[0] for layer in sources)
    lengths: dict[str, None] = {}
    if duration is not None and (last := inventory.producers.get(duration)) is not None:
        rounded = [last] if last.op == "Round" else _nearest(inventory, last, frozenset({"Round"}))
        lengths = dict.fromkeys(name for node in rounded[:1] for name in node.inputs[:1])
    # What makes the durations repeats the features for the F0 curve too, but while they are held it does not count.
    pitch = frozenset().union(*(_ancestors(inventory, name, stop=duration) for name in curves))
    length = frozenset().union(*(_ancestors(inventory, name) for name in lengths))
    return InnerValues(tuple(curves), tuple(lengths), pitch, length)


def _nearest(inventory: Inventory, start: NodeInfo, ops: frozenset[str]) -> list[NodeInfo]:
    """The nodes of some operators that lead to ``start`` without another such node between."""
    waiting, seen = [start], {start.key}
    found: list[NodeInfo] = []
    while waiting:
        for name in _reads(waiting.pop()):
            node = inventory.producers.get(name)
            if node is None or node.key in seen:
                continue
            seen.add(node.key)
            (found if node.op in ops else waiting).append(node)
    return found


def _ancestors(inventory: Inventory, value: str, stop: str | None = None) -> frozenset[str]:
    """Keys of the nodes that a value depends on, but for those that it depends on through ``stop`` alone."""
    waiting, found = [value], set[str]()
    while waiting:
        node = inventory.producers.get(waiting.pop())
        if node is not None and node.key not in found:
            found.add(node.key)
            waiting.extend(name for name in _reads(node) if name != stop)
    return frozenset(found)


def _reads(node: NodeInfo) -> tuple[str, ...]:
    return (*node.inputs, *node.captures)
