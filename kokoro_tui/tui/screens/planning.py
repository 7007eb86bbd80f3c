"""The planner in the background: what `m` does, and how its plan becomes the current one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work
from textual.reactive import var

from kokoro_tui.errors import Cancelled, WorkError
from kokoro_tui.tui.formats import distance, mib
from kokoro_tui.tui.messages import PlannerEnded, PlannerStarted, PlannerWent
from kokoro_tui.tui.planner_worker import PlannerRun, PlannerWish, drain
from kokoro_tui.tui.screens.listening import ListeningScreen
from kokoro_tui.tui.screens.planner import PlannerScreen
from kokoro_tui.tui.state import Measured

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.planner.limits import MeasuredPlan
    from kokoro_tui.planner.session import PlanningResult


class PlanningScreen(ListeningScreen):
    """Runs the planner, one run at a time, while the screen stays free."""

    planner: var[PlannerRun | None] = var(None, init=False)
    """The run that goes on, or the last one; None before the first."""
    _stop_planner: Callable[[], None] | None = None

    def watch_planner(self) -> None:
        """Let the dialogs show it."""
        self._tell_dialogs()

    @property
    def target_title(self) -> str:
        """What plans must run on; empty without a target."""
        return self.linter.target.title if self.linter is not None else ""

    def action_planner(self) -> None:
        """Ask for a limit; while the planner runs, or once it has run, show what it has found."""
        if self.bench.signature is None:
            self.say("the planner needs a model with Kokoro's inputs: it listens to its plans", warning=True)
        elif self.bench.trials is None:
            self.say("the planner needs trials: t runs them, l loads a table", warning=True)
        else:
            self.app.push_screen(PlannerScreen(self), self._plan_chosen)

    def start_planner(self, wish: PlannerWish) -> None:
        """Look for a plan in the background."""
        self.planner = PlannerRun(wish)
        self._run_planner(wish, self.state.plan)

    def stop_planner(self) -> None:
        """End the run; the best plan that was measured is kept."""
        if self.planner is not None and self.planner.running and self._stop_planner is not None:
            self.planner = replace(self.planner, stage="stopping")
            self._stop_planner()

    @work(thread=True, exit_on_error=False, group="planner")
    def _run_planner(self, wish: PlannerWish, base: PrecisionPlan) -> None:
        drain(self.bench, wish, base, self.linter, self.post_message)

    @on(PlannerStarted)
    def _planner_started(self, event: PlannerStarted) -> None:
        self._stop_planner = event.end

    @on(PlannerWent)
    def _planner_went(self, event: PlannerWent) -> None:
        run = self.planner
        if run is None:
            return
        plans = (*run.plans, *event.plans)
        if run.is_frontier:
            plans = tuple(sorted(plans, key=lambda plan: plan.measured.nbytes))
        stage = run.stage if run.stage == "stopping" else event.stage
        self.planner = replace(run, stage=stage, share=event.share, plans=plans)
        for found in event.plans:
            self._keep_figures(found)
            self.say(f"planner: {mib(found.measured.nbytes)} MiB, mel {distance(found.measured.mel_distance)} measured")

    @on(PlannerEnded)
    def _planner_ended(self, event: PlannerEnded) -> None:
        self._stop_planner = None
        run = self.planner
        if run is None:
            return
        if event.result is None:
            error = event.error or WorkError("the planner ended early", "start it again")
            self.planner = replace(run, running=False, said=error.message)
            if isinstance(error, Cancelled):
                self.say("planner stopped before a plan was measured")
            else:
                self.report("the planner", error)
            return
        said = self._take_outcome(event.result, run.wish)
        self.planner = replace(run, running=False, said=said)

    def _take_outcome(self, result: PlanningResult, wish: PlannerWish) -> str:
        if wish.limit is None:
            said = f"{len(result.frontier)} plans measured"
            self.say(f"{said}; m shows them")
            return f"{said}; press the number of one to open it"
        best = result.best
        if best is None or not result.reached:
            error = WorkError(f"no plan with {wish.words} was found", "m lists what was measured; loosen the limit")
            self.report("the planner", error)
            return error.message
        self.open_plan(best)
        predicted, measured = best.predicted, best.measured
        said = (
            f"{mib(measured.nbytes)} MiB, mel {distance(measured.mel_distance)} measured, "
            f"{distance(predicted.mel_distance)} predicted"
        )
        self.say(f"planner: {said}; u undoes it")
        return said

    def open_plan(self, found: MeasuredPlan) -> None:
        """Make a measured plan the current one, as a step that can be undone."""
        self.push(found.plan)
        self._keep_figures(found)

    def _plan_chosen(self, found: MeasuredPlan | None) -> None:
        if found is not None:
            self.open_plan(found)
            self.say(f"the plan of {mib(found.measured.nbytes)} MiB is open; u undoes it")

    def _keep_figures(self, found: MeasuredPlan) -> None:
        figures = found.measured
        moved = None if figures.frames_moved is None else round(figures.frames_moved)
        measured = Measured(figures.nbytes, figures.mel_distance, figures.added_noise_db, moved)
        self.work = self.state.with_measured(found.plan, measured)

    def end_jobs(self) -> None:
        """Stop what runs."""
        if self._stop_planner is not None:
            self._stop_planner()
        super().end_jobs()
