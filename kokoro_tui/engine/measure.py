"""Render with two models and say how far apart they are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from kokoro_tui.audio.distance import compare, frames_moved
from kokoro_tui.engine.session import Rendering, SpeechModel, Waveform
from kokoro_tui.speech.utterance import Utterance


@dataclass(frozen=True)
class Measurement:
    """A candidate against its reference on the same sentences, voices and noise."""

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
    reference: Waveform
    """Samples at 24 kHz; several clips one after the other."""
    candidate: Waveform
    """Samples at 24 kHz, with the candidate's own durations."""
    paired: bool = True
    """Whether both drew the same noise; without it the distance holds 0.13 to 0.18 of noise alone."""


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
    free = []
    comparisons = []
    moved: list[int] = []
    for index, (clip, reference) in enumerate(zip(clips, references, strict=True)):
        own = candidate.run(clip)
        judged = own
        if own.durations is not None and reference.durations is not None:
            moved.append(frames_moved(reference.durations, own.durations))
            if moved[-1] and candidate.pinnable:
                judged = candidate.run(clip, durations=reference.durations)
        comparisons.append(compare(reference.waveform, judged.waveform))
        free.append(own)
        progress((index + 1) / len(clips))
    return Measurement(
        mel_distance=fmean(c.mel_distance for c in comparisons),
        added_noise_db=fmean(c.added_noise_db for c in comparisons),
        frames_moved=max(moved, default=None),
        pinned=candidate.pinnable and len(moved) == len(clips),
        reference_factor=_factor(references),
        candidate_factor=_factor(free),
        reference=np.concatenate([r.waveform for r in references]),
        candidate=np.concatenate([r.waveform for r in free]),
        paired=not candidate.unpaired,
    )


def _factor(renderings: Sequence[Rendering]) -> float:
    return sum(r.seconds for r in renderings) * 24_000 / sum(r.waveform.size for r in renderings)
