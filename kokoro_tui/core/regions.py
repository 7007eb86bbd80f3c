"""FP16 regions: small nodes between FP16 nodes compute in FP16 as well, so that no casts stand between them.

A plan decides about nodes with weights. Around those stand reshapes, scalings and activation functions that are no
candidates; left in float, each costs a cast before and a cast behind. A *follower* is such a node that a plan leaves
alone and that computes in FP16 when everything it gets its floats from, and everything that its result reaches, does.
Both sets are found once, from the graph alone; what is left per plan is comparing sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kokoro_tui.core.hazards import phase_ancestors
from kokoro_tui.core.inventory import MIN_CANDIDATE_PARAMETERS, Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import half_inputs, refusal

FOLLOWING_OPS = frozenset(
    ["Reshape", "Transpose", "Slice", "Squeeze", "Unsqueeze", "Concat", "LeakyRelu", "Add", "Mul", "Sin", "Pow"]
)
"""Operators that move values or round them no more than the FP16 nodes around them do anyway."""
_OUTSIDE = ""
"""Stands for graph inputs, graph outputs and what subgraphs read; no node has this key."""
_BOUNDED_OPS = frozenset({"Sin", "Cos", "Tanh", "Sigmoid"})
"""Operators whose powers FP16 can hold."""


class HalfRegions:
    """The followers of one model; nothing that a phase depends on is among them."""

    def __init__(self, inventory: Inventory) -> None:
        exact = phase_ancestors(inventory)
        self._nodes = {n.key: n for n in inventory.main_nodes if n.key not in exact and _may_follow(inventory, n)}
        self._inventory = inventory
        sources = _closure(self._nodes, self._before)
        # Consumers come after their producers, so sinks are found back to front.
        sinks = _closure(dict(reversed(self._nodes.items())), self._behind)
        by_border: dict[frozenset[str], list[str]] = {}
        for key in self._nodes:
            border = sources[key] | sinks[key]
            if sources[key] and sinks[key] and _OUTSIDE not in border:
                by_border.setdefault(border, []).append(key)
        self._by_border = {border: tuple(keys) for border, keys in by_border.items()}
        self._border_of = {key: border for border, keys in self._by_border.items() for key in keys}
        self._beside: dict[str, list[str]] = {}
        for key, border in self._border_of.items():
            for neighbour in border:
                self._beside.setdefault(neighbour, []).append(key)

    def followers(self, plan: PrecisionPlan) -> tuple[str, ...]:
        """Keys of the nodes that compute in FP16 although ``plan`` does not name them."""
        halves = {key for key, precision in plan.choices.items() if precision is Precision.FP16}
        if not halves:
            return ()
        joined = (keys for border, keys in self._by_border.items() if border <= halves)
        return tuple(key for keys in joined for key in keys if key not in plan.choices)

    def spread(self, plan: PrecisionPlan) -> PrecisionPlan:
        """The plan as it is built: ``plan`` with its followers at FP16."""
        followers = self.followers(plan)
        return plan.with_precision(followers, Precision.FP16) if followers else plan

    def built_as(self, key: str, plan: PrecisionPlan) -> Precision:
        """The precision that one node gets when ``plan`` is built."""
        border = self._border_of.get(key)
        if border is None or key in plan.choices:
            return plan.precision_of(key)
        follows = all(plan.choices.get(neighbour) is Precision.FP16 for neighbour in border)
        return Precision.FP16 if follows else Precision.FP32

    def beside(self, keys: Iterable[str]) -> frozenset[str]:
        """The nodes that may begin or cease to follow when some nodes change."""
        return frozenset(follower for key in keys for follower in self._beside.get(key, ()))

    def _before(self, node: NodeInfo) -> Iterable[str]:
        """Keys of the nodes that ``node`` gets floats from."""
        for name in (node.inputs[position] for position in half_inputs(node)):
            if name not in self._inventory.tensors:
                producer = self._inventory.producers.get(name)
                yield _OUTSIDE if producer is None else producer.key

    def _behind(self, node: NodeInfo) -> Iterable[str]:
        """Keys of the nodes that read what ``node`` writes."""
        for name in filter(None, node.outputs):
            yield from self._inventory.readers.get(name, ())
            if name in self._inventory.float_readers_kept:
                yield _OUTSIDE


def _may_follow(inventory: Inventory, node: NodeInfo) -> bool:
    if node.op not in FOLLOWING_OPS or node.parameters >= MIN_CANDIDATE_PARAMETERS:
        return False
    if refusal(inventory, node, Precision.FP16) is not None:
        return False
    if node.op == "Pow" and not (node.inputs and _is_bounded(inventory, node.inputs[0])):
        return False  # a square overflows from 256 on
    turned = (inventory.tensors.get(node.inputs[position]) for position in half_inputs(node))
    return all(tensor is None or tensor.largest is not None for tensor in turned)


def _is_bounded(inventory: Inventory, name: str) -> bool:
    producer = inventory.producers.get(name)
    return producer is not None and producer.op in _BOUNDED_OPS


def _closure(nodes: dict[str, NodeInfo], neighbours: Callable[[NodeInfo], Iterable[str]]) -> dict[str, frozenset[str]]:
    """What each node reaches through others of ``nodes``, which stand in an order that visits those first."""
    reached: dict[str, frozenset[str]] = {}
    for key, node in nodes.items():
        found: set[str] = set()
        for neighbour in neighbours(node):
            # Only in a circle, which no build passes, has one not been visited.
            found |= reached.get(neighbour, {_OUTSIDE}) if neighbour in nodes else {neighbour}
        reached[key] = frozenset(found)
    return reached
