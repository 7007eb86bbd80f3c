"""Apply the rewrite rules of core to an onnx_ir model, node by node."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.convenience import replace_all_uses_with

from kokoro_tui.core.inventory import NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.rewrite import MICROSOFT_DOMAIN, NodeRewrite, Rewriter
from kokoro_tui.core.specs import NodeSpec, WeightForm


class Emitter:
    """Turns the specs of one plan into nodes of one model, in place."""

    def __init__(self, model: ir.Model, rewriter: Rewriter, plan: PrecisionPlan) -> None:
        self._graph = model.graph
        self._rewriter = rewriter
        self._plan = plan
        self._inventory = rewriter.inventory
        self._values: dict[str, ir.Value] = {}
        self._originals = dict(zip((n.key for n in self._inventory.main_nodes), self._graph, strict=True))
        for value in self._graph.inputs:
            self._values[value.name or ""] = value
        for name, value in self._graph.initializers.items():
            self._values[name] = value
        for node in self._graph:
            for value in node.outputs:
                if value.name:
                    self._values[value.name] = value

    def run(self, forms: dict[str, tuple[WeightForm, ...]]) -> None:
        """Rewrite the graph.

        Args:
            forms: Stored forms by weight name; their tensors are written by the caller.
        """
        first = next(iter(self._graph), None)
        for name, kinds in forms.items():
            for form in kinds:
                for tensor in form.tensors(self._inventory.tensors[name], self._rewriter.infix):
                    self._values[tensor.name] = ir.Value(name=tensor.name)
                self._insert(form.nodes(self._rewriter.infix), first)
        for value in self._inventory.inputs:
            self._insert(self._nodes_behind(value.name, half=False), first)
        replaced = [node for info in self._inventory.main_nodes if (node := self._visit(info)) is not None]
        self._graph.remove(replaced, safe=True)

    def _visit(self, info: NodeInfo) -> ir.Node | None:
        """Rewrite one node and what stands behind its outputs; return it if it has been replaced."""
        original = self._originals[info.key]
        rewrite = self._rewriter.planned(info, self._plan)
        anchor = original
        if rewrite.nodes is not None:
            anchor = self._insert(rewrite.nodes, original, after=True) or original
        for name in info.outputs:
            if name:
                behind = self._nodes_behind(name, half=name in rewrite.half_writes)
                anchor = self._insert(behind, anchor, after=True) or anchor
        return original if rewrite.nodes is not None else None

    def _nodes_behind(self, name: str, *, half: bool) -> tuple[NodeSpec, ...]:
        readers = [self._reader(key) for key in self._inventory.readers.get(name, ())]
        return self._rewriter.value_nodes(name, produced_half=half, readers=readers)

    def _reader(self, key: str) -> NodeRewrite:
        return self._rewriter.planned(self._inventory.by_key[key], self._plan)

    def _insert(self, specs: tuple[NodeSpec, ...], anchor: ir.Node | None, *, after: bool = False) -> ir.Node | None:
        """Write nodes before or after ``anchor`` and return the last of them."""
        nodes = [self._materialise(spec) for spec in specs]
        if not nodes:
            return None
        if anchor is None:
            self._graph.extend(nodes)
        elif after:
            self._graph.insert_after(anchor, nodes)
        else:
            self._graph.insert_before(anchor, nodes)
        return nodes[-1]

    def _materialise(self, spec: NodeSpec) -> ir.Node:
        attributes = [ir.AttrInt64(name, value) for name, value in spec.attributes]
        if spec.copy_from is not None:
            source = self._originals[spec.copy_from.key].attributes.values()
            attributes += [attribute for attribute in source if attribute.name not in spec.without]
        inputs = [self._values[name] if name else None for name in spec.inputs]
        outputs = [ir.Value(name=name) for name in spec.outputs]
        node = ir.Node(spec.domain, spec.op, inputs, attributes, outputs=outputs, name=spec.name)
        for value in outputs:
            self._register(value)
        if spec.domain == MICROSOFT_DOMAIN:
            self._graph.opset_imports.setdefault(MICROSOFT_DOMAIN, 1)
        return node

    def _register(self, value: ir.Value) -> None:
        """Make a new value known; if it takes over an old name, its readers move over with type and shape."""
        name = value.name or ""
        replaced = self._values.get(name)
        if replaced is not None:
            value.type, value.shape = replaced.type, replaced.shape
            replace_all_uses_with(replaced, value, replace_graph_outputs=True)
        self._values[name] = value
