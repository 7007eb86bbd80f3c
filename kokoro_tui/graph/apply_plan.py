"""Plan -> model file: the one way in which this tool writes an optimized model."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.quantize import Array, FloatArray, bias_int32, derive
from kokoro_tui.core.rewrite import MICROSOFT_DOMAIN, Rewriter, calibrated_values
from kokoro_tui.core.sizing import Sizer
from kokoro_tui.core.specs import WeightForm
from kokoro_tui.core.support import check_integer_types, refusal
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.emit import Emitter
from kokoro_tui.graph.load import MAX_PROTOBUF_BYTES, load_external_data
from kokoro_tui.graph.payloads import Payloads
from kokoro_tui.graph.read_inventory import read_light
from kokoro_tui.graph.verify import ensure_valid, verify_against_plan
from kokoro_tui.graph.write import PendingTensors, message_without, write_file
from kokoro_tui.store.atomic import atomic_path

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of the whole that is done, from 0 to 1."""


_MOST_GROWTH = 4
"""No plan makes a file this many times larger; a weight in all of its forms takes less than three times its size."""
MAX_THREADS = 4
"""Threads that convert weights; more only wait for the disk."""


@dataclass(frozen=True)
class BuildReport:
    """What was written."""

    output_path: Path
    original_bytes: int
    final_bytes: int
    added_ops: Mapping[str, int]
    """Operators of which the result has more nodes, and how many more."""
    removed_ops: Mapping[str, int]
    """Operators of which the result has fewer nodes, and how many fewer."""
    nodes_before: int
    nodes_after: int


def build_model(
    source: Path,
    plan: PrecisionPlan,
    target: Path,
    *,
    progress: Progress = lambda stage, share: None,
    accept: Callable[[Path], None] = lambda path: None,
) -> BuildReport:
    """Write ``source`` with the precisions of ``plan`` to ``target``, then check the file against the plan.

    The target is replaced only when everything has passed.

    Args:
        source: The model to start from; it is not changed.
        plan: Precisions by node.
        target: The file to write.
        progress: Receives stages and shares.
        accept: A last check of the written file; what it raises keeps the target as it was.

    Raises:
        InputError: The source cannot be read or is not valid ONNX, the target cannot be written, or a node cannot
            take its precision.
        WorkError: The result does not match the plan; every difference is named.
    """
    with atomic_path(target) as unfinished:
        if target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"{target} is the model itself", "write the result to another file")
        progress("read", 0.0)
        light = read_light(source)
        payloads, before = Payloads(source, light.left_out), light.inventory
        check_plan(before, plan)
        ensure_embeddable(before, plan)
        load_external_data(light.model, source)
        progress("rewrite", 0.15)
        skeleton, tensors = rewrite_model(light.model, before, plan, payloads)
        progress("write", 0.25)
        write_file(unfinished, skeleton, tensors, threads=min(MAX_THREADS, os.cpu_count() or 1))
        payloads.ensure_unchanged()
        progress("check", 0.7)
        try:
            after = verify_against_plan(unfinished, before, plan)
        except WorkError:
            ensure_valid(source)
            raise
        progress("load", 0.85)
        accept(unfinished)
        final_bytes = _size(unfinished)
    progress("done", 1.0)
    added, removed = count_differences(before, after)
    return BuildReport(
        target, before.file_bytes, final_bytes, added, removed, len(before.main_nodes), len(after.main_nodes)
    )


def rewrite_model(
    model: onnx.ModelProto, inventory: Inventory, plan: PrecisionPlan, payloads: Payloads | None = None
) -> tuple[onnx.ModelProto, list[onnx.TensorProto | PendingTensors]]:
    """Apply a plan to a model.

    Args:
        model: The model; it is not changed.
        inventory: Of the same model.
        plan: Precisions by node.
        payloads: Where the data of its initializers is; None if all of it is in ``model``.

    Returns:
        The rewritten model without initializers, and its initializers; ``write_model`` puts them together, and
        raises WorkError then if a weight does not fit into its precision.
    """
    payloads = payloads or Payloads(inventory.path, {})
    rewriter = Rewriter.of(inventory, plan)
    plan = rewriter.regions.spread(plan)
    forms = stored_forms(rewriter, plan)
    emitter = Emitter(model, rewriter, plan)
    readers = {
        name: [rewriter.planned(inventory.by_key[key], plan) for key in inventory.readers.get(name, ())]
        for name in forms
    }
    gone = {name for name in forms if not rewriter.float_wanted(name, readers[name])}
    originals = {tensor.name: tensor for tensor in model.graph.initializer}
    tensors: list[onnx.TensorProto | PendingTensors] = []
    for name, tensor in originals.items():
        if name not in gone:
            tensors.append(payloads.whole(tensor))
        if name in forms:
            tensors.append(_stored(rewriter, forms[name], originals, payloads, plan.calibration))
    tensors += _scales(emitter, plan.calibration)
    skeleton = message_without(model, "graph")
    skeleton.graph.CopyFrom(message_without(model.graph, "node", "initializer", "input", "value_info"))
    graph = skeleton.graph
    graph.node.extend(emitter.nodes(forms))
    graph.input.extend(value for value in model.graph.input if value.name not in gone)
    graph.value_info.extend(emitter.declared(v for v in model.graph.value_info if v.name not in gone))
    if MICROSOFT_DOMAIN in emitter.new_domains - inventory.opsets.keys():
        skeleton.opset_import.add(domain=MICROSOFT_DOMAIN, version=1)
    # Before version 4 every initializer had to be a graph input as well; the new ones are not.
    skeleton.ir_version = max(skeleton.ir_version, 4) if forms else skeleton.ir_version
    return skeleton, tensors


def stored_forms(rewriter: Rewriter, plan: PrecisionPlan) -> dict[str, tuple[WeightForm, ...]]:
    """The forms in which ``plan`` stores each weight that it changes, in the order of the initializers."""
    found: dict[str, dict[WeightForm, None]] = {}
    for node in rewriter.inventory.main_nodes:
        for form in rewriter.planned(node, plan).forms:
            found.setdefault(form.weight, {})[form] = None
    return {name: tuple(found[name]) for name in rewriter.inventory.tensors if name in found}


def check_plan(inventory: Inventory, plan: PrecisionPlan) -> None:
    """Refuse a plan that names nodes or precisions that the model cannot take.

    Raises:
        InputError: Naming the first such node and why.
    """
    for key, precision in plan.choices.items():
        node = inventory.by_key.get(key)
        if node is None:
            raise InputError(f"the model has no node {key!r}", "check that the plan was made for this model")
        if reason := refusal(inventory, node, precision, static=plan.static):
            raise InputError(f"{key} cannot be {precision.label}: {reason}", "leave it at FP32")
    if plan.calibration is not None:
        check_integer_types(plan.weight_type, plan.calibration.activation_type)
        if missing := plan.calibration.missing(calibrated_values(inventory, plan)):
            raise InputError(f"{missing[0]} has no calibrated range", "calibrate the plan before it is built")


def count_differences(before: Inventory, after: Inventory) -> tuple[dict[str, int], dict[str, int]]:
    """Operators of the main graph of which there are more, and fewer, than before; most first."""
    old, new = (Counter(node.op for node in inventory.main_nodes) for inventory in (before, after))
    return dict((new - old).most_common()), dict((old - new).most_common())


def _stored(
    rewriter: Rewriter,
    forms: tuple[WeightForm, ...],
    originals: Mapping[str, onnx.TensorProto],
    payloads: Payloads,
    calibration: Calibration | None,
) -> PendingTensors:
    """All stored forms of one weight."""
    inventory, name = rewriter.inventory, forms[0].weight
    specs = [spec for form in forms for spec in form.tensors(inventory.tensors[name], rewriter.infix)]

    def make() -> list[Array]:
        weight = payloads.floats(originals[name])
        try:
            return [array for form in forms for array in _values(form, weight, originals, payloads, calibration)]
        except ValueError as error:
            raise WorkError(f"{error}, needed by {inventory.readers[name][0]}", "leave that node at FP32") from error

    return PendingTensors.of(specs, make)


def _values(
    form: WeightForm,
    weight: FloatArray,
    originals: Mapping[str, onnx.TensorProto],
    payloads: Payloads,
    calibration: Calibration | None,
) -> tuple[Array, ...]:
    """The arrays of a form; an INT32 bias depends on another weight and on a calibrated range as well."""
    if form.scaled_by is None or calibration is None:
        return derive(form, weight)
    scale, _ = calibration.quantization(form.scaled_by.data)
    partner = payloads.floats(originals[form.scaled_by.weight.weight])
    return (bias_int32(weight, np.float32(scale), partner, form.scaled_by.weight),)


def _scales(emitter: Emitter, calibration: Calibration | None) -> Iterator[PendingTensors]:
    """Scales and zero points of the values that are quantized by their calibrated ranges."""
    if calibration is not None:
        for name, specs in emitter.value_tensors():
            yield PendingTensors.of(specs, partial(calibration.quantization, name))


def ensure_embeddable(inventory: Inventory, plan: PrecisionPlan) -> None:
    """Refuse a result that no single ONNX file can hold.

    Raises:
        InputError: The result would be 2 GiB or more.
    """
    if _MOST_GROWTH * inventory.file_bytes < MAX_PROTOBUF_BYTES:
        return
    if Sizer(inventory, plan).estimate(plan).estimated_bytes > MAX_PROTOBUF_BYTES:
        raise InputError(
            f"{inventory.path.name} would give a file over 2 GiB", "choose smaller precisions for more nodes"
        )


def _size(path: Path) -> int:
    return path.stat().st_size
