"""The part of a model that leads to some of its values, small enough to be rebuilt for every question about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

import onnx
from onnx import TensorProto, helper

from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.graph.apply_plan import check_plan, rewrite_model
from kokoro_tui.graph.harness import NoiseInput, expose_durations, expose_noise
from kokoro_tui.graph.load import all_reads, load_external_data, read_model
from kokoro_tui.graph.read_inventory import inventory_of
from kokoro_tui.graph.write import write_model


class PartialModel:
    """What a model computes some values from, in memory.

    Args:
        source: The model file.
        duration: Name of its duration output, which becomes an input; None leaves durations alone.
        values: The values of the main graph to stop at; they become the only outputs.

    Raises:
        InputError: See ``read_model``.
    """

    def __init__(self, source: Path, duration: str | None, values: Sequence[str]) -> None:
        model = read_model(source)
        load_external_data(model, source)
        self.pinnable = duration is not None and expose_durations(model, duration)
        self.noise: tuple[NoiseInput, ...] = expose_noise(model)
        graph = model.graph
        types = {v.name: v.type.tensor_type.elem_type for v in (*graph.value_info, *graph.output)}
        _keep_what_leads_to(graph, values)
        del graph.output[:]
        graph.output.extend(
            helper.make_tensor_value_info(name, types.get(name, TensorProto.FLOAT), None) for name in values
        )
        read = {name for node in graph.node for name in all_reads(node)}
        inputs = [value for value in graph.input if value.name in read]
        del graph.input[:]
        graph.input.extend(inputs)
        kept = [tensor for tensor in graph.initializer if tensor.name in read]
        del graph.initializer[:]
        graph.initializer.extend(kept)
        self.inputs = frozenset(value.name for value in inputs)
        self.noise = tuple(noise for noise in self.noise if noise.name in self.inputs)
        self._model = model
        self._inventory = inventory_of(model, source, 0)

    def build(self, precisions: Mapping[str, Precision], weight_type: WeightType = WeightType.QINT8) -> bytes:
        """The serialized part with some nodes at other precisions.

        Args:
            precisions: By the nodes' first output names; nodes of the rest of the model are passed over.
            weight_type: Of INT8.

        Raises:
            InputError: A node cannot take its precision.
            WorkError: A weight does not fit into it.
        """
        producers = self._inventory.producers
        choices = {producers[name].key: p for name, p in precisions.items() if name in producers}
        plan = PrecisionPlan(choices, weight_type=weight_type)
        check_plan(self._inventory, plan)
        buffer = BytesIO()
        write_model(buffer, *rewrite_model(self._model, self._inventory, plan))
        return buffer.getvalue()


def _keep_what_leads_to(graph: onnx.GraphProto, values: Sequence[str]) -> None:
    """Remove the nodes that none of the values depends on, in place."""
    writers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    waiting, kept = list(values), set[int]()
    while waiting:
        index = writers.get(waiting.pop())
        if index is not None and index not in kept:
            kept.add(index)
            waiting.extend(all_reads(graph.node[index]))
    nodes = [node for index, node in enumerate(graph.node) if index in kept]
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)
    written = {name for node in copies for name in node.output}
    known = [value for value in graph.value_info if value.name in written - set(values)]
    del graph.value_info[:]
    graph.value_info.extend(known)
