"""One rule for how loud renderings are against each other, for every place where they are heard or judged.

Loudness is the K-weighted energy of ITU-R BS.1770-4 without its gate: the gate is there for programmes with
pauses of their own, and renderings of one sentence share theirs. Unlike the plain root mean square it passes
over a constant offset and rumble, which quantized output layers add and nobody hears as louder speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kokoro_tui.audio.transform import fast_length
from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, Waveform

_FILTER_RATE = 48_000
"""The rate in Hz for which BS.1770 states its coefficients; their response holds for any lower rate too."""
_SHELF = ((1.53512485958697, -2.69169618940638, 1.19839281085285), (1.0, -1.69065929318241, 0.73248077421585))
_HIGH_PASS = ((1.0, -2.0, 1.0), (1.0, -1.99004745483398, 0.99007225036621))
"""Numerator and denominator of both stages (ITU-R BS.1770-4, tables 1 and 2)."""
_BLOCK_BINS = 1 << 14
"""Frequencies that are weighted at once: the filter's response takes ten times what the spectrum does."""


def match_levels(tracks: Sequence[FloatArray]) -> tuple[Waveform, ...]:
    """Brings every track to the loudness of the first, by the gains of `level_gains`.

    Args:
        tracks: Finite mono samples at 24 kHz, shape [samples] each; the lengths may differ.

    Returns:
        Float32 copies in the same order, none beyond ±1.
    """
    return tuple(amplify(track, gain) for track, gain in zip(tracks, level_gains(tracks), strict=True))


def level_gains(tracks: Sequence[FloatArray]) -> tuple[float, ...]:
    """The factor for every track that makes all as loud as the first.

    The first keeps its level, unless some track would then exceed full scale: all are turned down alike until
    the loudest sample is at full scale. Silent tracks keep theirs.

    Args:
        tracks: Finite mono samples at 24 kHz, shape [samples] each; the lengths may differ.
    """
    energies = [loudness_energy(track) for track in tracks]
    gains = [(energies[0] / energy) ** 0.5 if energy and energies[0] else 1.0 for energy in energies]
    headroom = common_headroom([(track, gain) for track, gain in zip(tracks, gains, strict=True)])
    return tuple(gain * headroom for gain in gains)


def common_headroom(tracks: Sequence[tuple[FloatArray, float]]) -> float:
    """The factor, at most 1, by which all tracks at their gains stay within full scale."""
    peak = max(gain * float(np.abs(track).max(initial=0.0)) for track, gain in tracks)
    return min(1.0, 1.0 / peak) if peak else 1.0


def amplify(track: FloatArray, gain: float) -> Waveform:
    """A track times a factor, computed in float64 and rounded once; no sample exceeds full scale by rounding."""
    return np.multiply(track, gain, out=np.empty(track.shape, np.float32), dtype=np.float64, casting="same_kind")


def loudness_energy(track: FloatArray) -> float:
    """K-weighted energy of all samples together, 0 for silence; more silence around a sentence adds nothing.

    Args:
        track: Finite mono samples at 24 kHz, shape [samples].
    """
    if not track.size:
        return 0.0
    size = fast_length(track.size)
    spectrum = np.fft.rfft(track.astype(np.float64), size)
    power = spectrum.real**2
    power += spectrum.imag**2
    # By Parseval's theorem; every bin but the first and the last stands for two.
    power[1 : (size + 1) // 2] *= 2.0
    frequencies = np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE)
    blocks = (slice(start, start + _BLOCK_BINS) for start in range(0, power.size, _BLOCK_BINS))
    return sum(float(power[block] @ _weights(frequencies[block])) for block in blocks) / size


def _weights(frequencies: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Squared magnitude of the K-weighting filter at frequencies in Hz."""
    step = np.exp(-2j * np.pi * frequencies / _FILTER_RATE)
    weights = np.ones(frequencies.shape)
    for numerator, denominator in (_SHELF, _HIGH_PASS):
        above = numerator[0] + step * (numerator[1] + step * numerator[2])
        below = denominator[0] + step * (denominator[1] + step * denominator[2])
        weights *= np.abs(above / below) ** 2
    return weights
