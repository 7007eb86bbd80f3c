"""The size of the file that a plan will build, exact to the byte and updated node by node.

The size is a sum of local terms: one a node, one a weight, one a value. A toggle recomputes the few terms around
the nodes that changed. At all-FP32 the estimate is the size of the source file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import MICROSOFT_DOMAIN, NodeRewrite, Rewriter
from kokoro_tui.core.specs import FormKind, WeightForm
from kokoro_tui.core.wire import message_bytes, opset_bytes

STORED_AS = {
    FormKind.HALF: Precision.FP16,
    FormKind.TENSOR_UINT8: Precision.INT8,
    FormKind.TENSOR_INT8: Precision.INT8,
    FormKind.DIRECTION_INT8: Precision.INT8,
    FormKind.CHANNEL_INT8: Precision.W8,
    FormKind.SHARED_INT8: Precision.W8,
    FormKind.ROW_INT8: Precision.W8,
    FormKind.BROADCAST: Precision.FP32,
    FormKind.BIAS_INT32: Precision.INT8,
}
"""The precision that each stored form counts towards."""

MIB = 1024 * 1024
_MOST_REMEMBERED = 1 << 14
"""Terms kept: a value that many nodes read has another one for every mixture of their precisions."""


@dataclass(frozen=True)
class Estimate:
    """Predicted size of the built file."""

    original_bytes: int
    """The source file with its external data."""
    estimated_bytes: int
    """The file that the plan builds."""
    stored: Mapping[Precision, int]
    """Payload of all initializers by the precision that they are stored in, in bytes."""

    @property
    def saved(self) -> float:
        """Share of the source file that is saved, from 0 to 1; negative if the file grows."""
        return 1.0 - self.estimated_bytes / self.original_bytes if self.original_bytes else 0.0


@dataclass(frozen=True, slots=True)
class _Term:
    record_bytes: int
    stored: tuple[tuple[Precision, int], ...]


class Sizer:
    """Keeps the terms of the plan seen last; ``estimate`` recomputes only what differs from it."""

    def __init__(self, inventory: Inventory, plan: PrecisionPlan | None = None) -> None:
        self.inventory = inventory
        plan = plan or PrecisionPlan()
        self._start(plan)
        self._move_to(plan)

    def estimate(self, plan: PrecisionPlan) -> Estimate:
        """The size that ``plan`` gives."""
        self._follow(plan)
        self._move_to(plan)
        graph = self._graph_bytes + self._node_total + self._tensor_total
        total = self.inventory.rest_bytes + message_bytes(graph)
        if self._microsoft_nodes and MICROSOFT_DOMAIN not in self.inventory.opsets:
            total += opset_bytes(MICROSOFT_DOMAIN, 1)
        return Estimate(self.inventory.file_bytes, total, dict(self._stored))

    def node_bytes(self, key: str, plan: PrecisionPlan) -> int:
        """Payload of the weights that one node reads in ``plan``, in bytes; a shared weight counts for each reader."""
        node = self.inventory.by_key[key]
        if node.depth:
            return node.nbytes
        self._follow(plan)
        rewrite = self.rewriter.node(node, self.rewriter.regions.built_as(key, plan))
        total = sum(self._form_bytes(form) for form in rewrite.forms)
        converted = {form.weight for form in rewrite.forms}
        return total + sum(self.inventory.tensors[name].nbytes for name in node.weights if name not in converted)

    def _follow(self, plan: PrecisionPlan) -> None:
        """Go by the rules of ``plan``: another way of quantizing allows precisions that these know nothing of."""
        if not self.rewriter.serves(plan):
            self._start(plan)

    def _start(self, plan: PrecisionPlan) -> None:
        """Forget all terms; the model as it is, by the rules of ``plan``."""
        inventory = self.inventory
        self.rewriter = Rewriter.of(inventory, plan)
        self._plan = PrecisionPlan(weight_type=plan.weight_type, calibration=plan.calibration)
        # What is built: the plan and the nodes that follow it.
        self._built: dict[str, Precision] = {}
        # Everything that no plan touches: attributes of the graph, inputs, outputs, subgraphs.
        self._graph_bytes = inventory.graph_bytes
        self._node_terms: dict[str, int] = {}
        self._weight_terms: dict[str, _Term] = {}
        self._value_terms: dict[str, _Term] = {}
        self._memory: dict[tuple[str, ...], _Term] = {}
        self._node_total = self._tensor_total = 0
        self._microsoft_nodes: set[str] = set()
        self._stored = dict.fromkeys(Precision, 0)
        for tensor in inventory.tensors.values():
            self._stored[_stored_now(tensor.dtype)] += tensor.nbytes

    def _move_to(self, plan: PrecisionPlan) -> None:
        changed = {key for key, _ in plan.choices.items() ^ self._plan.choices.items()}
        self._plan = plan
        moved = []
        for key in changed | self.rewriter.regions.beside(changed):
            node, precision = self.inventory.by_key.get(key), self.rewriter.regions.built_as(key, plan)
            if node is None or node.depth or precision is self._precision_of(key):
                continue
            self._built[key] = precision
            moved.append(node)
        for node in moved:
            self._update_node(node)
        for weight in dict.fromkeys(name for node in moved for name in node.weights):
            self._update_weight(weight)
        for value in dict.fromkeys(name for node in moved for name in (*node.inputs, *node.outputs) if name):
            if value not in self.inventory.tensors:
                self._update_value(value)

    def _precision_of(self, key: str) -> Precision:
        return self._built.get(key, Precision.FP32)

    def _planned(self, node: NodeInfo) -> NodeRewrite:
        return self.rewriter.node(node, self._precision_of(node.key))

    def _update_node(self, node: NodeInfo) -> None:
        specs = self._planned(node).nodes
        term = 0 if specs is None else sum(spec.record_bytes for spec in specs) - node.record_bytes
        self._node_total += term - self._node_terms.get(node.key, 0)
        self._node_terms[node.key] = term
        if specs is not None and any(spec.domain == MICROSOFT_DOMAIN for spec in specs):
            self._microsoft_nodes.add(node.key)
        else:
            self._microsoft_nodes.discard(node.key)

    def _update_weight(self, name: str) -> None:
        term = self._remembered(name, self._weight_term)
        self._tensor_total += self._replace(self._weight_terms, name, term)

    def _update_value(self, name: str) -> None:
        term = self._remembered(name, self._value_term)
        self._tensor_total += self._replace(self._value_terms, name, term)

    def _remembered(self, name: str, compute: Callable[[str], _Term]) -> _Term:
        """The term of a tensor, computed once for every set of precisions around it."""
        producer = self.inventory.producers.get(name)
        keys = self.inventory.readers.get(name, ())
        around = (name, *map(self._precision_of, (producer.key, *keys) if producer else keys))
        found = self._memory.get(around)
        if found is None:
            if len(self._memory) >= _MOST_REMEMBERED:
                self._memory.clear()
            found = self._memory[around] = compute(name)
        return found

    def _weight_term(self, name: str) -> _Term:
        tensor = self.inventory.tensors[name]
        readers = self._readers(name)
        forms = dict.fromkeys(form for reader in readers for form in reader.forms if form.weight == name)
        kept = self.rewriter.float_wanted(name, readers) or not readers
        infix = self.rewriter.infix
        record_bytes = 0 if kept else -tensor.record_bytes - tensor.declared_bytes
        stored = [] if kept else [(_stored_now(tensor.dtype), -tensor.nbytes)]
        for form in forms:
            record_bytes += sum(spec.record_bytes for spec in form.tensors(tensor, infix))
            record_bytes += sum(spec.record_bytes for spec in form.nodes(infix))
            stored.append((STORED_AS[form.kind], self._form_bytes(form)))
        return _Term(record_bytes, tuple(stored))

    def _replace(self, terms: dict[str, _Term], name: str, term: _Term) -> int:
        """Put a term in the place of the earlier one of that name; what the total grows by."""
        previous = terms.get(name, _Term(0, ()))
        terms[name] = term
        for precision, nbytes in previous.stored:
            self._stored[precision] -= nbytes
        for precision, nbytes in term.stored:
            self._stored[precision] += nbytes
        return term.record_bytes - previous.record_bytes

    def _value_term(self, name: str) -> _Term:
        info = self.inventory.producers.get(name)
        producer = None if info is None else self._planned(info)
        readers = self._readers(name)
        tensors = self.rewriter.value_tensors(name, producer=producer, readers=readers)
        record_bytes = sum(spec.record_bytes for spec in tensors)
        for node in self.rewriter.value_nodes(name, producer=producer, readers=readers):
            record_bytes += node.record_bytes
        value = self.inventory.values.get(name)
        if value is not None and not self.rewriter.exists(name, readers, producer):
            record_bytes -= value.record_bytes
        if (twin := self.rewriter.half_value(name, readers, producer)) is not None:
            record_bytes += twin.record_bytes
        stored = tuple((Precision.INT8, spec.nbytes) for spec in tensors)
        return _Term(record_bytes, stored)

    def _readers(self, name: str) -> tuple[NodeRewrite, ...]:
        by_key = self.inventory.by_key
        return tuple(self._planned(by_key[key]) for key in self.inventory.readers.get(name, ()))

    def _form_bytes(self, form: WeightForm) -> int:
        tensor = self.inventory.tensors[form.weight]
        return sum(spec.nbytes for spec in form.tensors(tensor, self.rewriter.infix))


def largest_tensors(inventory: Inventory, plan: PrecisionPlan, count: int = 10) -> tuple[tuple[str, str, int], ...]:
    """The largest initializers of the built file as (name, element type, bytes), largest first."""
    rewriter = Rewriter.of(inventory, plan)
    plan = rewriter.regions.spread(plan)
    found: list[tuple[str, str, int]] = []
    for name, tensor in inventory.tensors.items():
        readers = [rewriter.planned(inventory.by_key[key], plan) for key in inventory.readers.get(name, ())]
        forms: Iterable[WeightForm] = dict.fromkeys(f for r in readers for f in r.forms if f.weight == name)
        if not readers or rewriter.float_wanted(name, readers):
            found.append((name, tensor.dtype, tensor.nbytes))
        for form in forms:
            found += [(spec.name, spec.dtype, spec.nbytes) for spec in form.tensors(tensor, rewriter.infix)]
    return tuple(sorted(found, key=lambda row: -row[2])[:count])


def _stored_now(dtype: str) -> Precision:
    """The precision that an initializer of the source file counts towards."""
    if dtype in ("FLOAT16", "BFLOAT16"):
        return Precision.FP16
    return Precision.INT8 if dtype in ("INT8", "UINT8") else Precision.FP32
