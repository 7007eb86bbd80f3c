"""The planner on screen: what is asked, how far it is, and the thread that drains a run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.planner.limits import LimitKind
from kokoro_tui.tui.messages import PlannerEnded, PlannerStarted, PlannerWent

if TYPE_CHECKING:
    from textual.message import Message

    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.lint.linter import Linter
    from kokoro_tui.planner.limits import Limit, MeasuredPlan
    from kokoro_tui.workbench import Workbench

FRONTIER = "frontier"
"""Stands for no limit: plans of all sizes."""
DEFAULT_VALUES = {LimitKind.SIZE: "88", LimitKind.NOISE: "1", LimitKind.DISTANCE: "0.2"}
"""What each limit starts with."""


@dataclass(frozen=True)
class PlannerWish:
    """What the user asked for."""

    limit: Limit | None
    """None for the frontier."""
    minutes: float

    @property
    def words(self) -> str:
        """What is looked for."""
        return "plans from the smallest to the original" if self.limit is None else self.limit.words


@dataclass(frozen=True)
class PlannerRun:
    """A run that goes on, or what it has come to."""

    wish: PlannerWish
    stage: str = "starting"
    share: float = 0.0
    """Of the time, from 0 to 1."""
    plans: tuple[MeasuredPlan, ...] = ()
    """Measured so far; a frontier from the smallest on, else in their order."""
    running: bool = True
    said: str = ""
    """How it ended."""

    @property
    def is_frontier(self) -> bool:
        """Whether the plans are a frontier."""
        return self.wish.limit is None


def drain(
    bench: Workbench, wish: PlannerWish, base: PrecisionPlan, linter: Linter | None, post: Callable[[Message], object]
) -> None:
    """Run the planner to its end; blocks, so it belongs on a thread of its own.

    Args:
        bench: The open model with its trials.
        wish: What is asked for.
        base: The plan whose locks hold.
        linter: Of the chosen target, whose obstacles are kept out of the plan; None without a target.
        post: Takes messages from any thread.
    """
    # None of it is needed before.
    from kokoro_tui.planner.background import plan_in_child
    from kokoro_tui.planner.session import FRONTIER_PLANS, PlanningRequest

    cancel = threading.Event()
    post(PlannerStarted(cancel.set))
    try:
        barred = {} if linter is None else linter.blocked_precisions()
        frontier = FRONTIER_PLANS if wish.limit is None else 0
        request = PlanningRequest(wish.limit, wish.minutes, frontier, base, barred)
        result = plan_in_child(bench, request, lambda e: post(PlannerWent(e.stage, e.share, e.plans)), cancel)
    except KokoroTuiError as error:
        post(PlannerEnded(None, error))
    else:
        post(PlannerEnded(result))
