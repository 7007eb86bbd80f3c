"""Bringing two renderings of one sentence onto one time axis: by durations, or by their correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kokoro_tui.audio.distance import frames_moved
from kokoro_tui.audio.transform import fast_length
from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, Waveform

DURATION_FRAME = 600
"""Samples at 24 kHz of one duration frame (25 ms)."""
MAX_OFFSET_SECONDS = 0.3
"""How far apart two renderings may begin; moved frames of whole recipes add up to a quarter of a second."""
_LEAST_CORRELATION = 0.1
"""Normalised correlation under which two waveforms have nothing in common that could be aligned."""
_BLOCK = 1 << 15
"""Samples that are correlated at a time."""


@dataclass(frozen=True, eq=False)
class TimeMap:
    """Where in a track each place of the common time axis is, and the other way about.

    Between anchors it is linear, behind the last one it goes on at the same pace.
    """

    axis: NDArray[np.float64]
    """Places on the common axis in seconds, rising from 0, shape [anchors]."""
    track: NDArray[np.float64]
    """The same places in the track in seconds, rising from 0, shape [anchors]."""

    @classmethod
    def from_durations(cls, reference: ArrayLike, candidate: ArrayLike) -> TimeMap | None:
        """The map from the reference's time to the candidate's; None if no phoneme has moved.

        Args:
            reference: Frames of 600 samples of each token, shape [tokens].
            candidate: The same for the other rendering, shape [tokens].

        Raises:
            DurationError: They are not of the same tokens, or no whole frame counts.
        """
        if frames_moved(reference, candidate) == 0:
            return None
        axis, track = (
            np.concatenate(([0.0], np.cumsum(np.asarray(d, dtype=np.float64)))) * DURATION_FRAME / SAMPLE_RATE
            for d in (reference, candidate)
        )
        # A token that one of them leaves out would make the map jump; its time goes to the next token.
        kept = np.concatenate(([True], (np.diff(axis) > 0) & (np.diff(track) > 0)))
        return cls(axis[kept], track[kept])

    def to_track(self, seconds: float) -> float:
        """The place in the track."""
        return _interpolate(seconds, self.axis, self.track)

    def to_axis(self, seconds: float) -> float:
        """The place on the common axis."""
        return _interpolate(seconds, self.track, self.axis)

    def straighten(self, track: FloatArray, samples: int) -> Waveform:
        """The track on the common axis: unmoved phonemes as they are, moved ones stretched or squeezed.

        Args:
            track: Samples at 24 kHz, shape [any].
            samples: How many are wanted.

        Returns:
            Float32 samples, shape [samples].
        """
        seconds = np.arange(samples) / SAMPLE_RATE
        beyond = seconds - self.axis[-1]
        places = np.where(beyond > 0, self.track[-1] + beyond, np.interp(seconds, self.axis, self.track))
        indices = np.rint(places * SAMPLE_RATE).astype(np.int64)
        return np.where(indices < track.size, track[np.minimum(indices, track.size - 1)], 0.0).astype(np.float32)


def find_offset(original: FloatArray, candidate: FloatArray) -> int:
    """By how many samples the candidate is late, from the peak of the cross-correlation.

    Args:
        original: Finite mono samples at 24 kHz, shape [samples].
        candidate: The same of the other rendering.

    Returns:
        At most `MAX_OFFSET_SECONDS` either way; 0 for equal lengths, which renderings of equal durations have,
        and for waveforms that do not correlate.
    """
    if original.size == candidate.size:
        return 0
    bound = round(MAX_OFFSET_SECONDS * SAMPLE_RATE)
    correlation = _correlation(original, candidate, bound)
    norm = float(np.linalg.norm(original.astype(np.float64)) * np.linalg.norm(candidate.astype(np.float64)))
    best = int(np.argmax(correlation))
    return best - bound if correlation[best] > _LEAST_CORRELATION * norm > 0 else 0


def _correlation(original: FloatArray, candidate: FloatArray, bound: int) -> NDArray[np.float64]:
    """Cross-correlation at lags from ``-bound`` to ``bound``, shape [2 bound + 1].

    A sum over blocks of the original: transforms of whole renderings would take 32 MiB for 21 s.
    """
    found = np.zeros(2 * bound + 1)
    size = fast_length(_BLOCK + 2 * bound)
    for start in range(0, original.size, _BLOCK):
        block = original[start : start + _BLOCK]
        first = start - bound
        around = candidate[max(first, 0) : start + block.size + bound].astype(np.float64)
        around = np.pad(around, (max(-first, 0), 0))
        spectrum = np.conj(np.fft.rfft(block.astype(np.float64), size)) * np.fft.rfft(around, size)
        found += np.fft.irfft(spectrum, size)[: found.size]
    return found


def _interpolate(seconds: float, known: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    """A place between two anchors, or behind the last one."""
    if seconds > known[-1]:
        return float(wanted[-1] + seconds - known[-1])
    return float(np.interp(seconds, known, wanted))
