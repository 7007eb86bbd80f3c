"""Several models against one original, sentence by sentence, in a child process: what a report and a page play."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.engine.machine import Machine, describe_machine
from kokoro_tui.engine.measure import Measurement, combine, measure, render_all
from kokoro_tui.engine.session import Rendering, SpeechModel
from kokoro_tui.engine.signature import Signature
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.jobs.calibrate import calibrate_plan
from kokoro_tui.jobs.child import Progress
from kokoro_tui.speech.utterance import Utterance

_ORIGINAL_SHARE = 0.2
"""Part of the whole that rendering the original takes of the progress."""
_BUILD_SHARE = 0.4
"""Part of one candidate that building it takes of the progress."""


@dataclass(frozen=True)
class PlanCandidate:
    """A plan, which is built for the comparison and thrown away after it."""

    name: str
    plan: PrecisionPlan


@dataclass(frozen=True)
class FileCandidate:
    """A model file."""

    name: str
    path: Path
    signature: Signature
    file_bytes: int
    """With its external data."""


Candidate = PlanCandidate | FileCandidate


@dataclass(frozen=True)
class ComparedModel:
    """One candidate against the original."""

    name: str
    file_bytes: int
    sha256: str
    """Of the model file."""
    measurements: tuple[Measurement, ...]
    """One for each sentence."""
    plan: PrecisionPlan | None = None
    """What was built, calibrated where it is static; None for a model file."""

    @property
    def overall(self) -> Measurement:
        """All sentences together."""
        return combine(self.measurements)


@dataclass(frozen=True)
class Comparison:
    """Every candidate against the original."""

    original_sha256: str
    """Of the model file."""
    models: tuple[ComparedModel, ...]
    machine: Machine


def compare_models(
    source: Path,
    signature: Signature,
    candidates: Sequence[Candidate],
    sentences: Sequence[Sequence[Utterance]],
    workspace: Path,
    *,
    progress: Progress,
) -> Comparison:
    """Render every sentence with the original and with every candidate, paired, and measure each pair.

    Args:
        source: The original model.
        signature: How it names its inputs.
        candidates: What to compare with it; one at a time is in memory.
        sentences: The clips of each sentence.
        workspace: A folder that exists; plans are built there, and their models removed again.
        progress: Receives stages and shares.

    Raises:
        InputError, WorkError: A plan cannot be built, or a model cannot be run or gives audio that is not finite.
    """
    clips = [clip for sentence in sentences for clip in sentence]
    progress("rendering the original", 0.0)
    original = SpeechModel(source, signature)
    spoken = iter(
        render_all(original, clips, lambda share: progress("rendering the original", _ORIGINAL_SHARE * share))
    )
    references = [[next(spoken) for _ in sentence] for sentence in sentences]
    del original  # two sessions of a large model at a time would take twice the memory
    models = []
    for index, candidate in enumerate(candidates):
        start = _ORIGINAL_SHARE + (1.0 - _ORIGINAL_SHARE) * index / len(candidates)
        length = (1.0 - _ORIGINAL_SHARE) / len(candidates)
        part = _part(progress, candidate.name, start, length)
        job = _Job(source, signature, sentences, references, workspace, part)
        models.append(job.build(candidate) if isinstance(candidate, PlanCandidate) else job.open(candidate))
    progress("done", 1.0)
    return Comparison(_sha256(source), tuple(models), describe_machine())


@dataclass(frozen=True)
class _Job:
    """What comparing one candidate takes."""

    source: Path
    signature: Signature
    sentences: Sequence[Sequence[Utterance]]
    references: Sequence[Sequence[Rendering]]
    workspace: Path
    progress: Progress

    def build(self, candidate: PlanCandidate) -> ComparedModel:
        """Build a plan, measure the model, and remove it."""
        # The name marks it as unfinished business of this process, so that a killed one leaves nothing for good.
        target = self.workspace / f".candidate.onnx.partial-{os.getpid()}"

        def building(stage: str, share: float) -> None:
            self.progress(stage, _BUILD_SHARE * share)

        try:
            plan = calibrate_plan(self.source, candidate.plan, progress=lambda stage, _: building(stage, 0.0))
            report = build_model(self.source, plan, target, progress=building)
            found = self._measure(candidate.name, target, self.signature, report.final_bytes, _BUILD_SHARE)
            return replace(found, plan=plan)
        finally:
            target.unlink(missing_ok=True)

    def open(self, candidate: FileCandidate) -> ComparedModel:
        """Measure a model file."""
        return self._measure(candidate.name, candidate.path, candidate.signature, candidate.file_bytes, 0.0)

    def _measure(self, name: str, path: Path, signature: Signature, file_bytes: int, start: float) -> ComparedModel:
        self.progress("rendering", start)
        model = SpeechModel(path, signature)
        found = []
        for index, (clips, references) in enumerate(zip(self.sentences, self.references, strict=True)):
            found.append(measure(model, clips, references))
            self.progress("rendering", start + (1.0 - start) * (index + 1) / len(self.sentences))
        return ComparedModel(name, file_bytes, _sha256(path), tuple(found))


def _part(progress: Progress, name: str, start: float, length: float) -> Progress:
    """Progress of one candidate, under its name."""
    return lambda stage, share: progress(f"{name}: {stage}", start + length * share)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
