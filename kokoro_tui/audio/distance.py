"""How far a candidate rendering is from its reference: mel distance, added noise, and moved frames.

Mel distance is the root of the mean square difference of two log-mel spectrograms (see `mel`), in natural-log
units of energy. It weighs silent frames as much as loud ones, so that faint hiss scores high. *Added noise*
repairs that: it looks only at energy that the candidate has and the reference lacks, in dB, and lets neither
fall below 60 dB under the loudest cell of the reference.

Two renderings of unequal length have no mel distance of their own: `mel_distance` and `added_noise_db` refuse
them. `compare` and `Reference.compare` measure the frames that both have, counted from the start, and state
the difference in length beside the figures, so that a caller cannot overlook it. Zero padding is never used,
because a padded frame differs from speech by about 18 such units and would drown everything else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kokoro_tui.audio.mel import LOG_FLOOR, log_mel, mel_energy
from kokoro_tui.audio.waveform import FloatArray, WaveformError
from kokoro_tui.errors import WorkError

NOISE_FLOOR_DB = -60.0
"""Added noise ignores energy this far under the loudest mel cell of the reference, in dB."""

NOISE_PERCENTILE = 95.0
"""Percentile of the gains over all frames and bands that is reported as added noise."""


class LengthMismatchError(WaveformError):
    """Two waveforms of unequal length were given to a measure that needs equal ones."""


class DurationError(WorkError, ValueError):
    """Phoneme durations that are no whole frame counts, or belong to different sentences."""


@dataclass(frozen=True)
class Comparison:
    """A candidate rendering measured against its reference."""

    mel_distance: float
    """Root mean square log-mel difference over the common frames, in natural-log units of energy."""
    added_noise_db: float
    """95th percentile of the one-sided mel energy gain over the common frames, in dB; 0 is none."""
    length_difference_samples: int
    """Samples of the candidate less samples of the reference; 0 when the lengths agree."""
    compared_frames: int
    """Mel frames that both renderings have, which are those measured."""
    frame_difference: int
    """Mel frames of the candidate less mel frames of the reference."""

    @property
    def same_length(self) -> bool:
        """Whether the figures cover both renderings whole."""
        return self.length_difference_samples == 0


class Reference:
    """A reference waveform whose spectrogram is computed once and compared with many candidates.

    Args:
        waveform: Finite mono samples at 24 kHz, shape [samples].

    Raises:
        WaveformError: The waveform is not finite, floating, mono or long enough.
    """

    def __init__(self, waveform: FloatArray) -> None:
        self.samples = waveform.size
        self._energy = mel_energy(waveform, name="reference")
        self._log_mel = log_mel(self._energy)
        self._floor = max(float(self._energy.max()) * 10.0 ** (NOISE_FLOOR_DB / 10.0), LOG_FLOOR)

    def compare(self, candidate: FloatArray) -> Comparison:
        """Measures a candidate over the frames that it has in common with the reference.

        Args:
            candidate: Finite mono samples at 24 kHz, shape [samples], of any sufficient length.

        Raises:
            WaveformError: The candidate is not finite, floating, mono or long enough.
        """
        energy = mel_energy(candidate, name="candidate")
        frames = min(energy.shape[1], self._energy.shape[1])
        return Comparison(
            mel_distance=_root_mean_square(log_mel(energy[:, :frames]) - self._log_mel[:, :frames]),
            added_noise_db=self._added_noise_db(energy[:, :frames]),
            length_difference_samples=candidate.size - self.samples,
            compared_frames=frames,
            frame_difference=energy.shape[1] - self._energy.shape[1],
        )

    def _added_noise_db(self, energy: NDArray[np.float64]) -> float:
        """The `NOISE_PERCENTILE` of 10·log10 of the energy gain, where a loss counts as 0 dB."""
        ours = np.maximum(self._energy[:, : energy.shape[1]], self._floor)
        gain_db = 10.0 * np.log10(np.maximum(energy / ours, 1.0))
        return float(np.percentile(gain_db, NOISE_PERCENTILE))


def compare(reference: FloatArray, candidate: FloatArray) -> Comparison:
    """Measures one candidate; see `Reference.compare`, which is faster for many."""
    return Reference(reference).compare(candidate)


def mel_distance(reference: FloatArray, candidate: FloatArray) -> float:
    """Mel distance of two waveforms of equal length, symmetric, and exactly 0 for equal waveforms.

    Raises:
        LengthMismatchError: The lengths differ.
        WaveformError: A waveform is not finite, floating, mono or long enough.
    """
    return _compare_whole(reference, candidate).mel_distance


def added_noise_db(reference: FloatArray, candidate: FloatArray) -> float:
    """Energy that the candidate adds, in dB; not symmetric. Waveforms of equal length.

    Raises:
        LengthMismatchError: The lengths differ.
        WaveformError: A waveform is not finite, floating, mono or long enough.
    """
    return _compare_whole(reference, candidate).added_noise_db


def frames_moved(reference_durations: ArrayLike, candidate_durations: ArrayLike) -> int:
    """How many duration frames of 25 ms (600 samples) were given to or taken from phonemes.

    The sum over phonemes of the absolute difference of their durations. A frame that passes from one phoneme
    to the next counts twice, since both changed, although the sentence keeps its length.

    Args:
        reference_durations: Whole frame counts, shape [phonemes].
        candidate_durations: Whole frame counts of the same phonemes, shape [phonemes].

    Raises:
        DurationError: Unequal shapes, or values that are not whole and non-negative.
    """
    reference = _frame_counts(reference_durations, "reference")
    candidate = _frame_counts(candidate_durations, "candidate")
    if reference.shape != candidate.shape:
        raise DurationError(
            f"the durations are of {reference.size} and of {candidate.size} phonemes",
            "compare renderings of the same phonemes",
        )
    return int(np.abs(reference - candidate).sum())


def _compare_whole(reference: FloatArray, candidate: FloatArray) -> Comparison:
    """Compares two waveforms that must be of equal length."""
    comparison = compare(reference, candidate)
    if not comparison.same_length:
        raise LengthMismatchError(
            f"the waveforms have {reference.size} and {candidate.size} samples",
            "pin the durations to the reference, or use compare(), which states the difference",
        )
    return comparison


def _root_mean_square(values: NDArray[np.float64]) -> float:
    """The quadratic mean of all values."""
    return float(np.sqrt(np.mean(np.square(values))))


def _frame_counts(durations: ArrayLike, name: str) -> NDArray[np.int64]:
    """Durations as integers, shape [phonemes]."""
    values = np.asarray(durations)
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.number):
        raise DurationError(f"the {name} durations have shape {list(values.shape)}, not [phonemes]", _DURATION_HINT)
    counts = values.astype(np.int64) if np.isfinite(values).all() else np.full(values.shape, -1)
    if (counts != values).any() or (counts < 0).any():
        raise DurationError(f"the {name} durations are not whole frame counts", _DURATION_HINT)
    return counts


_DURATION_HINT = "give the model's duration output for one sentence"
