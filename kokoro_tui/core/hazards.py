"""Nodes whose rounding does more harm than their size suggests, found by the structure of the graph.

Hazards warn and forbid nothing: they bind the planner and the key that cycles, while an explicit choice overrides
them. What a trial measured says more than any of these rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from kokoro_tui.core.inventory import MIN_CANDIDATE_PARAMETERS, Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision

_WAVES = frozenset({"Sin", "Cos"})
_ANGLES = frozenset({"Atan"})
_LEVELS = frozenset({"Exp"})
_DRAWS = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"})
_LEARNED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN"})
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})
_ALL = (Precision.FP16, Precision.INT8, Precision.W8)


@dataclass(frozen=True)
class Hazard:
    """Why some precisions of a node are risky."""

    reason: str
    """A clause that begins with "it"."""
    precisions: tuple[Precision, ...]
    """The risky ones."""

    def clause(self, precision: Precision) -> str:
        """What to say of a node at ``precision``."""
        return f"{precision.label} is risky: {self.reason}"


_PHASE = Hazard("it holds the phase, a sum so large that few digits are left for the fraction of a turn", _ALL)
_CURVE = Hazard("it makes the F0 curve, whose errors add up to wrong phase", _ALL)
_PITCH = Hazard(
    "it predicts F0 from activations that INT8 rounds, and its errors add up to wrong phase", (Precision.INT8,)
)
_ANGLE = Hazard("it is part of atan2, which turns an error near zero into half a turn", _ALL)
_NOISE = Hazard("it carries random draws, and every one of them would change", _ALL)
_LEVEL = Hazard(
    "it makes a log spectrum, and Exp raises the noise that rounded activations leave in it", (Precision.INT8,)
)


def hazards(inventory: Inventory) -> Mapping[str, Hazard]:
    """The hazards of a model by node key; all members of a shared-weight group have that of any member.

    * phase: from a running sum of floats (CumSum) to the sines that it reaches;
    * F0: what leads to that sum, back to the layer that makes the curve, and further to the recurrent layer that
      reads the text features; there FP16 and W8 cost little enough (0.05 to 0.3 in mel distance) to be left to trials;
    * angle: from the layers whose outputs an arc tangent compares, to the layer that reads the angle;
    * noise: random draws and what scales or adds them before the next layer with weights;
    * level: the layer whose output goes to an exponential (conv_post, 1.09 in mel distance as dynamic INT8).
    """
    found: dict[str, Hazard] = {}
    sums = phase_sums(inventory)
    angles, levels, draws = (_with_op(inventory, ops) for ops in (_ANGLES, _LEVELS, _DRAWS))
    for hazard, nodes in (
        (_PHASE, _between_sum_and_wave(inventory, sums)),
        (_CURVE, _upstream(inventory, sums, _LEARNED)),
        (_PITCH, _upstream(inventory, sums, _RECURRENT)),
        (_ANGLE, [*angles, *_upstream(inventory, angles, _LEARNED), *_pointwise_after(inventory, angles)]),
        (_NOISE, [*draws, *_pointwise_after(inventory, draws)]),
        (_LEVEL, _upstream(inventory, levels, _LEARNED)),
    ):
        for node in nodes:
            found.setdefault(node.key, hazard)
    for key, hazard in tuple(found.items()):
        for member in inventory.group_of[key].members if key in inventory.group_of else ():
            found.setdefault(member, hazard)
    return found


def risky_nodes(found: Mapping[str, Hazard], plan: PrecisionPlan) -> tuple[str, ...]:
    """Keys of the nodes that a plan holds at a risky precision, in the order of ``found``."""
    return tuple(key for key, hazard in found.items() if plan.precision_of(key) in hazard.precisions)


def phase_sums(inventory: Inventory) -> tuple[NodeInfo, ...]:
    """The running sums of floats whose result reaches a sine or cosine before any layer with weights."""
    # A damaged node may have no output.
    sums = (n for n in inventory.main_nodes if n.op == "CumSum" and "FLOAT" in map(inventory.dtype_of, n.outputs[:1]))
    return tuple(n for n in sums if any(after.op in _WAVES for after in _downstream(inventory, [n], _stops_signal)))


def phase_ancestors(inventory: Inventory) -> frozenset[str]:
    """Keys of every node that a phase depends on, however far away, and by whatever type of value."""
    waiting = list(phase_sums(inventory))
    found: set[str] = set()
    while waiting:
        for name in _reads(waiting.pop()):
            node = inventory.producers.get(name)
            if node is not None and node.key not in found:
                found.add(node.key)
                waiting.append(node)
    return frozenset(found)


def _between_sum_and_wave(inventory: Inventory, sums: Iterable[NodeInfo]) -> Iterator[NodeInfo]:
    for start in sums:
        yield start
        for node in _downstream(inventory, [start], lambda n: _stops_signal(n) or n.op in _WAVES):
            if node.op in _WAVES or any(
                after.op in _WAVES for after in _downstream(inventory, [node], lambda n: n.op in _WAVES)
            ):
                yield node


def _with_op(inventory: Inventory, ops: frozenset[str]) -> list[NodeInfo]:
    return [node for node in inventory.main_nodes if node.op in ops]


def _pointwise_after(inventory: Inventory, starts: Iterable[NodeInfo]) -> Iterator[NodeInfo]:
    """What follows ``starts`` before the next layer with weights."""
    return (node for node in _downstream(inventory, starts, _stops_signal) if not _stops_signal(node))


def _stops_signal(node: NodeInfo) -> bool:
    """Whether a node mixes its input with learned weights."""
    return node.op in _LEARNED or node.parameters >= MIN_CANDIDATE_PARAMETERS


def _downstream(
    inventory: Inventory, starts: Iterable[NodeInfo], last: Callable[[NodeInfo], bool]
) -> Iterator[NodeInfo]:
    """Nodes that floats from ``starts`` reach; those for which ``last`` holds are the ends of the walk."""
    waiting = list(starts)
    seen = {node.key for node in waiting}
    while waiting:
        for name in _floats(inventory, waiting.pop().outputs):
            for key in (*inventory.readers.get(name, ()), *inventory.capturers.get(name, ())):
                if key in seen:
                    continue
                seen.add(key)
                node = inventory.by_key[key]
                if not _floats(inventory, node.outputs):
                    continue
                yield node
                if not last(node):
                    waiting.append(node)


def _upstream(inventory: Inventory, starts: Iterable[NodeInfo], last: frozenset[str]) -> Iterator[NodeInfo]:
    """Nodes whose floats reach ``starts``; operators in ``last`` are the ends of the walk."""
    waiting = list(starts)
    seen = {node.key for node in waiting}
    while waiting:
        for name in _floats(inventory, _reads(waiting.pop())):
            node = inventory.producers.get(name)
            if node is None or node.key in seen:
                continue
            seen.add(node.key)
            yield node
            if node.op not in last:
                waiting.append(node)


def _reads(node: NodeInfo) -> tuple[str, ...]:
    return (*node.inputs, *node.captures)


def _floats(inventory: Inventory, names: Iterable[str]) -> list[str]:
    """The activations among some tensors that are floats, or of a type that the file does not tell."""
    return [n for n in names if n and n not in inventory.tensors and inventory.dtype_of(n) in (None, "FLOAT")]
