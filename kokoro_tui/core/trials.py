"""Trial results: what one precision of one node alone does to the sound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import sqrt

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision


class TrialKind(StrEnum):
    """Which change a trial makes; the value is the ``type`` column."""

    CAST = "cast"
    QUANT = "quant"
    STATIC = "static"
    WEIGHT = "weight"

    @property
    def precision(self) -> Precision:
        """The precision that the trial tries."""
        return _PRECISIONS[self]


_PRECISIONS = {
    TrialKind.CAST: Precision.FP16,
    TrialKind.QUANT: Precision.INT8,
    TrialKind.STATIC: Precision.INT8,
    TrialKind.WEIGHT: Precision.W8,
}


class TrialStatus(StrEnum):
    """How a trial ended."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One row of the trial table; with several clips the plain figures are means over them."""

    name: str
    """Node key."""
    kind: TrialKind
    op_type: str = ""
    params: int | None = None
    """Elements of the node's weights."""
    size: int | None = None
    """Bytes of the node's weights in the source model."""
    mel_distance: float | None = None
    """Paired (same noise) and pinned (same durations); root mean square difference of log-mels."""
    mel_distance_free: float | None = None
    """Paired, with the trial's own durations."""
    added_noise_db: float | None = None
    """95th percentile of the one-sided mel energy gain, in dB."""
    frames_moved: float | None = None
    """Duration frames that differ from the reference."""
    status: TrialStatus = TrialStatus.OK
    group: str = ""
    """Key of the shared-weight group that was tried as a unit."""
    reason: str = ""
    """Why it was skipped or failed."""
    pinned: bool | None = None
    """Whether the durations were held to the reference."""
    mel_distance_worst: float | None = None
    frames_moved_worst: float | None = None
    seconds: float | None = None
    """Wall time of the trial."""


@dataclass(frozen=True)
class TrialTable:
    """The rows of one table by node and kind; of several for the same pair the last one counts."""

    rows: Mapping[tuple[str, TrialKind], TrialRow] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[TrialRow]) -> TrialTable:
        """A table of the given rows."""
        return cls({(row.name, row.kind): row for row in rows})

    def with_rows(self, rows: Iterable[TrialRow]) -> TrialTable:
        """The table with these rows added or replaced."""
        return TrialTable({**self.rows, **{(row.name, row.kind): row for row in rows}})

    def distance(self, key: str, kind: TrialKind) -> float | None:
        """Measured distance of one node and kind, or None."""
        row = self.rows.get((key, kind))
        return row.mel_distance if row is not None and row.status is TrialStatus.OK else None

    def distance_at(self, key: str, precision: Precision, *, static: bool = False) -> float | None:
        """Measured distance of one node at a precision, or None; FP32 is 0 by definition.

        INT8 is the dynamic form unless ``static``; where only the other form was tried, its distance counts.
        """
        if precision is Precision.FP32:
            return 0.0
        kinds = [kind for kind in TrialKind if kind.precision is precision]
        kinds.sort(key=lambda kind: (kind is TrialKind.STATIC) is not static)
        return next((d for kind in kinds if (d := self.distance(key, kind)) is not None), None)

    def worst(self, number: int) -> tuple[TrialRow, ...]:
        """The rows of the largest distances, largest first; of a group's equal rows only that of its first member."""
        groups: dict[tuple[str, TrialKind], TrialRow] = {}
        for row in self.rows.values():
            if row.mel_distance is not None:
                groups.setdefault((row.group or row.name, row.kind), row)
        return tuple(sorted(groups.values(), key=lambda row: -(row.mel_distance or 0.0))[:number])

    def knows(self, key: str) -> bool:
        """Whether there is any row for the node."""
        return any((key, kind) in self.rows for kind in TrialKind)


@dataclass(frozen=True)
class PredictedDistance:
    """What the trials say of a whole plan, before it is built."""

    mel_distance: float
    """Root of the sum of squares of the single distances, one per group: errors of different nodes are taken
    as independent. Real plans interact, so this is a prediction and is shown as one."""
    untried: int
    """Groups that the plan changes and no trial covers."""


def predict_distance(inventory: Inventory, plan: PrecisionPlan, trials: TrialTable) -> PredictedDistance | None:
    """Predicted mel distance of ``plan``; None where no changed node has a trial."""
    worst: dict[tuple[str, Precision], float | None] = {}
    for key, precision in plan.choices.items():
        group = inventory.group_of[key].key if key in inventory.group_of else key
        distance = trials.distance_at(key, precision, static=plan.static)
        known = worst.get((group, precision))
        if known is None or (distance is not None and distance > known):
            worst[group, precision] = distance
    measured = [d for d in worst.values() if d is not None]
    if worst and not measured:
        return None
    return PredictedDistance(sqrt(sum(d * d for d in measured)), len(worst) - len(measured))
