"""What the screen shows of a model, as one frozen value that is replaced whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from kokoro_tui.core.plan import PlanHistory, PrecisionPlan
from kokoro_tui.core.precision import Precision

if TYPE_CHECKING:
    from kokoro_tui.core.sizing import Estimate
    from kokoro_tui.core.trials import PredictedDistance
    from kokoro_tui.workbench import Workbench


@dataclass(frozen=True)
class Measured:
    """What was measured on a build of exactly one plan."""

    final_bytes: int
    mel_distance: float
    """Paired, and pinned where the model tells durations."""
    added_noise_db: float
    """In dB."""
    frames_moved: int | None
    """Duration frames of 25 ms; None where the model does not tell durations."""


@dataclass(frozen=True)
class WorkState:
    """The plan with everything that follows from it."""

    history: PlanHistory
    estimate: Estimate
    counts: Mapping[Precision, int]
    """Candidates by precision."""
    predicted: PredictedDistance | None
    """None without trials."""
    kept: str = ""
    """Identity of the plan that was last saved or loaded."""
    measurements: Mapping[str, Measured] = field(default_factory=lambda: MappingProxyType({}))
    """Measured builds by plan digest."""

    @classmethod
    def first(cls, workbench: Workbench) -> WorkState:
        """The state of a model that nothing was done to."""
        plan = PrecisionPlan()
        return _derive(workbench, PlanHistory(plan), None, kept=identity(plan))

    @property
    def plan(self) -> PrecisionPlan:
        """The plan on show."""
        return self.history.current

    @property
    def measured(self) -> Measured | None:
        """What was measured on a build of exactly this plan, if one was built."""
        return self.measurements.get(self.plan.digest) if self.measurements else None

    @property
    def unsaved(self) -> bool:
        """Whether the plan differs from the one last saved or loaded."""
        return identity(self.plan) != self.kept

    def moved_to(self, history: PlanHistory, workbench: Workbench) -> WorkState:
        """The state after a change, an undo or a redo."""
        return _derive(workbench, history, self, kept=self.kept)

    def with_trials(self, workbench: Workbench) -> WorkState:
        """The state once the workbench has other trials."""
        return replace(self, predicted=workbench.predict(self.plan))

    def with_measured(self, plan: PrecisionPlan, measured: Measured) -> WorkState:
        """The state with what a build of ``plan`` gave."""
        return replace(self, measurements=MappingProxyType({**self.measurements, plan.digest: measured}))

    def restored(self, kept: str) -> WorkState:
        """The state of a session that is taken up again; ``kept`` is the identity of its last saved plan."""
        return replace(self, kept=kept or self.kept)

    def keeping(self, plan: PrecisionPlan) -> WorkState:
        """The state once ``plan`` is saved somewhere."""
        return replace(self, kept=identity(plan))


def identity(plan: PrecisionPlan) -> str:
    """What a saved plan must agree in: its decisions and its locks."""
    return f"{plan.digest}:{','.join(sorted(plan.locked))}"


def _derive(workbench: Workbench, history: PlanHistory, before: WorkState | None, *, kept: str) -> WorkState:
    plan = history.current
    return WorkState(
        history=history,
        estimate=workbench.estimate(plan),
        counts=plan.count(workbench.inventory.candidate_keys),
        predicted=workbench.predict(plan),
        kept=kept,
        measurements=before.measurements if before is not None else MappingProxyType({}),
    )
