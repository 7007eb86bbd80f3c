from __future__ import annotations

import os
import threading
from time import monotonic, sleep

import pytest

from kokoro_tui.errors import Cancelled, InputError
from kokoro_tui.planner.background import plan_in_child
from kokoro_tui.planner.limits import Limit, LimitKind
from kokoro_tui.planner.running import PlanEvent
from kokoro_tui.planner.session import PlanningRequest
from kokoro_tui.store.paths import cache_folder
from kokoro_tui.workbench import Workbench
from tests.faults.processes import ORPHAN_SECONDS, session_members
from tests.planner.conftest import CLIPS

REQUEST = PlanningRequest(Limit(LimitKind.DISTANCE, 0.9), clips=CLIPS, workers=1)


def processes() -> set[int]:
    """Children and their children, but for the one that multiprocessing keeps for itself."""
    return {pid for pid, words in session_members(os.getsid(0)) if "resource_tracker" not in words}


def test_a_child_comes_to_a_plan(bench: Workbench) -> None:
    events: list[PlanEvent] = []
    result = plan_in_child(bench, REQUEST, events.append, threading.Event())
    assert result.complete and result.reached
    assert result.best is not None and result.best.measured.mel_distance <= 0.9
    assert [plan for event in events for plan in event.plans] == list(result.measured)


def test_what_has_been_measured_outlives_a_stop(bench: Workbench) -> None:
    cancel, events, working = threading.Event(), list[PlanEvent](), set[int]()
    before = processes()

    def stop_at_a_plan(event: PlanEvent) -> None:
        events.append(event)
        if event.plans:
            working.update(processes() - before)
            cancel.set()

    result = plan_in_child(bench, REQUEST, stop_at_a_plan, cancel)
    assert not result.complete
    assert result.measured == events[-1].plans
    assert not list(cache_folder().glob(".plans-*"))
    assert len(working) == 2, "the child and its worker"
    deadline = monotonic() + ORPHAN_SECONDS
    while working & processes():
        assert monotonic() < deadline, "processes outlived the run"
        sleep(0.02)


def test_a_stop_before_any_plan_is_an_error_with_a_hint(bench: Workbench) -> None:
    cancel = threading.Event()
    with pytest.raises(Cancelled, match="before a plan was measured"):
        plan_in_child(bench, REQUEST, lambda event: cancel.set(), cancel)


def test_what_is_wrong_is_said_by_the_child(bench: Workbench) -> None:
    bench.trials = None
    with pytest.raises(InputError, match="no trial results"):
        plan_in_child(bench, REQUEST, lambda event: None, threading.Event())
