"""Which weights of a plan FP16 cannot hold, found before anything is built."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import onnx

from kokoro_tui.core.half import weight_fault
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import half_inputs
from kokoro_tui.graph.load import load_external_data
from kokoro_tui.graph.payloads import Payloads
from kokoro_tui.graph.read_inventory import read_light


def half_faults(source: Path, plan: PrecisionPlan) -> Mapping[str, str]:
    """FP16 nodes of a plan whose weights overflow or vanish, and why; reads all of those weights.

    Args:
        source: The model file.
        plan: Precisions by node.

    Raises:
        InputError: The model cannot be read.
    """
    light = read_light(source)
    load_external_data(light.model, source)
    payloads, tensors = Payloads(source, light.left_out), {t.name: t for t in light.model.graph.initializer}
    readers: dict[str, list[str]] = {}
    for node in light.inventory.main_nodes:
        if plan.precision_of(node.key) is Precision.FP16:
            for name in {node.inputs[position] for position in half_inputs(node)} & tensors.keys():
                readers.setdefault(name, []).append(node.key)

    def fault(tensor: onnx.TensorProto) -> str | None:
        return weight_fault(payloads.floats(tensor))

    with ThreadPoolExecutor(2) as pool:
        faults = list(pool.map(fault, (tensors[name] for name in readers)))
    found = {key: f"its weight {name} {why}" for name, why in zip(readers, faults, strict=True) if why
             for key in readers[name]}  # fmt: skip
    return {node.key: found[node.key] for node in light.inventory.main_nodes if node.key in found}
