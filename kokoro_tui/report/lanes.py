"""One sentence, made ready for eyes and ears: tracks of one level and length, spectrograms, and the worst moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kokoro_tui.audio.levels import amplify
from kokoro_tui.audio.tracks import curve_of, difference_levels, mel_levels, prepare_tracks, worst_of
from kokoro_tui.audio.waveform import SAMPLE_RATE, Waveform
from kokoro_tui.report.images import Levels, difference_png, spectrogram_png
from kokoro_tui.web.sound import difference_gain_db


@dataclass(frozen=True)
class Lane:
    """One track with its picture."""

    track: Waveform
    """Samples at 24 kHz, as many in all lanes of a sentence."""
    picture: bytes
    """A PNG image."""


@dataclass(frozen=True)
class CandidateLanes:
    """What there is of one candidate in one sentence."""

    candidate: Lane
    """In step with the original."""
    difference: Lane
    """Amplified by the sentence's `difference_gain_db`."""
    own_timing: Waveform | None
    """The candidate with its own durations; None where they are the original's, or not known."""
    worst_seconds: float
    """Where the half second begins in which it differs most from the original."""


@dataclass(frozen=True)
class SentenceLanes:
    """What there is of one sentence."""

    original: Lane
    candidates: tuple[CandidateLanes, ...]
    seconds: float
    difference_gain_db: int


def prepare_lanes(original: Waveform, candidates: Sequence[tuple[Waveform, Waveform | None]]) -> SentenceLanes:
    """Level-match, align and draw one sentence.

    Args:
        original: What the original said, samples at 24 kHz.
        candidates: What each candidate said, with its own durations and with the original's where it can be held
            to them.

    Raises:
        WaveformError: A rendering is not finite, or holds no sample.
    """
    pairs = [_pair(original, own, pinned) for own, pinned in candidates]
    # A loud candidate turns the original down with it, which then holds for all of them.
    quietest = min(pair.original_gain for pair in pairs)
    samples = max(pair.b.size for pair in pairs)
    pairs = [pair.at(quietest / pair.original_gain, samples) for pair in pairs]
    levels = mel_levels(pairs[0].a)
    gain_db = difference_gain_db([pair.b - pair.a for pair in pairs])
    return SentenceLanes(
        original=Lane(pairs[0].a, spectrogram_png(levels, float(levels.max()))),
        candidates=tuple(_candidate_lanes(pair, levels, gain_db) for pair in pairs),
        seconds=samples / SAMPLE_RATE,
        difference_gain_db=gain_db,
    )


@dataclass(frozen=True, eq=False)
class _Pair:
    """The original and one candidate, of one length and level."""

    a: Waveform
    b: Waveform
    own_timing: Waveform | None
    original_gain: float
    """What the original was multiplied by."""

    def at(self, gain: float, samples: int) -> _Pair:
        """The same at another level, filled up with silence."""
        a, b = (amplify(np.pad(track, (0, samples - track.size)), gain) for track in (self.a, self.b))
        own = None if self.own_timing is None else amplify(self.own_timing, gain)
        return _Pair(a, b, own, self.original_gain * gain)


def _pair(original: Waveform, own: Waveform, pinned: Waveform | None) -> _Pair:
    tracks = prepare_tracks(original, own if pinned is None else pinned)
    # The original starts at zero in every pair; what a late candidate has before that is silence.
    late = max(0, tracks.offset)
    moved = pinned is not None and not np.array_equal(own, pinned)
    own_timing = amplify(own, tracks.gains[1]) if moved else None
    return _Pair(tracks.a[late:], tracks.b[late:], own_timing, tracks.gains[0])


def _candidate_lanes(pair: _Pair, original_levels: Levels, gain_db: int) -> CandidateLanes:
    levels = mel_levels(pair.b)
    differences = difference_levels(original_levels, levels)
    worst, _ = worst_of(curve_of(differences), pair.b.size / SAMPLE_RATE)
    return CandidateLanes(
        candidate=Lane(pair.b, spectrogram_png(levels, float(original_levels.max()))),
        difference=Lane(amplify(pair.b - pair.a, 10.0 ** (gain_db / 20.0)), difference_png(differences)),
        own_timing=pair.own_timing,
        worst_seconds=worst,
    )
