"""What runs in a child process: module-level functions that take and return plain values."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.engine.measure import Figures, Measurement, combine, measure, render_all, speed_ratios
from kokoro_tui.engine.session import Rendering, SpeechModel, create_session
from kokoro_tui.engine.signature import Signature
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.apply_plan import BuildReport, build_model
from kokoro_tui.jobs.calibrate import calibrate_plan
from kokoro_tui.jobs.child import Progress
from kokoro_tui.jobs.renderings import KeptBuild, SentenceFolder, read_measurement
from kokoro_tui.speech.sentences import Speech
from kokoro_tui.speech.utterance import DEFAULT_TEXT, Utterance, prepare

if TYPE_CHECKING:
    from kokoro_tui.reference.export import ExportReport
    from kokoro_tui.reference.torch_model import TorchReference

_log = logging.getLogger(__name__)
_NICENESS = 10
"""How far a process in the background gives way."""
_LEAST_TURNS = 3
"""How often both models take turns at least, over all sentences, to compare their speed."""
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


@dataclass(frozen=True, eq=False)
class AuditionedSentence:
    """One sentence, said by the original and by a build."""

    speech: Speech
    """What was asked for."""
    voice: str
    """The voice that spoke."""
    phonemes: str
    figures: Figures
    original_wav: Path
    candidate_wav: Path
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""
    speed: tuple[float, ...] = ()
    """Times of the build as multiples of the original's, from ``speed_ratios``; none where that was not taken."""

    def read_renderings(self) -> Measurement:
        """Both renderings with their figures, from the disk, so that nobody keeps what is not heard.

        Raises:
            InputError: A rendering has gone from the cache, or is damaged.
        """
        return read_measurement(self.figures, self.original_wav, self.candidate_wav)


@dataclass(frozen=True, eq=False)
class Audition:
    """A built plan, measured and rendered beside the original."""

    original_bytes: int
    final_bytes: int
    sentences: tuple[AuditionedSentence, ...]
    figures: Figures
    """Over all sentences."""


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


def build_and_measure(
    source: Path,
    plan: PrecisionPlan,
    target: Path,
    signature: Signature,
    clips: Sequence[Utterance],
    *,
    progress: Progress,
) -> tuple[BuildReport, Measurement]:
    """Write an optimized model and measure it against the original, paired.

    A static plan without ranges is calibrated first, on the shipped sentences.

    Args:
        source: The original model.
        plan: What to build.
        target: Where the result goes, once it has spoken.
        signature: Of the original, and so of the result.
        clips: What both say.
        progress: Receives stages and shares.

    Raises:
        InputError, WorkError: See ``build``; also if a model gives audio that is not finite.
    """
    progress("render original", 0.0)
    references = render_all(SpeechModel(source, signature), clips, lambda s: progress("render original", 0.3 * s))
    plan = calibrate_plan(source, plan, progress=_part(progress, 0.3, 0.4))
    found: list[Measurement] = []

    def judge(path: Path) -> None:
        progress("render candidate", 0.65)
        candidate = SpeechModel(path, signature)
        found.append(measure(candidate, clips, references, lambda s: progress("render candidate", 0.65 + 0.3 * s)))

    report = build_model(source, plan, target, progress=_part(progress, 0.4, 0.65), accept=judge)
    progress("done", 1.0)
    return report, found[0]


def audition_text(
    source: Path,
    plan: PrecisionPlan,
    target: Path,
    signature: Signature,
    speeches: Sequence[Speech],
    folder: Path,
    *,
    background: bool = False,
    progress: Progress,
) -> Audition:
    """Say sentences with the original and with a build of a plan, paired; what was said before is not said again.

    A static plan without ranges is calibrated first, on the shipped sentences.

    Args:
        source: The original model.
        plan: What to build.
        target: Where the optimized model goes; it is not built if every sentence is at hand.
        signature: Of the original, and so of the result.
        speeches: At least one sentence with its voice.
        folder: Where the renderings of this very model are kept.
        background: Nobody waits for it: give way to all other processes, and take the time to compare the speed.
        progress: Receives stages and shares.

    Raises:
        InputError, WorkError: See ``build`` and ``speech.utterance.prepare``; also if a model gives audio that is
            not finite, or a rendering cannot be written.
    """
    if background and hasattr(os, "nice"):  # which Windows lacks
        os.nice(_NICENESS)
    progress("phonemes", 0.0)
    prepared = [prepare(s.text, voice=s.voice, vocabulary_size=signature.vocabulary_size) for s in speeches]
    shelves = [SentenceFolder(folder, clips) for clips in prepared]
    missing = [
        (clips, shelf)
        for clips, shelf in zip(prepared, shelves, strict=True)
        if (known := shelf.read_build(plan.digest)) is None or (background and not known.speed)
    ]
    if missing:
        turns = -(-_LEAST_TURNS // len(missing)) if background else 0
        _say(source, plan, target, signature, missing, turns, progress)
    kept = [shelf.read_build(plan.digest) for shelf in shelves]
    found = [build for build in kept if build is not None]
    if len(found) < len(kept):
        raise WorkError("a rendering has gone from the cache", "build again; if it stays so, the disk may be full")
    progress("done", 1.0)
    sentences = tuple(
        AuditionedSentence(
            speech=speech,
            voice=clips[0].voice,
            phonemes=" ".join(clip.phonemes for clip in clips),
            figures=build.measurement.figures,
            original_wav=shelf.original_wav,
            candidate_wav=shelf.candidate_wav(plan.digest),
            notes=tuple(dict.fromkeys(note for clip in clips for note in clip.notes)),
            speed=build.speed,
        )
        for speech, clips, shelf, build in zip(speeches, prepared, shelves, found, strict=True)
    )
    figures = combine([build.measurement for build in found]).figures
    return Audition(found[0].original_bytes, found[0].final_bytes, sentences, figures)


def prepare_clips(text: str, voice: str | None, vocabulary_size: int, *, progress: Progress) -> tuple[Utterance, ...]:
    """Text and voice to utterances, away from a screen: the G2P is 290 modules and 30 MiB that nobody there needs.

    Args:
        text: What to say.
        voice: Who says it; None for the default voice.
        vocabulary_size: The rows of the model's token embedding.
        progress: Receives one stage.

    Raises:
        InputError: See ``speech.utterance.prepare``.
    """
    progress("phonemes", 0.0)
    return prepare(text, voice=voice, vocabulary_size=vocabulary_size)


def _say(
    source: Path,
    plan: PrecisionPlan,
    target: Path,
    signature: Signature,
    missing: Sequence[tuple[Sequence[Utterance], SentenceFolder]],
    turns: int,
    progress: Progress,
) -> None:
    """Say sentences that are not at hand with both models, and keep what they said and how long it took in turns."""
    digest = plan.digest
    references = _references(source, signature, missing, _part(progress, 0.0, 0.3))
    plan = calibrate_plan(source, plan, progress=_part(progress, 0.3, 0.4))
    found: list[tuple[Measurement, tuple[float, ...]]] = []

    def judge(path: Path) -> None:
        progress("render candidate", 0.65)
        candidate = SpeechModel(path, signature)
        original = SpeechModel(source, signature) if turns else candidate
        if turns:
            original.run(missing[0][0][0])  # the first run of a session is slower
        for index, ((clips, _), renderings) in enumerate(zip(missing, references, strict=True)):
            measurement = measure(candidate, clips, renderings)
            found.append((measurement, speed_ratios(candidate, original, clips[0], turns)))
            progress("render candidate", 0.65 + 0.3 * (index + 1) / len(missing))

    report = build_model(source, plan, target, progress=_part(progress, 0.4, 0.65), accept=judge)
    for (_, shelf), (measurement, speed) in zip(missing, found, strict=True):
        shelf.keep_build(digest, KeptBuild(measurement, report.original_bytes, report.final_bytes, speed))


def _references(
    source: Path,
    signature: Signature,
    sentences: Sequence[tuple[Sequence[Utterance], SentenceFolder]],
    progress: Progress,
) -> list[tuple[Rendering, ...]]:
    """What the original says to each sentence, kept from before or now."""
    found: list[tuple[Rendering, ...]] = []
    original: SpeechModel | None = None
    for index, (clips, shelf) in enumerate(sentences):
        kept = shelf.read_original()
        if kept is None:
            progress("render original", index / len(sentences))
            original = original or SpeechModel(source, signature)
            kept = render_all(original, clips)
            shelf.keep_original(kept)
        found.append(kept)
    return found


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
