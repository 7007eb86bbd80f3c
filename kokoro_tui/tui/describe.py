"""What is said of one node, as parts of text with a role each; no widget is involved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from kokoro_tui.core.precision import Precision
from kokoro_tui.core.trials import TrialKind, TrialStatus
from kokoro_tui.tui.formats import NOTHING, distance, node_mib, printable

if TYPE_CHECKING:
    from kokoro_tui.core.inventory import Inventory, NodeInfo
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.core.trials import TrialRow
    from kokoro_tui.lint.linter import Linter
    from kokoro_tui.workbench import Workbench

MOST_LISTED = 6
"""Names listed in full before the rest is counted."""


class Role(StrEnum):
    """How a part of the text is coloured."""

    TITLE = "title"
    LABEL = "label"
    PLAIN = "plain"
    DIM = "dim"
    REFUSED = "refused"
    RISKY = "risky"
    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    W8 = "w8"
    LOCKED = "locked"


@dataclass(frozen=True)
class Part:
    """A piece of text."""

    text: str
    role: Role = Role.PLAIN


def describe_node(
    workbench: Workbench, plan: PrecisionPlan, key: str, linter: Linter | None = None
) -> tuple[Part, ...]:
    """Name, figures, trials, refusals, target, group, weights, inputs, outputs and attributes of a node."""
    inventory = workbench.inventory
    node = inventory.by_key[key]
    lines = [
        *_head(workbench, plan, node),
        *_trials(workbench, node),
        *_risks(workbench, plan, node),
        *_refusals(workbench, plan, node),
        *_target(plan, node, linter),
        *_group(inventory, node),
        *_weights(inventory, node),
        *_values("in", (name for name in node.inputs if name and name not in inventory.tensors), inventory),
        *_values("out", (name for name in node.outputs if name), inventory),
        *_attributes(node),
    ]
    return tuple(part for line in lines for part in (*line, Part("\n")))


Line = tuple[Part, ...]


def _label(text: str) -> Part:
    return Part(f"{text:<7}", Role.LABEL)


def _head(workbench: Workbench, plan: PrecisionPlan, node: NodeInfo) -> Iterator[Line]:
    precision = plan.precision_of(node.key)
    yield (Part(printable(node.key), Role.TITLE),)
    after = workbench.node_bytes(node.key, plan)
    size = f"{node_mib(node.nbytes)} MiB"
    if after != node.nbytes:
        size += f" \u2192 {node_mib(after)} MiB"
    line = [
        Part(f"{printable(node.op)}  ", Role.PLAIN),
        Part(precision.label, Role(precision.value)),
        Part(f"  {node.parameters:,} parameters  {size}", Role.DIM),
    ]
    if node.key in plan.locked:
        line.append(Part("  \u2716 excluded", Role.LOCKED))
    yield tuple(line)


def _trials(workbench: Workbench, node: NodeInfo) -> Iterator[Line]:
    if workbench.trials is None:
        return
    rows = [row for kind in TrialKind if (row := workbench.trials.rows.get((node.key, kind))) is not None]
    if rows:
        yield (_label("trial"), Part(f"{'mel':>5} {'noise':>8} {'moved':>6} {'free':>6}", Role.LABEL))
    for row in rows:
        name = f"{row.kind.precision.label}{'*' if row.kind is TrialKind.STATIC else ''}"
        yield (Part(f"{name:<7}", Role(row.kind.precision.value)), *_trial(row))
    if any(row.kind is TrialKind.STATIC for row in rows):
        yield (Part("* static: calibrated, not dynamic", Role.DIM),)


def _trial(row: TrialRow) -> Line:
    if row.status is not TrialStatus.OK:
        reason = printable(row.reason)
        return (Part(f"{row.status}: {reason}" if reason else str(row.status), Role.DIM),)
    noise = NOTHING if row.added_noise_db is None else f"{row.added_noise_db:+.1f} dB"
    moved = NOTHING if row.frames_moved is None else f"{row.frames_moved:g}"
    return (Part(f"{distance(row.mel_distance):>5} {noise:>8} {moved:>6} {distance(row.mel_distance_free):>6}"),)


def _risks(workbench: Workbench, plan: PrecisionPlan, node: NodeInfo) -> Iterator[Line]:
    hazard = workbench.hazards.get(node.key)
    if hazard is None:
        return
    possible = [p for p in hazard.precisions if p not in workbench.refusals(node, static=plan.static)]
    if possible:
        names = ", ".join(precision.label for precision in possible)
        chosen = plan.precision_of(node.key) in possible
        yield (
            _label("risky"),
            Part(f"{names}: ", Role.RISKY),
            Part(printable(hazard.reason), Role.RISKY if chosen else Role.DIM),
        )


def _refusals(workbench: Workbench, plan: PrecisionPlan, node: NodeInfo) -> Iterator[Line]:
    by_reason: dict[str, list[Precision]] = {}
    for precision, reason in workbench.refusals(node, static=plan.static).items():
        by_reason.setdefault(reason, []).append(precision)
    for reason, precisions in by_reason.items():
        names = ", ".join(precision.label for precision in precisions)
        yield (_label("not"), Part(f"{names}: ", Role.REFUSED), Part(printable(reason), Role.DIM))


def _target(plan: PrecisionPlan, node: NodeInfo, linter: Linter | None) -> Iterator[Line]:
    """What the node's precision brings to the chosen target, and which others would bring something."""
    if linter is None or not linter.serves(plan):
        return
    label = Part(f"{linter.target.name:<6} ", Role.LABEL)
    effect = linter.effect(node.key, plan.precision_of(node.key))
    if not effect:
        yield (label, Part("runs", Role.DIM))
    for finding in effect:
        role = Role.REFUSED if finding.status != "runs" else Role.DIM
        what = f"{printable(finding.op)} {finding.status.label}"
        yield (label, Part(what, role), Part(f": {printable(finding.reason)}", Role.DIM))
        label = _label("")
    if advice := next((finding.advice for finding in effect if finding.added_by_plan and finding.advice), ""):
        yield (_label(""), Part(f"take {advice}"))
    present = plan.precision_of(node.key)
    falling = [precision.label for precision in linter.blocked(node.key) if precision is not present]
    if falling:
        yield (_label(""), Part(f"{', '.join(falling)} would fall back", Role.DIM))


def _group(inventory: Inventory, node: NodeInfo) -> Iterator[Line]:
    group = inventory.group_of.get(node.key)
    if group is not None and len(group.members) > 1:
        yield (_label("group"), Part(f"{len(group.members)} nodes share the weight and change together"))


def _weights(inventory: Inventory, node: NodeInfo) -> Iterator[Line]:
    for name in node.weights:
        tensor = inventory.tensors.get(name)
        if tensor is None:
            continue
        shape = "\u00d7".join(str(dim) for dim in tensor.dims) or "scalar"
        yield (
            _label("weight"),
            Part(printable(name)),
            Part(f"  {shape} {tensor.dtype} {node_mib(tensor.nbytes)} MiB", Role.DIM),
        )
        others = [key for key in inventory.readers.get(name, ()) if key != node.key]
        if others:
            yield (Part("       "), Part(f"also read by {_some(others)}", Role.DIM))


def _some(keys: list[str]) -> str:
    listed = ", ".join(printable(key) for key in keys[:MOST_LISTED])
    more = len(keys) - MOST_LISTED
    return f"{listed} and {more} more" if more > 0 else listed


def _values(label: str, names: Iterable[str], inventory: Inventory) -> Iterator[Line]:
    for name in names:
        info = inventory.values.get(name)
        shape = ""
        if info is not None:
            dims = ", ".join("?" if dim is None else printable(str(dim)) for dim in info.shape)
            shape = f"  [{dims}] {info.dtype}" if info.shape else f"  {info.dtype}"
        yield (_label(label), Part(printable(name)), Part(shape, Role.DIM))


def _attributes(node: NodeInfo) -> Iterator[Line]:
    shown = []
    for name, value in node.attributes.items():
        if (name, value) in _DEFAULTS:
            continue
        text = "\u00d7".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
        shown.append(printable(f"{name} {text}"))
    if shown:
        yield (_label("attr"), Part(", ".join(shown), Role.DIM))


_DEFAULTS = frozenset({("auto_pad", "NOTSET"), ("group", 1), ("direction", "forward")})
"""Attributes that say nothing."""
