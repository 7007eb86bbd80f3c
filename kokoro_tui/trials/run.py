"""Run a schedule of trials: feed the workers, keep what they find, pause, stop, survive dying workers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass
from time import perf_counter

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.trials import TrialRow
from kokoro_tui.errors import Cancelled
from kokoro_tui.trials.context import TrialContext
from kokoro_tui.trials.evaluate import TrialFigures
from kokoro_tui.trials.schedule import CostModel, Schedule, Trial, result_rows
from kokoro_tui.trials.workers import Workers

POLL_SECONDS = 0.2
"""How often a waiting run looks whether it has been stopped, paused or given other nodes first."""


class TrialControl:
    """What a user may tell a run while it goes on, from any thread."""

    def __init__(self) -> None:
        self.stop = threading.Event()
        self._paused = threading.Event()
        self._first: frozenset[str] | None = None

    @property
    def paused(self) -> bool:
        """Whether no new trial is started; those that run are finished."""
        return self._paused.is_set()

    def toggle_pause(self) -> bool:
        """Pause or go on; returns whether the run is paused now."""
        if self.paused:
            self._paused.clear()
        else:
            self._paused.set()
        return self.paused

    def select(self, keys: frozenset[str] | None) -> None:
        """Narrow the run to trials of these nodes; None widens it to all again."""
        self._first = keys

    def wants(self, trial: Trial) -> bool:
        """Whether the present selection holds one of the trial's nodes."""
        return self._first is None or not self._first.isdisjoint(trial.keys)


@dataclass(frozen=True)
class TrialProgress:
    """Where a run stands."""

    finished: int
    """Trials that are done, failed ones included; skipped ones and those of earlier runs are not."""
    total: int
    failed: int
    seconds: float
    """Wall time since the first trial was started."""
    seconds_left: float | None
    """Expected wall time; None until a trial is done."""
    running: tuple[Trial, ...]
    paused: bool
    workers: int


@dataclass(frozen=True)
class TrialEvent:
    """Something that a run tells: new rows, or only where it stands."""

    progress: TrialProgress
    rows: tuple[TrialRow, ...] = ()
    """Rows that are on the disk."""


class TrialRun:
    """One run over a schedule.

    Args:
        inventory: The model.
        context: What the workers need.
        plan: What to try.
        workers: Who does it; left open for the caller to close.
        keep: Writes rows to the table; called for every finished trial before it is told.
        control: Pause, stop, selection.
    """

    def __init__(
        self,
        inventory: Inventory,
        context: TrialContext,
        plan: Schedule,
        workers: Workers,
        keep: Callable[[tuple[TrialRow, ...]], None],
        control: TrialControl,
    ) -> None:
        self._inventory = inventory
        self._context = context
        self._workers = workers
        self._keep = keep
        self._control = control
        costs = CostModel(context.cut, context.piece_seconds)
        self._cost = {trial: costs.seconds(trial) for trial in plan.trials}
        self._waiting = list(plan.trials)
        self._suspects: list[Trial] = []
        self._running: dict[Future[TrialFigures | str], Trial] = {}
        self._total = len(plan.trials)
        self._finished = self._failed = 0
        self._spent = self._predicted = 0.0
        self._started = perf_counter()

    def events(self) -> Iterator[TrialEvent]:
        """Run to the end, telling what happens.

        Raises:
            Cancelled: The run was stopped; every finished trial is on the disk.
        """
        yield TrialEvent(self.progress())
        while self._waiting or self._suspects or self._running:
            if self._control.stop.is_set():
                raise Cancelled("trials stopped", "run the same command again to go on")
            self._fill()
            done, _ = wait(self._running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            rows = self._collect(done)
            yield TrialEvent(self.progress(), rows)
            if not self._running and not done:
                self._control.stop.wait(POLL_SECONDS)  # paused, or the selection is exhausted

    def progress(self) -> TrialProgress:
        """Where the run stands now."""
        left = None
        if self._spent and self._predicted:
            remaining = sum(self._cost[t] for t in (*self._waiting, *self._suspects, *self._running.values()))
            left = remaining * self._spent / self._predicted / self._workers.count
        return TrialProgress(
            finished=self._finished,
            total=self._total,
            failed=self._failed,
            seconds=perf_counter() - self._started,
            seconds_left=left,
            running=tuple(self._running.values()),
            paused=self._control.paused,
            workers=self._workers.count,
        )

    def _fill(self) -> None:
        """Give every free worker a trial; a trial that was running when a worker died runs alone."""
        if self._control.paused:
            return
        if self._suspects:
            if not self._running:
                self._submit(self._suspects[0])
            return
        while len(self._running) < self._workers.count:
            trial = next((t for t in self._waiting if self._control.wants(t)), None)
            if trial is None:
                return
            self._waiting.remove(trial)
            self._submit(trial)

    def _submit(self, trial: Trial) -> None:
        self._running[self._workers.submit(self._context, trial.spec)] = trial

    def _collect(self, done: set[Future[TrialFigures | str]]) -> tuple[TrialRow, ...]:
        rows: list[TrialRow] = []
        for future in done:
            trial = self._running[future]
            error = future.exception()
            if isinstance(error, BrokenExecutor):
                rows += self._after_death()
                return tuple(rows)
            del self._running[future]
            outcome = future.result() if error is None else f"{type(error).__name__}: {error}".splitlines()[0]
            rows += self._finish(trial, outcome)
        return tuple(rows)

    def _after_death(self) -> list[TrialRow]:
        """A worker died and took the pool with it: start anew, and find the culprit by running suspects alone."""
        rows: list[TrialRow] = []
        suspects = list(self._running.values())
        self._running.clear()
        if len(suspects) == 1 and suspects == self._suspects[:1]:
            rows += self._finish(suspects[0], "its worker died twice")
        else:
            self._suspects = [trial for trial in suspects if trial not in self._suspects] + self._suspects
        self._workers.restart()
        return rows

    def _finish(self, trial: Trial, outcome: TrialFigures | str) -> list[TrialRow]:
        if trial in self._suspects:
            self._suspects.remove(trial)
        rows = result_rows(self._inventory, trial, outcome, pinned=self._context.pinned)
        self._keep(rows)
        self._finished += 1
        if isinstance(outcome, str):
            self._failed += 1
        else:
            self._spent += outcome.seconds
            self._predicted += self._cost[trial]
        return list(rows)
