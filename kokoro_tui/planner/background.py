"""A planning run in a process of its own: the screen's is spared what it computes, holds and sends to its workers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from kokoro_tui.core.trials import TrialTable
from kokoro_tui.errors import Cancelled
from kokoro_tui.jobs.child import run_in_child
from kokoro_tui.planner.running import PlanEvent
from kokoro_tui.planner.session import PlanningRequest, PlanningResult, PlanningSession
from kokoro_tui.store.atomic import remove_stale_partials
from kokoro_tui.store.paths import cache_folder, log_path
from kokoro_tui.workbench import Workbench


def plan_in_child(
    bench: Workbench, request: PlanningRequest, tell: Callable[[PlanEvent], object], cancel: threading.Event
) -> PlanningResult:
    """Run a ``PlanningSession`` to its end in a child process.

    Args:
        bench: The open model with its trials; the child opens the model again.
        request: What is asked for.
        tell: Receives what the run tells, on this thread.
        cancel: Set it from anywhere to end the run; what has been measured by then is returned.

    Raises:
        Cancelled: ``cancel`` was set before a plan was measured.
        KokoroTuiError: See ``PlanningSession``; also if the child died.
    """
    known: list[PlanningResult] = []

    def take(event: PlanEvent, result: PlanningResult | None) -> None:
        if result is not None:
            known[:] = [result]
        tell(event)

    try:
        return run_in_child(
            _plan,
            bench.inventory.path,
            bench.trials,
            request,
            on_progress=take,
            cancel=cancel,
            log_path=log_path(),
            has_children=True,
        )
    except Cancelled:
        if not known:
            raise Cancelled("stopped before a plan was measured", "run it again, it starts over") from None
        return known[0]
    finally:
        remove_stale_partials(cache_folder())  # an ended child leaves the plan that it was measuring


def _plan(
    source: Path,
    trials: TrialTable | None,
    request: PlanningRequest,
    *,
    progress: Callable[[PlanEvent, PlanningResult | None], None],
) -> PlanningResult:
    bench = Workbench.open(source)
    bench.trials = trials
    session = PlanningSession(bench, request)
    for event in session.events():
        progress(event, session.result if event.plans else None)
    return session.result
