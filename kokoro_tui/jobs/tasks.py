"""What runs in a child process: module-level functions that take and return plain values."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kokoro_tui.audio.wav import write_wav
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.engine.measure import Measurement, measure, render_all
from kokoro_tui.engine.session import Rendering, SpeechModel, create_session
from kokoro_tui.engine.signature import Signature
from kokoro_tui.errors import InputError
from kokoro_tui.graph.apply_plan import BuildReport, build_model
from kokoro_tui.jobs.calibrate import calibrate_plan
from kokoro_tui.jobs.child import Progress
from kokoro_tui.speech.utterance import DEFAULT_TEXT, Utterance, prepare

if TYPE_CHECKING:
    from kokoro_tui.reference.export import ExportReport
    from kokoro_tui.reference.torch_model import TorchReference

_log = logging.getLogger(__name__)
ORIGINAL_WAV = "original.wav"
CANDIDATE_WAV = "candidate.wav"
SMOKE_CLIP = Utterance(
    text="",
    phonemes="",
    input_ids=np.array([[0, *range(43, 63), 0]], dtype=np.int64),
    style=np.zeros((1, 256), dtype=np.float32),
    voice="",
    voice_requested=None,
    language="",
    speed=1.0,
    notes=(),
)
"""Twenty letters without a voice: enough to see whether a model speaks at all."""


@dataclass(frozen=True)
class Audition:
    """A built plan, measured and rendered beside the original."""

    build: BuildReport
    measurement: Measurement
    references: tuple[Rendering, ...]
    """What the original gave for each clip; hand it in again to skip that part."""
    original_wav: Path
    candidate_wav: Path


def build(
    source: Path, plan: PrecisionPlan, target: Path, signature: Signature | None = None, *, progress: Progress
) -> BuildReport:
    """Write an optimized model that onnxruntime loads and, if it is a Kokoro model, that speaks.

    A static plan without ranges is calibrated first, on the shipped sentences.

    Args:
        source: The original model.
        plan: What to build.
        target: Where the result goes, once it has passed.
        signature: Of a Kokoro model, which then must give finite audio; None leaves it at loading.
        progress: Receives stages and shares.

    Raises:
        InputError, WorkError: See ``build_model``; also if onnxruntime refuses the result.
    """

    def accept(path: Path) -> None:
        if signature is None:
            load_once(path)
        else:
            SpeechModel(path, signature).run(SMOKE_CLIP)

    plan = calibrate_plan(source, plan, progress=_part(progress, 0.0, 0.2))
    return build_model(source, plan, target, progress=progress, accept=accept)


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

    A static plan without ranges is calibrated first, on the shipped sentences.

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
    plan = calibrate_plan(source, plan, progress=_part(progress, 0.0, 0.2))
    if references is None:
        progress("render original", 0.0)
        original = SpeechModel(source, signature)
        references = render_all(original, clips, lambda share: progress("render original", 0.3 * share))
    found: list[Measurement] = []

    def judge(path: Path) -> None:
        progress("render candidate", 0.65)
        candidate = SpeechModel(path, signature)
        found.append(
            measure(candidate, clips, references, lambda share: progress("render candidate", 0.65 + 0.3 * share))
        )

    report = build_model(source, plan, target, progress=_part(progress, 0.3, 0.65), accept=judge)
    original_wav, candidate_wav = folder / ORIGINAL_WAV, folder / CANDIDATE_WAV
    write_wav(original_wav, found[0].reference)
    write_wav(candidate_wav, found[0].candidate)
    progress("done", 1.0)
    return Audition(report, found[0], tuple(references), original_wav, candidate_wav)


@dataclass(frozen=True)
class SpeechRequest:
    """What to say, before it is turned into ids."""

    text: str
    voice: str | None
    """A voice name or file; None for the default voice."""


def audition_text(
    source: Path,
    plan: PrecisionPlan,
    target: Path,
    signature: Signature,
    speech: SpeechRequest,
    folder: Path,
    known: tuple[Sequence[Utterance], Sequence[Rendering]] | None = None,
    *,
    progress: Progress,
) -> tuple[tuple[Utterance, ...], Audition]:
    """Prepare a text and audition it; see ``audition``.

    Args:
        source: The original model.
        plan: What to build.
        target: Where the optimized model goes.
        signature: Of the original, and so of the result.
        speech: What to say.
        folder: Where the WAVs go.
        known: The clips of this text and what the original gave for them, if it has been rendered before.
        progress: Receives stages and shares.

    Raises:
        InputError, WorkError: See ``audition`` and ``speech.utterance.prepare``.
    """
    progress("phonemes", 0.0)
    if known is None:
        clips = prepare(speech.text, voice=speech.voice, vocabulary_size=signature.vocabulary_size)
        return clips, audition(source, plan, target, signature, clips, folder, progress=progress)
    clips = tuple(known[0])
    return clips, audition(source, plan, target, signature, clips, folder, known[1], progress=progress)


def export(
    output: Path,
    weights: str = "auto",
    *,
    score_difference: bool = True,
    remove_weight_norm: bool = True,
    quant_preprocess: bool = True,
    export_duration: bool = True,
    progress: Progress,
) -> ExportReport:
    """Export the torch model to ONNX and compare the two; see ``reference.export.export_model``.

    Raises:
        InputError, WorkError: See ``export_model``.
    """
    from kokoro_tui.reference.export import export_model  # torch: seconds to import

    return export_model(
        output,
        weights=weights,
        progress=progress,
        score=_score if score_difference else None,
        remove_weight_norm=remove_weight_norm,
        quant_preprocess=quant_preprocess,
        export_duration=export_duration,
    )


def build_bundled(target: Path, *, progress: Progress) -> ExportReport:
    """Export the bundled weights to the user's cache; the first start without a model does this once."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return export(target, "bundled", progress=progress)


def _score(torch_model: TorchReference, path: Path) -> float | None:
    """Distance of an export to its torch model; None on a machine without a voice to compare them by."""
    from kokoro_tui.reference.score import compare_with_torch  # torch: seconds to import

    try:
        clip = prepare(DEFAULT_TEXT, allow_network=False)[0]
    except InputError as error:
        _log.warning("the export is not compared with torch: %s", error.message)
        return None
    return compare_with_torch(torch_model, path, clip).mel_distance


def load_once(path: Path) -> None:
    """Load a model in onnxruntime and let it go again.

    Raises:
        WorkError: onnxruntime refuses it.
    """
    create_session(str(path), name=path.name)


def _part(progress: Progress, start: float, end: float) -> Progress:
    """Progress of a part that goes from ``start`` to ``end`` of the whole."""
    return lambda stage, share: progress(stage, start + (end - start) * share)
