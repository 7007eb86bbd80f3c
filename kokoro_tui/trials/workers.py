"""Where trials are evaluated: processes of this machine, or any ``concurrent.futures`` executor."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol, TypeVar

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.jobs.child import interrupts_held, isolate_child
from kokoro_tui.trials.context import TrialContext
from kokoro_tui.trials.evaluate import Evaluator, TrialFigures, TrialSpec

Result = TypeVar("Result")


class Workers(Protocol):
    """Evaluates trials in parallel."""

    @property
    def count(self) -> int:
        """How many trials are worth submitting at once."""

    def submit(self, context: TrialContext, spec: TrialSpec) -> Future[TrialFigures | str]:
        """Start one trial; the future holds its figures, or why it failed."""

    def restart(self) -> None:
        """Make the workers usable again after one has died."""

    def close(self, *, now: bool) -> None:
        """End the workers; ``now`` ends trials that are running."""


class ProcessWorkers:
    """Processes of this machine, one thread each: two of one thread do 1.2 times the work of one of two.

    Args:
        count: How many.
        log_path: Where what they print goes.
    """

    def __init__(self, count: int, log_path: Path | None = None) -> None:
        self._count = max(1, count)
        self._log_path = log_path
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        # The workers end when the other end of this pipe is closed. An event would do no better than hang: setting it
        # waits for everyone who waits for it, and a worker that was killed never answers.
        self._told, self._telling = context.Pipe(duplex=False)
        self._pool = ProcessPoolExecutor(
            self._count, context, initializer=_start_worker, initargs=(self._told, self._log_path)
        )

    @property
    def count(self) -> int:
        """How many processes there are."""
        return self._count

    def submit(self, context: TrialContext, spec: TrialSpec) -> Future[TrialFigures | str]:
        """Start one trial."""
        return self._call(evaluate_trial, context, spec)

    def _call(self, task: Callable[..., Result], *args: Any) -> Future[Result]:
        with interrupts_held():  # the pool starts its processes as they are needed
            return self._pool.submit(task, *args)

    def restart(self) -> None:
        """New processes, one fewer: what kills a worker is mostly a lack of memory."""
        self.close(now=True)
        self._count = max(1, self._count - 1)
        self._start()

    def close(self, *, now: bool) -> None:
        """End the processes."""
        if now:
            self._telling.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._telling.close()
        self._told.close()


class ExecutorWorkers:
    """Any executor, such as that of a Dask cluster whose workers see the same file system.

    Args:
        executor: It is not shut down here.
        count: How many trials it works on at once.
    """

    def __init__(self, executor: Executor, count: int) -> None:
        self._executor = executor
        self.count = count

    def submit(self, context: TrialContext, spec: TrialSpec) -> Future[TrialFigures | str]:
        """Start one trial."""
        return self._executor.submit(evaluate_trial, context, spec)

    def restart(self) -> None:
        """An executor of somebody else's restarts its own workers."""

    def close(self, *, now: bool) -> None:
        """Leave the executor to its owner."""


def evaluate_trial(context: TrialContext, spec: TrialSpec) -> TrialFigures | str:
    """Evaluate one trial in this process; what the user can understand of a failure comes back as text."""
    try:
        return _evaluator(context).evaluate(spec)
    except KokoroTuiError as error:
        return error.message
    except MemoryError:
        return "there is not enough memory"


_cached: tuple[Path, Evaluator] | None = None


def _evaluator(context: TrialContext) -> Evaluator:
    """The evaluator of the run that this process works for; opening it again for every trial would cost seconds."""
    global _cached
    if _cached is None or _cached[0] != context.folder:
        _cached = (context.folder, Evaluator(context))
    return _cached[1]


def _start_worker(told: Connection, log_path: Path | None) -> None:
    isolate_child(log_path)
    threading.Thread(target=_end_when_told, args=(told,), daemon=True).start()


def _end_when_told(told: Connection) -> None:
    wait([told])
    os._exit(0)
