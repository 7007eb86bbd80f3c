"""Where the planner's tasks run: the same processes as trials have, for any task."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kokoro_tui.trials.workers import ProcessWorkers

Result = TypeVar("Result")


class TaskWorkers(Protocol):
    """Runs module-level functions in parallel."""

    @property
    def count(self) -> int:
        """How many tasks run at once."""

    def call(self, task: Callable[..., Result], *args: Any) -> Future[Result]:
        """Start a task."""

    def restart(self) -> None:
        """Make the workers usable again after one has died."""

    def close(self, *, now: bool) -> None:
        """End the workers; ``now`` ends tasks that are running."""


class ProcessTasks(ProcessWorkers):
    """Processes of this machine, one thread each."""

    def __init__(self, count: int = 0, log_path: Path | None = None) -> None:
        super().__init__(count or os.cpu_count() or 1, log_path)

    def call(self, task: Callable[..., Result], *args: Any) -> Future[Result]:
        """Start a task."""
        return self._call(task, *args)
