"""What the planner may choose: shared-weight groups, their precisions, and what each of these saves and costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from kokoro_tui.core.hazards import Hazard
from kokoro_tui.core.inventory import Group, Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.sizing import Sizer
from kokoro_tui.core.support import WEIGHT_INPUTS, refusal
from kokoro_tui.core.trials import TrialKind, TrialTable
from kokoro_tui.planner.values import InnerValues

Barred = Mapping[str, Collection[Precision]]
"""Precisions that a node must not take, by node key."""

LEAST_SAVING = 2048
"""Bytes that a precision must save to be worth a choice. Add, Mul and the norms save less than their casts cost."""
_KINDS = {kind.precision: kind for kind in (TrialKind.CAST, TrialKind.QUANT, TrialKind.WEIGHT)}


@dataclass(frozen=True)
class Option:
    """One precision of one unit; FP32 costs and saves nothing."""

    precision: Precision
    nbytes: int = 0
    """What the file grows by against FP32, were it the only change; negative."""
    distance: float | None = None
    """Mel distance of its trial; None where it was not tried."""
    pitch: float | None = None
    """Mean square error of the phase, (Hz · frames)²; None where it was not measured."""
    length: float | None = None
    """Mean square error of the durations before rounding, in frames²; None where it was not measured."""


@dataclass(frozen=True)
class Unit:
    """A shared-weight group of which the planner chooses the precision."""

    group: Group
    outputs: tuple[str, ...]
    """First output names of its members."""
    on_pitch: bool
    """Whether the F0 curve depends on it."""
    on_length: bool
    """Whether the durations depend on it."""
    options: tuple[Option, ...] = field(default=())
    """FP32 first."""

    @property
    def probed(self) -> bool:
        """Whether what it costs shows in values inside the model."""
        return self.on_pitch or self.on_length

    def with_option(self, option: Option) -> Unit:
        """The unit with what is known of one of its precisions replaced."""
        options = tuple(option if old.precision is option.precision else old for old in self.options)
        return replace(self, options=options)

    def without(self, precision: Precision) -> Unit:
        """The unit without one of its precisions."""
        return replace(self, options=tuple(option for option in self.options if option.precision is not precision))


def find_units(
    inventory: Inventory,
    base: PrecisionPlan,
    trials: TrialTable,
    values: InnerValues,
    *,
    hazards: Mapping[str, Hazard],
    barred: Barred,
) -> tuple[Unit, ...]:
    """The groups whose precision is open, with what the file and the trials say of every precision.

    A group with a locked member keeps what ``base`` gives it. Hazards, barred precisions and those that an operator
    cannot take are left out; so is INT8 where W8 reads a smaller distance, since both store the same weights.

    Args:
        inventory: The model.
        base: The plan whose locks, and whose precisions of locked nodes, hold.
        trials: Distances of single groups.
        values: What is watched inside the model.
        hazards: Risky nodes by key.
        barred: What a target cannot run.
    """
    sizer = Sizer(inventory, kept_part(base))
    start = sizer.estimate(kept_part(base)).estimated_bytes
    found = []
    for group in inventory.groups:
        node = inventory.by_key[group.key]
        if node.op not in WEIGHT_INPUTS or node.depth or not base.locked.isdisjoint(group.members):
            continue
        options = [Option(Precision.FP32)]
        for precision in _open(inventory, group, hazards, barred):
            plan = kept_part(base).with_precision(group.members, precision)
            nbytes = sizer.estimate(plan).estimated_bytes - start
            if nbytes <= -LEAST_SAVING:
                options.append(Option(precision, nbytes, trials.distance(group.key, _KINDS[precision])))
        if len(options := _worth_trying(options)) > 1:
            members = [inventory.by_key[key] for key in group.members]
            outputs = tuple(next(name for name in member.outputs if name) for member in members)
            on_pitch, on_length = group.key in values.pitch_nodes, group.key in values.length_nodes
            found.append(Unit(group, outputs, on_pitch, on_length, tuple(options)))
    return tuple(found)


def kept_part(base: PrecisionPlan) -> PrecisionPlan:
    """What of a plan the planner leaves alone: locked nodes and the type of INT8 weights."""
    choices = {key: precision for key, precision in base.choices.items() if key in base.locked}
    return PrecisionPlan(choices, base.locked, base.weight_type)


def plan_of(base: PrecisionPlan, units: tuple[Unit, ...], chosen: tuple[int, ...]) -> PrecisionPlan:
    """The plan of a choice: the position of an option per unit."""
    choices = dict(kept_part(base).choices)
    for unit, position in zip(units, chosen, strict=True):
        choices.update(dict.fromkeys(unit.group.members, unit.options[position].precision))
    return PrecisionPlan(choices, base.locked, base.weight_type)


def _open(inventory: Inventory, group: Group, hazards: Mapping[str, Hazard], barred: Barred) -> Iterator[Precision]:
    nodes = [inventory.by_key[key] for key in group.members]
    risky = {precision for node in nodes if node.key in hazards for precision in hazards[node.key].precisions}
    closed = risky.union(*(barred.get(node.key, ()) for node in nodes))
    for precision in _KINDS:
        if precision not in closed and all(refusal(inventory, node, precision) is None for node in nodes):
            yield precision


def _worth_trying(options: list[Option]) -> list[Option]:
    by_precision = {option.precision: option for option in options}
    whole, light = by_precision.get(Precision.INT8), by_precision.get(Precision.W8)
    if whole is None or light is None:
        return options
    known = whole.distance is not None and light.distance is not None and whole.distance < light.distance
    return options if known else [option for option in options if option is not whole]
