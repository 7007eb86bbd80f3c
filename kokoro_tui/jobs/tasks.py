"""What runs in a child process: module-level functions that take and return plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kokoro_tui.audio.wav import write_wav
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.engine.measure import Measurement, measure, render_all
from kokoro_tui.engine.session import Rendering, SpeechModel, create_session
from kokoro_tui.engine.signature import Signature
from kokoro_tui.graph.apply_plan import BuildReport, build_model
from kokoro_tui.jobs.child import Progress
from kokoro_tui.speech.utterance import Utterance

ORIGINAL_WAV = "original.wav"
CANDIDATE_WAV = "candidate.wav"


@dataclass(frozen=True)
class Audition:
    """A built plan, measured and rendered beside the original."""

    build: BuildReport
    measurement: Measurement
    references: tuple[Rendering, ...]
    """What the original gave for each clip; hand it in again to skip that part."""
    original_wav: Path
    candidate_wav: Path


def build(source: Path, plan: PrecisionPlan, target: Path, *, progress: Progress) -> BuildReport:
    """Write an optimized model and load it once in onnxruntime.

    Raises:
        InputError, WorkError: See ``build_model``; also if onnxruntime refuses the result.
    """
    return build_model(source, plan, target, progress=_part(progress, 0.0, 1.0), accept=load_once)


def audition(
    source: Path,
    plan: PrecisionPlan,
    target: Path,
    signature: Signature,
    clips: Sequence[Utterance],
    folder: Path,
    references: Sequence[Rendering] | None = None,
    *,
    progress: Progress,
) -> Audition:
    """Build a plan, then render the clips with the original and with the result, paired; write both WAVs.

    Args:
        source: The original model.
        plan: What to build.
        target: Where the optimized model goes.
        signature: Of the original, and so of the result.
        clips: What to say.
        folder: Where the WAVs go.
        references: What the original gave for these clips before, if it has been rendered.
        progress: Receives stages and shares.

    Raises:
        InputError, WorkError: See ``build``; also if a model gives audio that is not finite.
    """
    report = build_model(source, plan, target, progress=_part(progress, 0.0, 0.4))
    if references is None:
        progress("render original", 0.4)
        original = SpeechModel(source, signature)
        references = render_all(original, clips, lambda share: progress("render original", 0.4 + 0.25 * share))
    progress("render candidate", 0.65)
    candidate = SpeechModel(target, signature)
    found = measure(candidate, clips, references, lambda share: progress("render candidate", 0.65 + 0.3 * share))
    original_wav, candidate_wav = folder / ORIGINAL_WAV, folder / CANDIDATE_WAV
    write_wav(original_wav, found.reference)
    write_wav(candidate_wav, found.candidate)
    progress("done", 1.0)
    return Audition(report, found, tuple(references), original_wav, candidate_wav)


def load_once(path: Path) -> None:
    """Load a model in onnxruntime and let it go again.

    Raises:
        WorkError: onnxruntime refuses it.
    """
    create_session(str(path), name=path.name)


def _part(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a part that goes from ``start`` to ``end`` of the whole."""
    return lambda stage, share: progress(stage, start + (end - start) * share)
