"""Waiting for tasks in other processes: progress, an end by the clock, a stop by the user, workers that die."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Hashable, Mapping
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

from kokoro_tui.errors import KokoroTuiError, WorkError
from kokoro_tui.planner.limits import MeasuredPlan
from kokoro_tui.planner.workers import TaskWorkers

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")

POLL_SECONDS = 0.2
"""How often a waiting run looks whether it has been stopped."""
MOST_DEATHS = 2
"""How often workers may die before the run gives up."""


@dataclass(frozen=True)
class PlanEvent:
    """Something that a run tells."""

    stage: str
    share: float
    """Of the time that the run may take, from 0 to 1."""
    plans: tuple[MeasuredPlan, ...] = ()
    """Plans that have just been measured."""


Events = Generator[PlanEvent, None, Result]
"""Tells events, then gives a result."""


class Ended(Exception):  # noqa: N818  the time is up or the user wants no more: what is known by then counts
    """The run ends before it is done."""


@dataclass
class Runner:
    """Runs tasks until the time is up or the user stops.

    Raises, where tasks are waited for:
        Ended: The time is up, or ``stop`` was set.
        WorkError: Workers died again and again.
    """

    workers: TaskWorkers
    seconds: float
    """Wall time of the whole run."""
    stop: threading.Event = field(default_factory=threading.Event)
    _started: float = field(default_factory=perf_counter)
    _deaths: int = 0

    @property
    def elapsed(self) -> float:
        """Wall time since the run began, in seconds."""
        return perf_counter() - self._started

    def event(self, stage: str, *plans: MeasuredPlan) -> PlanEvent:
        """An event of this moment."""
        return PlanEvent(stage, min(1.0, self.elapsed / self.seconds), plans)

    def one(self, stage: str, task: Callable[..., Result], *args: Any) -> Events[Result]:
        """Run one task; what it raises is raised here."""
        found = yield from self.all(stage, {0: (task, args)})
        outcome = found[0]
        if isinstance(outcome, KokoroTuiError):
            raise outcome
        return outcome

    def all(
        self,
        stage: str,
        calls: Mapping[Key, tuple[Callable[..., Result], tuple[Any, ...]]],
        *,
        until: float | None = None,
        tell: Callable[[Key, Result], PlanEvent | None] = lambda key, result: None,
    ) -> Events[dict[Key, Result | KokoroTuiError]]:
        """Run tasks and wait for them.

        Args:
            stage: What to call it.
            calls: Functions with their arguments.
            until: Seconds from the start of the run after which what is not done is given up; None waits for all.
            tell: What to tell of a result that has come in.

        Returns:
            Results, or what the tasks raised, by key; what was given up is missing.
        """
        found: dict[Key, Result | KokoroTuiError] = {}
        while missing := {key: call for key, call in calls.items() if key not in found}:
            running = {self.workers.call(task, *args): key for key, (task, args) in missing.items()}
            try:
                yield from self._drain(stage, running, found, len(calls), until, tell)
                break
            except BrokenExecutor as error:
                self._deaths += 1
                if self._deaths >= MOST_DEATHS:
                    raise WorkError(
                        "the worker processes ended early", "close other programs if memory is short, then try again"
                    ) from error
                self.workers.restart()
        return found

    def _drain(
        self,
        stage: str,
        running: dict[Future[Result], Key],
        found: dict[Key, Result | KokoroTuiError],
        total: int,
        until: float | None,
        tell: Callable[[Key, Result], PlanEvent | None],
    ) -> Events[None]:
        while running:
            counted = f"{stage}, {len(found) + 1} of {total}" if total > 1 else stage
            yield self.event(counted)
            if self.stop.is_set() or self.elapsed >= self.seconds:
                raise Ended
            if until is not None and self.elapsed >= until:
                for future in running:
                    future.cancel()
                return
            done, _ = wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            for future in done:
                key = running.pop(future)
                try:
                    result = future.result()
                except KokoroTuiError as error:
                    found[key] = error
                    continue
                found[key] = result
                if (event := tell(key, result)) is not None:
                    yield event
