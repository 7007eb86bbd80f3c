"""Turn the specs of one plan into the nodes of the built model.

What a plan does not touch is handed on as it is, to the byte: that keeps the estimate exact for any model, whatever
annotations it carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import onnx
from onnx import helper

from kokoro_tui.core.inventory import NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.rewrite import NodeRewrite, Rewriter
from kokoro_tui.core.specs import NodeSpec, TensorSpec, WeightForm


class Emitter:
    """The nodes of one model as one plan wants them."""

    def __init__(self, model: onnx.ModelProto, rewriter: Rewriter, plan: PrecisionPlan) -> None:
        self._rewriter = rewriter
        self._plan = plan
        self._inventory = rewriter.inventory
        self._originals = dict(zip((n.key for n in self._inventory.main_nodes), model.graph.node, strict=True))
        self.new_domains: set[str] = set()
        """Operator domains of the nodes written so far."""

    def nodes(self, forms: Mapping[str, tuple[WeightForm, ...]]) -> Iterator[onnx.NodeProto]:
        """All nodes in an order in which they can be run.

        Args:
            forms: Stored forms by weight name; their tensors are written by the caller.
        """
        for form in (form for kinds in forms.values() for form in kinds):
            yield from self._written(form.nodes(self._rewriter.infix))
        for value in self._inventory.inputs:
            yield from self._behind(value.name)
        for info in self._inventory.main_nodes:
            rewrite = self._rewriter.planned(info, self._plan)
            if rewrite.nodes is None:
                yield self._originals[info.key]
            else:
                yield from self._written(rewrite.nodes)
            for name in filter(None, info.outputs):
                yield from self._behind(name)

    def declared(self, values: Iterable[onnx.ValueInfoProto]) -> Iterator[onnx.ValueInfoProto]:
        """The ``value_info`` entries of what still exists; a value that is FP16 alone is declared as such, once."""
        twins: set[str] = set()
        for value in values:
            readers, producer = self._readers(value.name), self._producer(value.name)
            if self._rewriter.exists(value.name, readers, producer):
                yield value
            elif value.name not in twins:
                twins.add(value.name)
                if twin := self._rewriter.half_value(value.name, readers, producer):
                    number = onnx.TensorProto.DataType.Value(twin.dtype)
                    yield helper.make_tensor_value_info(twin.name, number, twin.shape or None)

    def value_tensors(self) -> Iterator[tuple[str, tuple[TensorSpec, ...]]]:
        """Every value that is quantized by its calibrated range, with its scale and zero point."""
        for name in dict.fromkeys((*(value.name for value in self._inventory.inputs), *self._inventory.producers)):
            readers, producer = self._readers(name), self._producer(name)
            if specs := self._rewriter.value_tensors(name, producer=producer, readers=readers):
                yield name, specs

    def _behind(self, name: str) -> Iterator[onnx.NodeProto]:
        """Casts and quantizers that stand behind a value."""
        readers, producer = self._readers(name), self._producer(name)
        return self._written(self._rewriter.value_nodes(name, producer=producer, readers=readers))

    def _producer(self, name: str) -> NodeRewrite | None:
        node = self._inventory.producers.get(name)
        return None if node is None else self._rewriter.planned(node, self._plan)

    def _readers(self, name: str) -> tuple[NodeRewrite, ...]:
        keys = self._inventory.readers.get(name, ())
        return tuple(self._rewriter.planned(self._inventory.by_key[key], self._plan) for key in keys)

    def _written(self, specs: Iterable[NodeSpec]) -> Iterator[onnx.NodeProto]:
        for spec in specs:
            self.new_domains.add(spec.domain)
            node = helper.make_node(spec.op, spec.inputs, spec.outputs, spec.name or None, domain=spec.domain or None)
            node.attribute.extend(helper.make_attribute(name, value) for name, value in spec.attributes)
            node.attribute.extend(self._taken_over(spec.copy_from, spec.without))
            yield node

    def _taken_over(self, source: NodeInfo | None, without: frozenset[str]) -> list[onnx.AttributeProto]:
        if source is None:
            return []
        return [a for a in self._originals[source.key].attribute if a.name not in without]
