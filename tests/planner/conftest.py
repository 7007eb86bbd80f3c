"""The miniature Kokoro with a trial table, and workers that run tasks in this process."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

import pytest

from kokoro_tui.core.support import WEIGHT_INPUTS
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialTable
from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.speech.utterance import Utterance
from kokoro_tui.workbench import Workbench
from tests.engine.toy_speech import clip

Result = TypeVar("Result")
CLIPS: tuple[Utterance, ...] = (clip(0, 5, 17, 42, 80, 99, 120, 0), clip(0, 9, 33, 71, 0))
DISTANCES = {TrialKind.CAST: 0.01, TrialKind.WEIGHT: 0.05, TrialKind.QUANT: 0.2}


class InlineTasks:
    """Runs every task at once, here.

    Args:
        before: Called with the name of a task before it runs.
        deaths: How many of the first calls find their worker dead.
    """

    count = 1

    def __init__(self, before: Callable[[str], None] = lambda name: None, deaths: int = 0) -> None:
        self.before = before
        self.deaths = deaths
        self.restarts = 0
        self.calls: list[str] = []
        self.closed: bool | None = None

    def call(self, task: Callable[..., Result], *args: Any) -> Future[Result]:
        """Run a task."""
        future: Future[Result] = Future()
        self.calls.append(task.__name__)
        self.before(task.__name__)
        if self.deaths:
            self.deaths -= 1
            future.set_exception(BrokenProcessPool("killed"))
            return future
        try:
            future.set_result(task(*args))
        except KokoroTuiError as error:
            future.set_exception(error)
        return future

    def restart(self) -> None:
        """Count."""
        self.restarts += 1

    def close(self, *, now: bool) -> None:
        """Remember how."""
        self.closed = now


def table_of(bench: Workbench, distances: dict[TrialKind, float] = DISTANCES) -> TrialTable:
    """Rows of every candidate with weights; larger nodes are worse, so that the choice is not arbitrary."""
    rows = []
    for node in bench.inventory.candidates:
        if node.op in WEIGHT_INPUTS:
            for kind, distance in distances.items():
                worse = distance * (1 + node.parameters / 5000)
                rows.append(TrialRow(node.key, kind, mel_distance=worse, added_noise_db=5 * worse))
    return TrialTable.of(rows)


@pytest.fixture
def bench(toy_model: Path) -> Workbench:
    """The miniature with its trials."""
    found = Workbench.open(toy_model)
    found.trials = table_of(found)
    return found
