"""What is heard and seen of two renderings: both at one level and on one time axis, and their difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kokoro_tui.audio.align import TimeMap, find_offset
from kokoro_tui.audio.distance import NOISE_FLOOR_DB
from kokoro_tui.audio.levels import amplify, level_gains
from kokoro_tui.audio.mel import HOP_LENGTH, LEAST_SAMPLES, LOG_FLOOR, mel_energy
from kokoro_tui.audio.resample import resample
from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, Waveform, check_waveform

WORST_SECONDS = 0.5
"""Length of the stretch that `worst_window` looks for."""


@dataclass(frozen=True, eq=False)
class Tracks:
    """An original and a candidate, made comparable."""

    a: Waveform
    """The original at 24 kHz, float32, shape [samples]."""
    b: Waveform
    """The candidate as loud as the original, shape [samples] like `a`; the shorter one ends in silence."""
    difference: Waveform
    """Candidate minus original where the same phoneme sounds in both, shape [samples] like `a`."""
    gains: tuple[float, float]
    """Factors that the original and the candidate were multiplied by."""
    offset: int
    """By how many samples the candidate was late; the earlier of both got as much silence in front."""
    time_map: TimeMap | None = None
    """Where in `b` each place of `a` is; None where both run in step."""


def prepare_tracks(
    original: FloatArray,
    candidate: FloatArray,
    *,
    pinned: FloatArray | None = None,
    time_map: TimeMap | None = None,
) -> Tracks:
    """Level-matches and aligns two renderings of one sentence, and takes their difference.

    Levels follow `levels.level_gains`. Renderings of equal length run in step. Others are shifted by
    the peak of their cross-correlation, or follow the durations where a map of them is given.

    Args:
        original: Finite mono samples at 24 kHz, shape [samples].
        candidate: The same of the other model, shape [any].
        pinned: The candidate held to the original's durations, if there is such a rendering: the difference is
            then taken with it. It gets the gain of `candidate`.
        time_map: From the original's time to the candidate's.

    Raises:
        WaveformError: A rendering is not finite, floating or mono, or holds no sample.
    """
    check_waveform(original, name="original")
    check_waveform(candidate, name="candidate")
    offset = find_offset(original, candidate) if time_map is None else 0
    gains = level_gains([original, candidate])
    silence = max(0, offset), max(0, -offset)
    samples = max(silence[0] + original.size, silence[1] + candidate.size)
    a = _placed(amplify(original, gains[0]), silence[0], samples)
    b = _placed(amplify(candidate, gains[1]), silence[1], samples)
    if pinned is not None:
        check_waveform(pinned, name="pinned candidate")
        straight = _placed(amplify(pinned, gains[1]), 0, samples)
    else:
        straight = b if time_map is None else time_map.straighten(b, samples)
    return Tracks(a, b, straight - a, (gains[0], gains[1]), offset, time_map)


def worst_window(original: FloatArray, candidate: FloatArray, rate: int = SAMPLE_RATE) -> tuple[float, float]:
    """The half second in which two aligned renderings differ most, as `difference_curve` measures it.

    Args:
        original: Finite mono samples, shape [samples].
        candidate: The same of the other rendering, level-matched and in step; what only one has is left out.
        rate: Samples per second of both.

    Returns:
        Start and end in seconds; the whole of shorter renderings, the first half second of equal ones.

    Raises:
        WaveformError: A rendering is not finite, floating or mono, or holds no sample.
    """
    seconds = min(original.size, candidate.size) / rate
    if seconds <= WORST_SECONDS:
        return 0.0, seconds
    curve = difference_curve(resample(original, rate, SAMPLE_RATE), resample(candidate, rate, SAMPLE_RATE))
    return worst_of(curve, seconds)


def worst_of(curve: NDArray[np.float64], seconds: float) -> tuple[float, float]:
    """The half second in which a difference curve has most energy, as start and end in seconds.

    Args:
        curve: From `difference_curve`, shape [frames].
        seconds: Length of the renderings.
    """
    length = min(WORST_SECONDS, seconds)
    frames = max(1, min(curve.size, round(length * SAMPLE_RATE / HOP_LENGTH)))
    sums = np.concatenate(([0.0], np.cumsum(np.square(curve))))
    energies = sums[frames:] - sums[:-frames]
    start = min(int(np.argmax(energies)) * HOP_LENGTH / SAMPLE_RATE, seconds - length)
    return start, start + length


def difference_curve(original: FloatArray, candidate: FloatArray) -> NDArray[np.float64]:
    """How far apart two aligned renderings are from moment to moment.

    The root mean square over the mel bands of the level difference in dB, where neither level counts below 60 dB
    under the loudest cell of the original, so that differences in silence that nobody hears do not.

    Args:
        original: Finite mono samples at 24 kHz, shape [samples].
        candidate: The same of the other rendering.

    Returns:
        dB, shape [frames], one frame every 256 samples over what both have.

    Raises:
        WaveformError: A rendering is not finite, floating or mono, or holds no sample.
    """
    levels = [mel_levels(track) for track in (original, candidate)]
    return curve_of(difference_levels(*levels))


def mel_levels(track: FloatArray) -> NDArray[np.float64]:
    """Mel energies in dB, shape [bands, frames]; tracks too short for one window are filled up with silence.

    Raises:
        WaveformError: The track is not finite, floating or mono, or holds no sample.
    """
    check_waveform(track, name="given")
    long_enough = track if track.size >= LEAST_SAMPLES else _placed(track, 0, LEAST_SAMPLES)
    levels = mel_energy(long_enough)
    levels += LOG_FLOOR
    np.log10(levels, out=levels)
    levels *= 10.0
    return levels


def difference_levels(original: NDArray[np.float64], candidate: NDArray[np.float64]) -> NDArray[np.float64]:
    """Level of the candidate above the original in dB, both at least 60 dB under the original's loudest cell.

    Args:
        original: From `mel_levels`, shape [bands, frames].
        candidate: The same of the other rendering.

    Returns:
        Positive where the candidate adds energy, shape [bands, common frames].
    """
    floor = float(original.max()) + NOISE_FLOOR_DB
    frames = min(original.shape[1], candidate.shape[1])
    return np.maximum(candidate[:, :frames], floor) - np.maximum(original[:, :frames], floor)


def curve_of(difference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square over the bands, shape [frames]."""
    return np.asarray(np.sqrt(np.mean(np.square(difference), axis=0)))


def _placed(track: FloatArray, start: int, samples: int) -> Waveform:
    """A track amid silence, shape [samples]; what would stand behind that is cut."""
    placed = np.zeros(samples, np.float32)
    placed[start : start + track.size] = track[: samples - start]
    return placed
