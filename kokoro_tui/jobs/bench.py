"""Timing several models by turns, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import TypeVar, cast

from kokoro_tui.engine.bench import BenchRunner, BenchSubject, Figures, Memory, Pass, Placement, figures_of
from kokoro_tui.engine.machine import Machine, describe_machine
from kokoro_tui.engine.providers import CPU
from kokoro_tui.errors import KokoroTuiError, WorkError
from kokoro_tui.jobs.child import (
    END_SECONDS,
    Progress,
    describe_death,
    end_process,
    interrupts_held,
    isolate_child,
    send_outcome,
)
from kokoro_tui.speech.utterance import Utterance

Answer = TypeVar("Answer")

WARM_UP_RUNS = 1
"""Untimed runs of each model after its smoke test."""


@dataclass(frozen=True)
class BenchRequest:
    """What to time."""

    subjects: tuple[BenchSubject, ...]
    clips: tuple[Utterance, ...]
    """What one run says."""
    providers: tuple[str, ...]
    runs: int
    """Timed runs of each model on each provider."""
    threads: int = 0
    """Threads of one run; 0 takes onnxruntime's default."""
    strict: bool = True
    """A model that a provider cannot run is an error; else that pair is left out, unless it is the CPU's."""


@dataclass(frozen=True)
class Timing:
    """What was measured of one model on one provider."""

    subject: BenchSubject
    provider: str
    load_seconds: float
    passes: tuple[Pass, ...]
    memory: Memory
    placements: tuple[Placement, ...]

    @property
    def figures(self) -> Figures:
        """What the runs come to."""
        return figures_of(self.passes)


@dataclass(frozen=True)
class LeftOut:
    """A model that a provider could not run."""

    subject: BenchSubject
    provider: str
    reason: str


@dataclass(frozen=True)
class BenchReport:
    """All that was measured, and where."""

    machine: Machine
    timings: tuple[Timing, ...]
    """By provider, then by model."""
    left_out: tuple[LeftOut, ...]


def bench(request: BenchRequest, *, progress: Progress, log_path: Path | None = None) -> BenchReport:
    """Load, smoke-test, warm up and time every model on every provider.

    All pairs pass their smoke test before the first timed run, so that a bad model fails early. Then, on one provider
    after the other, the models take turns run by run, each time another one first, so that whatever changes on the
    machine meanwhile hits all alike. One process a model is alive at a time, whose peak is that model's alone.

    Args:
        request: What to time.
        progress: Receives stages and shares.
        log_path: Where what the processes print is appended.

    Raises:
        KokoroTuiError: A model cannot be loaded or run, or gives audio that is not finite.
    """
    return _Bench(request, progress, log_path).run()


class _Bench:
    """One bench on its way."""

    def __init__(self, request: BenchRequest, progress: Progress, log_path: Path | None) -> None:
        self._request = request
        self._progress = progress
        self._log_path = log_path
        self._left_out: list[LeftOut] = []
        self._done = 0
        providers, subjects = len(request.providers), len(request.subjects)
        self._steps = subjects * (2 * providers - 1 + providers * (WARM_UP_RUNS + request.runs))

    def run(self) -> BenchReport:
        for provider in self._request.providers[1:]:
            with ExitStack() as stack:
                self._line_up(stack, provider)
        timings = []
        for provider in self._request.providers:
            with ExitStack() as stack:
                timings += self._time(self._line_up(stack, provider), provider)
        self._progress("done", 1.0)
        return BenchReport(describe_machine(), tuple(timings), tuple(self._left_out))

    def _line_up(self, stack: ExitStack, provider: str) -> list[_Contestant]:
        """Load and smoke-test every model, one after the other, so that their load times are undisturbed."""
        line = []
        for subject in self._request.subjects:
            self._step(f"loading {subject.path.name}")
            if any((out.subject, out.provider) == (subject, provider) for out in self._left_out):
                continue
            contestant = stack.enter_context(_Contestant(subject, provider, self._request, self._log_path))
            try:
                contestant.load_seconds = contestant.ask(BenchRunner.load)
                contestant.ask(BenchRunner.speak)
            except KokoroTuiError as error:
                if self._request.strict or provider == CPU:
                    raise
                self._left_out.append(LeftOut(subject, provider, error.message))
            else:
                line.append(contestant)
        return line

    def _time(self, line: list[_Contestant], provider: str) -> list[Timing]:
        for contestant in line:
            for _ in range(WARM_UP_RUNS):
                self._step(f"warming up {contestant.subject.path.name}")
                contestant.ask(BenchRunner.speak)
        for turn in range(self._request.runs):
            first = turn % max(1, len(line))
            for contestant in (*line[first:], *line[:first]):
                self._step(f"run {turn + 1} of {self._request.runs} on {provider}: {contestant.subject.path.name}")
                contestant.passes.append(contestant.ask(BenchRunner.speak))
        # Read before the placements are asked for, which may load the model a second time.
        memories = [contestant.ask(BenchRunner.memory) for contestant in line]
        return [
            Timing(
                contestant.subject,
                provider,
                contestant.load_seconds,
                tuple(contestant.passes),
                memory,
                contestant.ask(BenchRunner.placements),
            )
            for contestant, memory in zip(line, memories, strict=True)
        ]

    def _step(self, stage: str) -> None:
        self._progress(stage, min(1.0, self._done / self._steps))
        self._done += 1


class _Contestant:
    """A model in a process of its own that waits for its turn."""

    def __init__(self, subject: BenchSubject, provider: str, request: BenchRequest, log_path: Path | None) -> None:
        self.subject = subject
        self.load_seconds = 0.0
        self.passes: list[Pass] = []
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        # Pickled here, so that the child imports what it needs when its output goes to the log already.
        arguments = pickle.dumps((subject, request.clips, provider, request.threads))
        self._process = context.Process(target=_serve, args=(theirs, log_path, arguments), daemon=True)
        with interrupts_held():
            self._process.start()
        theirs.close()

    def ask(self, question: Callable[[BenchRunner], Answer]) -> Answer:
        """Call a method of the runner over there and wait for what it returns.

        Raises:
            KokoroTuiError: What it raised.
            WorkError: The process died.
        """
        try:
            self._connection.send(question)
            kind, payload = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(END_SECONDS)
            raise WorkError(
                f"{self.subject.path.name}: {describe_death(self._process.exitcode)}",
                "name fewer models if memory is short, then try again",
            ) from error
        if kind == "error":
            raise payload
        return cast("Answer", payload)

    def __enter__(self) -> _Contestant:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        end_process(self._process)
        self._connection.close()


def _serve(connection: Connection, log_path: Path | None, arguments: bytes) -> None:
    isolate_child(log_path)
    runner = BenchRunner(*pickle.loads(arguments))
    while True:
        try:
            question = connection.recv()
        except EOFError:
            return
        send_outcome(connection, partial(question, runner), log_path)
