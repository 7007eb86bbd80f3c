"""Render with two models and say how far apart they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from statistics import fmean
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from kokoro_tui.audio.distance import compare, frames_moved
from kokoro_tui.audio.waveform import SAMPLE_RATE
from kokoro_tui.engine.session import Rendering, SpeechModel, Waveform
from kokoro_tui.speech.utterance import Utterance

Durations = npt.NDArray[np.int64]
"""Frames of 25 ms per token, the padding at both ends included, shape [tokens]."""
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True, eq=False, kw_only=True)
class Figures:
    """What was measured of a candidate against its reference on the same sentences, voices and noise."""

    mel_distance: float
    """Mean over the clips; paired, and pinned where ``pinned`` says so."""
    added_noise_db: float
    """Mean over the clips, in dB."""
    frames_moved: int | None
    """Largest over the clips, in duration frames of 25 ms; None where the model does not tell durations."""
    pinned: bool
    """Whether the candidate was held to the reference's durations while the distance was measured."""
    reference_factor: float
    """Real-time factor of the reference."""
    candidate_factor: float
    """Real-time factor of the candidate with its own durations."""
    paired: bool = True
    """Whether both drew the same noise; without it the distance holds 0.13 to 0.18 of noise alone."""
    reference_durations: Durations | None = None
    """Of the reference, several clips one after the other; None where the model does not tell durations."""
    candidate_durations: Durations | None = None
    """The candidate's own."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Measurement(Figures):
    """The figures with the renderings that they were taken of."""

    reference: Waveform
    """Samples at 24 kHz; several clips one after the other."""
    candidate: Waveform
    """Samples at 24 kHz, with the candidate's own durations."""
    pinned_candidate: Waveform | None = None
    """Samples at 24 kHz, held to the reference's durations and so in step with it; None unless ``pinned``."""

    @property
    def figures(self) -> Figures:
        """The figures alone, where 96 kB for each second of each rendering are too much to keep."""
        return Figures(**{field.name: getattr(self, field.name) for field in fields(Figures)})


def render_all(
    model: SpeechModel, clips: Sequence[Utterance], progress: Callable[[float], None] = lambda share: None
) -> tuple[Rendering, ...]:
    """Render every clip with the model's own durations."""
    found = []
    for index, clip in enumerate(clips):
        found.append(model.run(clip))
        progress((index + 1) / len(clips))
    return tuple(found)


def measure(
    candidate: SpeechModel,
    clips: Sequence[Utterance],
    references: Sequence[Rendering],
    progress: Callable[[float], None] = lambda share: None,
) -> Measurement:
    """Render every clip with ``candidate`` and compare with what the reference model gave.

    The distance is measured with the reference's durations: a moved frame shifts everything after it, which the
    distance would take for noise. What is returned to be heard has the candidate's own durations.

    Args:
        candidate: The model to judge.
        clips: What to say, as many as ``references``.
        references: What the reference model gave for each clip.
        progress: Called with the share of the clips that is done.
    """
    found = []
    for index, (clip, reference) in enumerate(zip(clips, references, strict=True)):
        found.append(_measure_clip(candidate, clip, reference))
        progress((index + 1) / len(clips))
    return combine(found)


def speed_ratios(candidate: SpeechModel, reference: SpeechModel, clip: Utterance, turns: int) -> tuple[float, ...]:
    """How long the candidate takes for a clip, as a multiple of what the reference takes right before it.

    Taking turns lets whatever else the machine does slow both down alike. Neither is optimized by onnxruntime, which
    costs INT8 about 9 % (see ``create_session``).

    Args:
        candidate: The model to judge.
        reference: What it is judged by.
        clip: What both say, with durations of their own.
        turns: How many ratios to take.
    """
    ratios = []
    for _ in range(turns):
        theirs = reference.run(clip).seconds
        ratios.append(candidate.run(clip).seconds / theirs)
    return tuple(ratios)


def combine(parts: Sequence[Measurement]) -> Measurement:
    """One measurement over the clips of several, one after the other.

    Args:
        parts: At least one, each counted once in the means.
    """
    moved = [part.frames_moved for part in parts if part.frames_moved is not None]
    return Measurement(
        mel_distance=fmean(part.mel_distance for part in parts),
        added_noise_db=fmean(part.added_noise_db for part in parts),
        frames_moved=max(moved, default=None),
        pinned=all(part.pinned for part in parts),
        # By their lengths, since a factor is time over length.
        reference_factor=fmean((p.reference_factor for p in parts), (p.reference.size for p in parts)),
        candidate_factor=fmean((p.candidate_factor for p in parts), (p.candidate.size for p in parts)),
        reference=np.concatenate([part.reference for part in parts]),
        candidate=np.concatenate([part.candidate for part in parts]),
        paired=all(part.paired for part in parts),
        reference_durations=_joined([part.reference_durations for part in parts]),
        candidate_durations=_joined([part.candidate_durations for part in parts]),
        pinned_candidate=_joined([part.pinned_candidate for part in parts]),
    )


def _measure_clip(candidate: SpeechModel, clip: Utterance, reference: Rendering) -> Measurement:
    own = judged = candidate.run(clip)
    moved = None
    if own.durations is not None and reference.durations is not None:
        moved = frames_moved(reference.durations, own.durations)
        if moved and candidate.pinnable:
            judged = candidate.run(clip, durations=reference.durations)
    pinned = candidate.pinnable and moved is not None
    comparison = compare(reference.waveform, judged.waveform)
    return Measurement(
        mel_distance=comparison.mel_distance,
        added_noise_db=comparison.added_noise_db,
        frames_moved=moved,
        pinned=pinned,
        reference_factor=_factor(reference),
        candidate_factor=_factor(own),
        reference=reference.waveform,
        candidate=own.waveform,
        paired=not candidate.unpaired,
        reference_durations=reference.durations,
        candidate_durations=own.durations,
        pinned_candidate=judged.waveform if pinned else None,
    )


def _factor(rendering: Rendering) -> float:
    return rendering.seconds * SAMPLE_RATE / rendering.waveform.size


def _joined(parts: Sequence[npt.NDArray[Scalar] | None]) -> npt.NDArray[Scalar] | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None
