"""One model on one execution provider, run as users deploy it: onnxruntime's own optimisations and memory settings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np

from kokoro_tui.audio.waveform import SAMPLE_RATE
from kokoro_tui.engine.machine import peak_memory
from kokoro_tui.engine.providers import CPU
from kokoro_tui.engine.session import check_ids, first_line
from kokoro_tui.engine.signature import Signature, speed_feed
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.speech.utterance import Utterance

_BLOCK = 1 << 20
"""Bytes that are read at a time to bring a file into the page cache."""


@dataclass(frozen=True)
class BenchSubject:
    """A model to time."""

    path: Path
    signature: Signature
    """How it names its inputs."""


@dataclass(frozen=True)
class Placement:
    """What of a model an execution provider runs."""

    provider: str
    nodes: int
    """Nodes that it takes, after onnxruntime's basic optimisations; those in bodies of If count as well."""
    partitions: int
    """How often one run of the model enters the provider: compiled subgraphs, or stretches of successive nodes."""


@dataclass(frozen=True)
class Pass:
    """One timed run."""

    seconds: float
    samples: int
    """Samples of audio at 24 kHz that it gave."""


@dataclass(frozen=True)
class Memory:
    """Resident memory of the process that runs one model."""

    before_bytes: int | None
    """Peak before the model was loaded: Python, numpy and onnxruntime."""
    peak_bytes: int | None
    """Peak over loading and all runs."""


@dataclass(frozen=True)
class Figures:
    """What the timed runs come to."""

    avg_ms: float
    p50_ms: float
    p95_ms: float
    """Interpolated between the runs, so with few runs it lies close to the slowest."""
    qps: float
    """Runs per second, one after the other."""
    rtf: float
    """Real-time factor: seconds of work per second of audio."""


def figures_of(passes: Sequence[Pass]) -> Figures:
    """The figures of at least one run."""
    milliseconds = np.array([1000 * one.seconds for one in passes])
    average = float(milliseconds.mean())
    return Figures(
        avg_ms=average,
        p50_ms=float(np.percentile(milliseconds, 50)),
        p95_ms=float(np.percentile(milliseconds, 95)),
        qps=1000 / average,
        rtf=sum(one.seconds for one in passes) * SAMPLE_RATE / sum(one.samples for one in passes),
    )


class BenchRunner:
    """Loads a model and speaks the same clips again and again.

    Args:
        subject: The model.
        clips: What one run says.
        provider: The execution provider to prefer; what it cannot run falls to the CPU.
        threads: Threads of one run; 0 takes onnxruntime's default.
    """

    def __init__(self, subject: BenchSubject, clips: Sequence[Utterance], provider: str, threads: int = 0) -> None:
        self._subject = subject
        self._clips = clips
        self._providers = list(dict.fromkeys((provider, CPU)))
        self._threads = threads
        self._before: int | None = None
        self._session: Any = None
        self._feeds: list[dict[str, Any]] = []

    def load(self) -> float:
        """Load the model from a warm page cache, so that no model pays for the disk; seconds of wall time.

        Raises:
            InputError: The file cannot be read, an id lies outside the vocabulary, or the provider does not start.
            WorkError: onnxruntime refuses the model.
        """
        import onnxruntime  # 0.12 s: only where a model is run

        signature = self._subject.signature
        for clip in self._clips:
            check_ids(clip.input_ids, signature.vocabulary_size)
        self._feeds = [_feeds(clip, signature) for clip in self._clips]
        _read_through(self._subject.path)
        options = self._options()
        # Which provider takes which node is recorded while the model is loaded, which costs nothing later.
        options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
        self._before = peak_memory()
        started = perf_counter()
        try:
            session = onnxruntime.InferenceSession(str(self._subject.path), options, providers=self._providers)
        except Exception as error:
            raise WorkError(
                f"onnxruntime cannot load {self._name}: {first_line(error)}",
                "leave it out, or choose other providers with --providers",
            ) from error
        seconds = perf_counter() - started
        if self._providers[0] not in session.get_providers():
            raise InputError(
                f"{self._providers[0]} could not be started on this machine",
                "choose another one with --providers, or install what it needs",
            )
        self._session = session
        return seconds

    def speak(self) -> Pass:
        """Run all clips once.

        Raises:
            WorkError: The run failed, or gave audio that is not finite.
        """
        waveforms = []
        started = perf_counter()
        try:
            for feeds in self._feeds:
                waveforms += self._session.run([self._subject.signature.waveform], feeds)
        except Exception as error:
            raise WorkError(
                f"onnxruntime cannot run {self._name}: {first_line(error)}",
                "leave it out, or choose other providers with --providers",
            ) from error
        seconds = perf_counter() - started
        samples = sum(waveform.size for waveform in waveforms)
        if not samples or not all(np.isfinite(waveform).all() for waveform in waveforms):
            raise WorkError(f"{self._name} gives audio that is not finite", "leave it out, or build it again")
        return Pass(seconds, samples)

    def memory(self) -> Memory:
        """What the model has taken so far."""
        return Memory(self._before, peak_memory())

    def placements(self) -> tuple[Placement, ...]:
        """Which provider takes how much of the model; the wanted provider first, even where it takes nothing.

        onnxruntime lists each subgraph that it hands to a provider that compiles, and each single node of the
        others. Where more than one provider takes part, a profiled run of its own tells their order.
        """
        subgraphs = [
            (part.ep_name, len(part.get_nodes())) for part in self._session.get_provider_graph_assignment_info()
        ]
        return place(self._providers, subgraphs, self._execution_order)

    def _execution_order(self) -> list[str]:
        """The provider of every kernel call of one run, in order."""
        import onnxruntime

        with TemporaryDirectory(prefix="kokoro-tui-") as folder:
            options = self._options()
            options.enable_profiling = True
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = onnxruntime.InferenceSession(str(self._subject.path), options, providers=self._providers)
            session.run([self._subject.signature.waveform], self._feeds[0])
            events = json.loads(Path(session.end_profiling()).read_bytes())
        kernels = [e for e in events if e.get("cat") == "Node" and str(e.get("name", "")).endswith("_kernel_time")]
        return [str(e["args"]["provider"]) for e in sorted(kernels, key=lambda e: int(e["ts"]))]

    def _options(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = self._threads
        # Threads spin during a run, as they do by default, but not after it: they would slow the next model's down.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        return options

    @property
    def _name(self) -> str:
        return f"{self._subject.path.name} on {self._providers[0]}"


def place(
    providers: Sequence[str], subgraphs: Sequence[tuple[str, int]], order: Callable[[], Sequence[str]]
) -> tuple[Placement, ...]:
    """How many nodes each provider takes, in how many partitions.

    Args:
        providers: Those that the session was given, in order of preference.
        subgraphs: Provider and number of nodes of everything that onnxruntime assigned.
        order: Gives the provider of every kernel call of one run; asked only where the answer is not plain.
    """
    nodes: Counter[str] = Counter()
    for provider, count in subgraphs:
        nodes[provider] += count
    compiled = {provider for provider, count in subgraphs if count > 1}
    partitions = Counter(provider for provider, _ in subgraphs if provider in compiled)
    single = set(nodes) - compiled
    if len(nodes) == 1:
        partitions.update(single)
    elif single:
        partitions.update(provider for provider, _ in groupby(order()) if provider in single)
    names = dict.fromkeys((*providers, *nodes))
    return tuple(
        Placement(name, nodes[name], partitions[name]) for name in names if nodes[name] or name == providers[0]
    )


def _feeds(clip: Utterance, signature: Signature) -> dict[str, Any]:
    return {
        signature.tokens: clip.input_ids,
        signature.style: clip.style,
        signature.speed: speed_feed(signature, clip.speed),
    }


def _read_through(path: Path) -> None:
    try:
        with path.open("rb") as handle:
            while handle.read(_BLOCK):
                pass
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}", "put the model back") from error
