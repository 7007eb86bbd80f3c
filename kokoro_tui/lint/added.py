"""Which nodes a plan adds to a model, and for whose sake: what the builder will write, without building it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from kokoro_tui.core.inventory import NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import NodeRewrite, Rewriter
from kokoro_tui.core.specs import NodeSpec, WeightForm

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AddedNode:
    """A node that a plan writes."""

    spec: NodeSpec
    owners: tuple[str, ...]
    """Keys of the nodes whose precision asks for it."""
    replaces: NodeInfo | None = None
    """The node of the model that goes on in it, with the same operator."""


def nodes_of(rewriter: Rewriter, node: NodeInfo, precision: Precision) -> Iterator[AddedNode]:
    """What one node at ``precision`` needs, whatever its neighbours are: its own nodes, and those before it."""
    rewrite = rewriter.node(node, precision)
    owners = (node.key,)
    for form in rewrite.forms:
        yield from (AddedNode(spec, owners) for spec in form.nodes(rewriter.infix))
    for name in dict.fromkeys((*rewrite.half_reads, *rewrite.quantized_reads, *rewrite.static_reads)):
        specs = rewriter.value_nodes(name, producer=None, readers=(rewrite,))
        yield from (AddedNode(spec, owners) for spec in specs)
    yield from _own(node, rewrite)


class AddedNodes(Generic[T]):
    """Lists what plans of one kind add; what a node, a weight or a value brings is worked out once.

    Args:
        rewriter: The rules by which the plans are built.
        judged: What to make of each added node; it is asked once for each.
    """

    def __init__(self, rewriter: Rewriter, judged: Callable[[AddedNode], T]) -> None:
        self._rewriter = rewriter
        self._inventory = rewriter.inventory
        self._judged = judged
        self._own: dict[tuple[str, Precision], tuple[T, ...]] = {}
        self._forms: dict[tuple[WeightForm, tuple[str, ...]], tuple[T, ...]] = {}
        self._values: dict[tuple[str, ...], tuple[T, ...]] = {}

    def of(self, plan: PrecisionPlan) -> Iterator[T]:
        """What is made of every node that ``plan`` writes, each once."""
        built = self._rewriter.regions.spread(plan)
        forms: dict[WeightForm, list[str]] = {}
        values: dict[str, None] = {}
        for key, precision in built.choices.items():
            node = self._inventory.by_key.get(key)
            if node is None or node.depth:
                continue
            for form in self._rewriter.node(node, precision).forms:
                forms.setdefault(form, []).append(key)
            values.update(dict.fromkeys((*node.inputs, *node.outputs)))
            yield from self._of_node(node, precision)
        for form, readers in forms.items():
            yield from self._of_form(form, tuple(readers))
        for name in values:
            if name and name not in self._inventory.tensors:
                yield from self._of_value(name, built)

    def _of_node(self, node: NodeInfo, precision: Precision) -> tuple[T, ...]:
        found = self._own.get((node.key, precision))
        if found is None:
            rewrite = self._rewriter.node(node, precision)
            found = self._own[node.key, precision] = tuple(map(self._judged, _own(node, rewrite)))
        return found

    def _of_form(self, form: WeightForm, readers: tuple[str, ...]) -> tuple[T, ...]:
        found = self._forms.get((form, readers))
        if found is None:
            specs = form.nodes(self._rewriter.infix)
            found = self._forms[form, readers] = tuple(self._judged(AddedNode(spec, readers)) for spec in specs)
        return found

    def _of_value(self, name: str, plan: PrecisionPlan) -> tuple[T, ...]:
        producer = self._inventory.producers.get(name)
        keys = self._inventory.readers.get(name, ())
        around = (name, *map(plan.precision_of, (producer.key, *keys) if producer else keys))
        found = self._values.get(around)
        if found is None:
            by_key, rewriter = self._inventory.by_key, self._rewriter
            writes = None if producer is None else rewriter.planned(producer, plan)
            reads = tuple(rewriter.planned(by_key[key], plan) for key in keys)
            near = [*([(producer.key, writes)] if producer and writes else []), *zip(keys, reads, strict=True)]
            specs = rewriter.value_nodes(name, producer=writes, readers=reads)
            added = (AddedNode(spec, _askers(name, spec, near)) for spec in specs)
            found = self._values[around] = tuple(map(self._judged, added))
        return found


def _askers(name: str, spec: NodeSpec, near: Iterable[tuple[str, NodeRewrite]]) -> tuple[str, ...]:
    """Keys of the nodes around a value that make a cast or a quantizer stand behind it."""
    if spec.op == "Cast":
        return tuple(key for key, rewrite in near if name in rewrite.half_reads or name in rewrite.half_writes)
    if spec.op == "DynamicQuantizeLinear":
        return tuple(key for key, rewrite in near if name in rewrite.quantized_reads)
    return tuple(key for key, rewrite in near if name in rewrite.static_reads or name in rewrite.static_writes)


def _own(node: NodeInfo, rewrite: NodeRewrite) -> Iterator[AddedNode]:
    for spec in rewrite.nodes or ():
        goes_on = node if (spec.op, spec.domain) == (node.op, node.domain) else None
        yield AddedNode(spec, (node.key,), goes_on)
