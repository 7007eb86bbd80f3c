"""The precision plan: an immutable value, so undo is a list of plans and a redraw is a comparison."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.precision import Precision, WeightType

__all__ = ["MAX_UNDO", "PlanHistory", "PrecisionPlan", "WeightType"]


@dataclass(frozen=True)
class PrecisionPlan:
    """Which node gets which precision, and which nodes are excluded from bulk changes."""

    choices: Mapping[str, Precision] = field(default_factory=dict)
    """Precision by node key, read-only; FP32 nodes are left out."""
    locked: frozenset[str] = frozenset()
    """Keys that thresholds, presets, regex actions and the planner leave alone."""
    weight_type: WeightType = WeightType.QINT8
    calibration: Calibration | None = None
    """Makes INT8 mean the static form; None for the dynamic one."""

    def __post_init__(self) -> None:
        chosen = {key: precision for key, precision in self.choices.items() if precision is not Precision.FP32}
        object.__setattr__(self, "choices", MappingProxyType(chosen))

    def __reduce__(self) -> tuple[type[PrecisionPlan], tuple[object, ...]]:
        # A mapping proxy cannot be pickled, and plans go to child processes.
        return PrecisionPlan, (dict(self.choices), self.locked, self.weight_type, self.calibration)

    @property
    def static(self) -> bool:
        """Whether INT8 means the static form."""
        return self.calibration is not None

    def precision_of(self, key: str) -> Precision:
        """The precision of one node."""
        return self.choices.get(key, Precision.FP32)

    def with_precision(self, keys: Iterable[str], precision: Precision) -> PrecisionPlan:
        """The plan with these nodes at ``precision``, locked ones too: the caller decides about locks."""
        return replace(self, choices={**self.choices, **dict.fromkeys(keys, precision)})

    def excluding(self, keys: Iterable[str]) -> PrecisionPlan:
        """The plan with these nodes at FP32 and locked."""
        chosen = tuple(keys)
        return replace(self.with_precision(chosen, Precision.FP32), locked=self.locked | set(chosen))

    def unlocking(self, keys: Iterable[str]) -> PrecisionPlan:
        """The plan with these nodes no longer locked."""
        return replace(self, locked=self.locked - set(keys))

    def sparing_locked_of(self, other: PrecisionPlan) -> PrecisionPlan:
        """The plan with the nodes that ``other`` locks at the precision that they have there, and locked."""
        kept = {key: other.precision_of(key) for key in other.locked}
        return replace(self, choices={**self.choices, **kept}, locked=self.locked | other.locked)

    def changed_keys(self, other: PrecisionPlan) -> frozenset[str]:
        """Keys whose precision or lock differs between the two plans."""
        either = self.choices.keys() | other.choices.keys()
        moved = {key for key in either if self.choices.get(key) is not other.choices.get(key)}
        return frozenset(moved | (self.locked ^ other.locked))

    def count(self, keys: Iterable[str]) -> dict[Precision, int]:
        """How many of the given nodes have each precision."""
        counts = dict.fromkeys(Precision, 0)
        for key in keys:
            counts[self.precision_of(key)] += 1
        return counts

    @property
    def digest(self) -> str:
        """A short identity of the decisions that shape the built file; locks do not."""
        decisions: dict[str, object] = {"weight_type": self.weight_type, "choices": dict(sorted(self.choices.items()))}
        if self.calibration is not None:
            decisions["calibration"] = self.calibration.digest
        return hashlib.sha256(json.dumps(decisions, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class PlanHistory:
    """A plan with what came before it and what was undone."""

    current: PrecisionPlan
    past: tuple[PrecisionPlan, ...] = ()
    future: tuple[PrecisionPlan, ...] = ()

    def push(self, plan: PrecisionPlan) -> PlanHistory:
        """The history after a change; the same plan again is no change."""
        if plan == self.current:
            return self
        return PlanHistory(plan, (*self.past[-(MAX_UNDO - 1) :], self.current))

    def undo(self) -> PlanHistory:
        """One step back; the same history if there is none."""
        if not self.past:
            return self
        return PlanHistory(self.past[-1], self.past[:-1], (self.current, *self.future))

    def redo(self) -> PlanHistory:
        """One step forward again; the same history if there is none."""
        if not self.future:
            return self
        return PlanHistory(self.future[0], (*self.past, self.current), self.future[1:])


MAX_UNDO = 200
"""Steps kept for undo."""
