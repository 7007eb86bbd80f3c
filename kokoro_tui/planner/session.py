"""One planning run: probe, choose, build and hear, correct, choose again; the best measured plan is always at hand."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.sizing import MIB, Sizer
from kokoro_tui.core.trials import TrialTable
from kokoro_tui.engine.session import Rendering
from kokoro_tui.errors import Cancelled, InputError, WorkError
from kokoro_tui.planner.clips import MEASURED, planning_clips
from kokoro_tui.planner.knowledge import Knowledge, mean_tokens
from kokoro_tui.planner.limits import Figures, Limit, LimitKind, MeasuredPlan
from kokoro_tui.planner.optimise import Choice, smallest, solve, spaced_sizes
from kokoro_tui.planner.running import Ended, Events, PlanEvent, Runner
from kokoro_tui.planner.tasks import Heard, PlanContext, ProbeFigures, measure_plan, probe_plan, render_original
from kokoro_tui.planner.units import Barred, find_units, kept_part, plan_of
from kokoro_tui.planner.values import inner_values
from kokoro_tui.planner.workers import ProcessTasks, TaskWorkers
from kokoro_tui.speech.utterance import Utterance
from kokoro_tui.store.atomic import remove_stale_partials
from kokoro_tui.store.paths import cache_folder, log_path, make_folder
from kokoro_tui.workbench import Workbench

DEFAULT_MINUTES = 10.0
FRONTIER_PLANS = 10
PROBING_SHARE = 0.4
"""Most of the time that probing single options may take."""
MOST_UNTRIED = 4
"""Options without a trial that are heard alone before the first plan is made."""
MOST_ROUNDS = 5
"""Plans of one limit that are measured, unless another limit is missed still."""
CORRECTED = 2
"""Plans of one limit after which the parts are probed among each other; then they hardly change any more."""
MOST_FRAMES = 2
"""Moved frames of a clip above which the durations count more in the next round."""
CLOSE_ENOUGH = 0.97
"""Share of a distance or noise limit at which a plan is not pushed further."""


@dataclass(frozen=True)
class PlanningRequest:
    """What is asked for."""

    limit: Limit | None
    """None for the frontier alone."""
    minutes: float = DEFAULT_MINUTES
    frontier: int = 0
    """Plans from the smallest to FP32 that are measured as well; 0 for none."""
    base: PrecisionPlan = field(default_factory=PrecisionPlan)
    """Its locks hold, and so do the precisions of its locked nodes."""
    barred: Barred = field(default_factory=dict)
    """Precisions that a target does not run, by node key."""
    clips: tuple[Utterance, ...] = ()
    """What plans are measured on; the planning set if empty."""
    workers: int = 0
    """Worker processes; 0 takes one a core."""


@dataclass(frozen=True)
class PlanningResult:
    """What a run has come to."""

    best: MeasuredPlan | None
    """The best measured plan that keeps the limit; without one, the one that misses it least."""
    reached: bool
    """Whether it keeps the limit."""
    measured: tuple[MeasuredPlan, ...]
    """All plans that were measured for the limit, in their order."""
    frontier: tuple[MeasuredPlan, ...]
    """From the smallest to FP32."""
    complete: bool
    """Whether the run came to its end before the time was up or the user stopped it."""


class PlanningSession:
    """One run.

    Args:
        workbench: The open model with its trial table.
        request: What is asked for.
        workers: Where tasks run; processes of this machine unless given.

    Raises:
        InputError: The model cannot be heard, there is no trial table, or a value makes no sense.
        WorkError: No plan is as small as asked for; the message names the smallest.
    """

    def __init__(self, workbench: Workbench, request: PlanningRequest, workers: TaskWorkers | None = None) -> None:
        self.signature = workbench.require_signature()
        if workbench.trials is None:
            raise InputError("there are no trial results to plan by", "run `kokoro-tui trial-quantization` first")
        if not request.minutes > 0:
            raise InputError(f"no plan is found in {request.minutes:g} minutes", "give it a few minutes")
        if request.limit is None and request.frontier < 2:
            raise InputError("nothing is asked for", "give a limit, or ask for the frontier")
        self.workbench = workbench
        self.request = request
        self._workers = workers
        self._values = inner_values(workbench.inventory, self.signature.duration)
        self._sizer = Sizer(workbench.inventory)
        self._measured: list[MeasuredPlan] = []
        self._frontier: list[MeasuredPlan] = []
        self._complete = False
        self._runner: Runner | None = None
        self._stop_early = False
        self._references: tuple[Rendering, ...] = ()
        self._knowledge = self._first_knowledge(workbench.trials)
        self._check_size()

    def _first_knowledge(self, trials: TrialTable) -> Knowledge:
        units = find_units(
            self.workbench.inventory,
            self.request.base,
            trials,
            self._values,
            hazards=self.workbench.hazards,
            barred=self.request.barred,
        )
        return Knowledge.first(units, trials)

    def _check_size(self) -> None:
        """Refuse a limit below the smallest plan.

        Raises:
            WorkError: Naming the smallest.
        """
        limit = self.request.limit
        if limit is None or limit.kind is not LimitKind.SIZE:
            return
        least = self._size(smallest(self._knowledge.problem_of_sizes()))
        if least > limit.nbytes:
            raise WorkError(
                f"no plan is {limit.words}: the smallest has {least / MIB:.2f} MiB",
                "raise the limit, unlock nodes, or choose another target",
            )

    # What it has come to

    @property
    def result(self) -> PlanningResult:
        """The state of the run, at any moment."""
        best, reached = self._best()
        ordered = sorted(self._frontier, key=lambda plan: plan.measured.nbytes)
        return PlanningResult(best, reached, tuple(self._measured), tuple(ordered), self._complete)

    def _best(self) -> tuple[MeasuredPlan | None, bool]:
        limit = self.request.limit
        if limit is None or not self._measured:
            return None, limit is None
        kept = [plan for plan in self._measured if limit.keeps(plan.measured)]
        if not kept:
            return min(self._measured, key=lambda plan: limit.figure(plan.measured)), False
        if limit.kind is LimitKind.SIZE:
            return min(kept, key=lambda plan: plan.measured.score), True
        return min(kept, key=lambda plan: plan.measured.nbytes), True

    def stop(self) -> None:
        """End the run, from any thread; what has been measured stays."""
        self._stop_early = True
        if self._runner is not None:
            self._runner.stop.set()

    # Running

    def events(self) -> Iterator[PlanEvent]:
        """Run to the end, to the end of the time, or until it is stopped; ``result`` holds what came of it.

        Raises:
            Cancelled: It was stopped before any plan was measured.
            WorkError: The time was up before any plan was measured, or the original cannot be run.
        """
        workers = self._workers or ProcessTasks(self.request.workers, log_path())
        self._runner = Runner(workers, 60.0 * self.request.minutes)
        if self._stop_early:
            self._runner.stop.set()
        try:
            with _work_folder() as folder:
                try:
                    yield from self._run(self._runner, self._context(folder))
                    self._complete = True
                except Ended:
                    self._check_anything_measured()
                finally:
                    workers.close(now=not self._complete)
        finally:
            self._runner.stop.set()

    def _context(self, folder: Path) -> PlanContext:
        probed = self.request.clips or planning_clips(self.signature)
        clips = self.request.clips or probed[:MEASURED]
        source, base = self.workbench.inventory.path, self.request.base
        return PlanContext(source, self.signature, clips, probed, self._values, base.weight_type, folder)

    def _check_anything_measured(self) -> None:
        if self._measured or self._frontier:
            return
        if self._stop_early:
            raise Cancelled("stopped before a plan was measured", "run it again, it starts over")
        raise WorkError(
            f"the time of {self.request.minutes:g} minutes was up before a plan was measured",
            "give it more with --time, or close other programs",
        )

    def _run(self, runner: Runner, context: PlanContext) -> Events[None]:
        yield from self._learn(runner, context)
        limit = self.request.limit
        if limit is not None:
            if limit.kind is LimitKind.SIZE:
                yield from self._within_size(runner, context, limit)
            else:
                yield from self._within_figure(runner, context, limit)
        if self.request.frontier:
            yield from self._measure_frontier(runner, context)

    def _learn(self, runner: Runner, context: PlanContext) -> Events[None]:
        """Render the original, probe every option, and hear those that no trial covers."""
        tokens = mean_tokens(clip.input_ids.size for clip in context.clips)
        knowledge = self._knowledge.for_clips(tokens)
        self._references = yield from runner.one("rendering the original", render_original, context)
        probes = {place: (probe_plan, (context, what)) for place, what in knowledge.probes().items()}
        found = yield from runner.all("probing", probes, until=PROBING_SHARE * runner.seconds)
        knowledge = knowledge.with_probes({p: f for p, f in found.items() if isinstance(f, ProbeFigures)})
        alone = {
            place: (measure_plan, (context, self._alone(knowledge, *place), self._references))
            for place in knowledge.untried(MOST_UNTRIED)
        }
        heard = yield from runner.all("hearing what has no trial", alone, until=PROBING_SHARE * runner.seconds)
        knowledge = knowledge.with_distances({p: h.mel_distance for p, h in heard.items() if isinstance(h, Heard)})
        self._knowledge = knowledge.settled()

    def _alone(self, knowledge: Knowledge, index: int, precision: object) -> PrecisionPlan:
        unit = knowledge.units[index]
        position = next(i for i, option in enumerate(unit.options) if option.precision is precision)
        choice = tuple(position if i == index else 0 for i in range(len(knowledge.units)))
        return plan_of(self.request.base, knowledge.units, choice)

    # One limit

    def _within_size(self, runner: Runner, context: PlanContext, limit: Limit) -> Events[None]:
        """Choose, measure, correct what interaction has changed, and choose again until nothing changes."""
        for number in range(1, MOST_ROUNDS + 1):
            choice = yield from self._solve_size(runner, limit.nbytes)
            if choice is None:
                raise WorkError(f"no plan is {limit.words}", "raise the limit, unlock nodes, or run more trials")
            if self._is_measured(choice):
                return
            measured = yield from self._judge(runner, context, choice, f"plan {number}", correct=number <= CORRECTED)
            if (measured.measured.frames_moved or 0) > MOST_FRAMES:
                self._knowledge = self._knowledge.strengthened(4.0)

    def _within_figure(self, runner: Runner, context: PlanContext, limit: Limit) -> Events[None]:
        """Aim at the limit, measure, and aim higher or lower by what came out."""
        aim, kept, missed = limit.value, 0.0, float("inf")
        for number in range(1, 2 * MOST_ROUNDS + 1):
            problem = self._knowledge.problem()
            choice = yield from runner.one(f"choosing plan {number}", solve, problem, limit.kind, aim)
            assert choice is not None  # FP32 keeps every limit of a distance
            if self._is_measured(choice):
                return
            measured = yield from self._judge(runner, context, choice, f"plan {number}", correct=number <= CORRECTED)
            figure = limit.figure(measured.measured)
            if figure <= limit.value:
                kept = max(kept, aim)
                if number > CORRECTED and figure >= CLOSE_ENOUGH * limit.value:
                    return
            else:
                missed = min(missed, aim)
            wanted = aim * limit.value / figure if figure > 0 else 2 * aim
            inside = kept < wanted < missed
            aim = wanted if inside else (kept + missed) / 2 if missed < float("inf") else 1.5 * aim

    def _judge(
        self, runner: Runner, context: PlanContext, choice: Choice, name: str, *, correct: bool
    ) -> Events[MeasuredPlan]:
        """Build and hear a choice, and probe what each of its parts does among the others."""
        plan, predicted = self._plan(choice), self._predict(choice)
        heard = yield from runner.one(f"measuring {name}", measure_plan, context, plan, self._references)
        found = MeasuredPlan(plan, predicted, _figures(heard))
        self._measured.append(found)
        yield runner.event(f"measured {name}", found)
        if correct:
            yield from self._correct(runner, context, choice)
        return found

    def _correct(self, runner: Runner, context: PlanContext, choice: Choice) -> Events[None]:
        knowledge = self._knowledge
        parts: Mapping[int, object] = knowledge.contributors(choice)
        calls = {
            index: (probe_plan, (context, what)) for index, what in ((-1, knowledge.precisions(choice)), *parts.items())
        }
        if len(calls) < 2:
            return
        found = yield from runner.all("probing what each part adds", calls)
        joint = found.pop(-1)
        if isinstance(joint, ProbeFigures):
            rest = {index: figures for index, figures in found.items() if isinstance(figures, ProbeFigures)}
            self._knowledge = knowledge.corrected(choice, joint, rest)

    def _solve_size(self, runner: Runner, most_bytes: int) -> Events[Choice | None]:
        """The best choice whose file is small enough: casts between neighbours are in no sum of single bytes."""
        problem = self._knowledge.problem()
        bound = most_bytes - self._size((0,) * len(problem.nbytes))
        for _ in range(MOST_ROUNDS):
            choice = yield from runner.one("choosing a plan", solve, problem, LimitKind.SIZE, bound)
            if choice is None:
                return None
            over = self._size(choice) - most_bytes
            if over <= 0:
                return choice
            bound = min(bound, problem.growth(choice)) - over
        return None

    # The frontier

    def _measure_frontier(self, runner: Runner, context: PlanContext) -> Events[None]:
        """Plans from the smallest to FP32; the last is the original itself and needs no measuring."""
        problem = self._knowledge.problem()
        start = (0,) * len(problem.nbytes)
        original = Figures(self._size(start), 0.0, 0.0, 0.0)
        sizes = spaced_sizes(self._size(smallest(problem)), original.nbytes, self.request.frontier - 1)
        choices: dict[Choice, None] = {}
        for size in sizes:
            choice = yield from self._solve_size(runner, size)
            choices[smallest(problem) if choice is None else choice] = None
        self._frontier.append(MeasuredPlan(kept_part(self.request.base), original, original))
        yield runner.event("choosing the frontier", self._frontier[-1])
        calls = {choice: (measure_plan, (context, self._plan(choice), self._references)) for choice in choices}
        yield from runner.all("measuring the frontier", calls, tell=self._take_point)

    def _take_point(self, choice: Choice, heard: Heard) -> PlanEvent | None:
        found = MeasuredPlan(self._plan(choice), self._predict(choice), _figures(heard))
        self._frontier.append(found)
        assert self._runner is not None
        return self._runner.event("measuring the frontier", found)

    # Choices

    def _plan(self, choice: Choice) -> PrecisionPlan:
        return plan_of(self.request.base, self._knowledge.units, choice)

    def _size(self, choice: Choice) -> int:
        return self._sizer.estimate(self._plan(choice)).estimated_bytes

    def _predict(self, choice: Choice) -> Figures:
        problem = self._knowledge.problem()
        total, quality = problem.total(choice), problem.quality
        return Figures(self._size(choice), quality.distance(total), quality.noise(total), quality.frames_moved(total))

    def _is_measured(self, choice: Choice) -> bool:
        digest = self._plan(choice).digest
        return any(plan.plan.digest == digest for plan in self._measured)


def _figures(heard: Heard) -> Figures:
    return Figures(heard.nbytes, heard.mel_distance, heard.added_noise_db, heard.frames_moved)


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder for built plans that is gone afterwards; those of killed runs go first."""
    parent = make_folder(cache_folder())
    remove_stale_partials(parent)
    # The name ends like that of a half-written file, so that the next run removes what a kill leaves.
    folder = Path(mkdtemp(prefix=".plans-", suffix=f".partial-{os.getpid()}", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
