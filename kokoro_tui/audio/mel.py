"""Log-mel spectrogram in the convention in which all mel distances of this project are stated.

24 kHz, 1,024-point FFT every 256 samples under a periodic Hann window, frames centred on their sample with
reflected edges, power (magnitude squared), 80 triangular bands from 0 to 12 kHz that are evenly spaced on the
HTK mel scale and not area-normalised, natural logarithm of energy + 1e-8. Everything is computed in float64.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, check_waveform

N_FFT = 1024
"""Samples per analysis window (42.7 ms)."""

HOP_LENGTH = 256
"""Samples from one frame to the next (10.7 ms)."""

N_MELS = 80
"""Mel bands."""

MAX_HZ = SAMPLE_RATE / 2
"""Upper edge of the highest band, in Hz."""

LOG_FLOOR = 1e-8
"""Energy added before the logarithm; digital silence reads ln(1e-8) = -18.4."""

LEAST_SAMPLES = N_FFT // 2 + 1
"""Reflecting half a window at each edge needs one sample more than that."""

_BLOCK_FRAMES = 64
"""Frames that are transformed at once: all of them at once would take 25 kB for each, 2.3 MB for a second."""


def hz_to_mel(hz: FloatArray | float) -> FloatArray:
    """The HTK mel scale, 2595·log10(1 + f / 700) (The HTK Book, section 5.4.2)."""
    return 2595.0 * np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0)


def mel_to_hz(mel: FloatArray | float) -> FloatArray:
    """The inverse of `hz_to_mel`, in Hz."""
    return 700.0 * (10.0 ** (np.asarray(mel, dtype=np.float64) / 2595.0) - 1.0)


@cache
def mel_filterbank() -> NDArray[np.float64]:
    """Weights of each FFT bin in each mel band.

    Returns:
        Read-only array of shape [N_FFT // 2 + 1, N_MELS]; each column is a triangle of height 1 over
        frequency in Hz, from the centre of the band below to the centre of the band above.
    """
    bin_hz = np.linspace(0.0, SAMPLE_RATE / 2, N_FFT // 2 + 1)[:, np.newaxis]
    edges_hz = mel_to_hz(np.linspace(0.0, hz_to_mel(MAX_HZ), N_MELS + 2))
    lower, centre, upper = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising = (bin_hz - lower) / (centre - lower)
    falling = (upper - bin_hz) / (upper - centre)
    weights = np.maximum(0.0, np.minimum(rising, falling))
    weights.flags.writeable = False
    return weights


@cache
def _window() -> NDArray[np.float64]:
    """The periodic Hann window, shape [N_FFT]."""
    # np.hanning is the symmetric window; the periodic one of N points is that of N + 1 without its last.
    return np.hanning(N_FFT + 1)[:-1]


def mel_energy(waveform: FloatArray, *, name: str = "given") -> NDArray[np.float64]:
    """Mel energies of a waveform.

    Args:
        waveform: Finite mono samples at 24 kHz, shape [samples], at least `LEAST_SAMPLES`.
        name: What to call the waveform if it is refused.

    Returns:
        Energies, shape [N_MELS, 1 + samples // HOP_LENGTH].

    Raises:
        WaveformError: The waveform is not finite, floating, mono or long enough.
    """
    check_waveform(waveform, name=name, least_samples=LEAST_SAMPLES)
    padded = np.pad(waveform, N_FFT // 2, mode="reflect")  # a block becomes float64 under the window
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    energy = np.empty((N_MELS, len(frames)))
    for start in range(0, len(frames), _BLOCK_FRAMES):
        block = frames[start : start + _BLOCK_FRAMES]
        spectrum = np.fft.rfft(block * _window(), axis=1)
        power = spectrum.real**2 + spectrum.imag**2
        energy[:, start : start + len(block)] = (power @ mel_filterbank()).T
    return energy


def log_mel(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Natural logarithm of mel energies above `LOG_FLOOR`, in the shape of `energy`."""
    return np.log(energy + LOG_FLOOR)
