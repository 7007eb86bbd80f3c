"""Change of sample rate for devices that refuse 24 kHz.

A rendering is a finite clip that is at hand whole, so the ideal band-limited interpolation is one Fourier
transform, padded or cut, and its inverse. That is exact up to float64 rounding, as no polyphase filter of a
library is, and it runs once per rendering, not in the audio callback; hence no dependency for it.
"""

from __future__ import annotations

from math import ceil, gcd

import numpy as np

from kokoro_tui.audio.transform import fast_length
from kokoro_tui.audio.waveform import FloatArray, Waveform

_SILENCE_SECONDS = 0.05
"""Silence appended, since the transform is periodic and the clip's end would ring into its start."""


def resample(waveform: FloatArray, source_rate: int, target_rate: int) -> Waveform:
    """The same sound at another sample rate.

    Args:
        waveform: Finite mono samples at `source_rate`, shape [samples].
        source_rate: Samples per second of `waveform`.
        target_rate: Samples per second wanted.

    Returns:
        Float32 samples at `target_rate`, shape [ceil(samples · target_rate / source_rate)]; with equal rates
        the samples are unchanged. The interpolation may overshoot full scale a little.
    """
    if source_rate == target_rate:
        return waveform.astype(np.float32, copy=False)
    divisor = gcd(source_rate, target_rate)
    up, down = target_rate // divisor, source_rate // divisor
    # A whole number of blocks of `down` samples becomes a whole number of blocks of `up` samples.
    blocks = fast_length(ceil((waveform.size + _SILENCE_SECONDS * source_rate) / down))
    spectrum = np.fft.rfft(waveform.astype(np.float64), blocks * down)
    if up > down and blocks * down % 2 == 0:
        # The bin at the old Nyquist frequency stands for two bins of the longer transform.
        spectrum[-1] *= 0.5
    resampled = np.fft.irfft(spectrum, blocks * up) * (up / down)
    return resampled[: ceil(waveform.size * up / down)].astype(np.float32)
