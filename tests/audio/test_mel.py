"""The spectrogram against a computation from the definitions, term by term."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest

from kokoro_tui.audio.mel import (
    HOP_LENGTH,
    LEAST_SAMPLES,
    LOG_FLOOR,
    N_FFT,
    N_MELS,
    hz_to_mel,
    log_mel,
    mel_energy,
    mel_filterbank,
    mel_to_hz,
)
from kokoro_tui.audio.waveform import FloatArray, WaveformError
from tests.audio.signals import noise, sine


def _triangle(bin_index: int, band: int) -> float:
    """One weight of the HTK filterbank, in scalar arithmetic."""
    top = 2595.0 * math.log10(1.0 + 12_000.0 / 700.0)
    lower, centre, upper = (
        700.0 * (math.pow(10.0, top * (band + offset) / 81.0 / 2595.0) - 1.0) for offset in range(3)
    )
    hz = bin_index * 24_000.0 / 1024.0
    if lower < hz <= centre:
        return (hz - lower) / (centre - lower)
    if centre < hz < upper:
        return (upper - hz) / (upper - centre)
    return 0.0


def _direct_power(samples: FloatArray, frame: int) -> list[float]:
    """Power spectrum of one frame by the defining sum of the discrete Fourier transform."""
    last = len(samples) - 1
    windowed = []
    for tap in range(1024):
        place = abs(frame * 256 - 512 + tap)
        place = place if place <= last else 2 * last - place
        windowed.append(float(samples[place]) * (0.5 - 0.5 * math.cos(2 * math.pi * tap / 1024)))
    turns = [cmath.exp(-2j * math.pi * step / 1024) for step in range(1024)]
    return [
        abs(sum(value * turns[bin_index * tap % 1024] for tap, value in enumerate(windowed))) ** 2
        for bin_index in range(513)
    ]


def test_filterbank_is_the_htk_definition() -> None:
    expected = [[_triangle(bin_index, band) for band in range(80)] for bin_index in range(513)]
    np.testing.assert_allclose(mel_filterbank(), expected, rtol=0, atol=1e-12)


def test_every_band_hears_some_bin() -> None:
    assert mel_filterbank().shape == (N_FFT // 2 + 1, N_MELS)
    assert mel_filterbank().sum(axis=0).min() > 0.2


def test_filterbank_is_computed_once_and_cannot_be_changed() -> None:
    assert mel_filterbank() is mel_filterbank()
    with pytest.raises(ValueError, match="read-only"):
        mel_filterbank()[0, 0] = 1.0


def test_mel_scale_has_its_published_anchor_and_inverts() -> None:
    assert hz_to_mel(1000.0) == pytest.approx(999.9855, abs=1e-3)
    np.testing.assert_allclose(mel_to_hz(hz_to_mel(np.array([0.0, 440.0, 12_000.0]))), [0.0, 440.0, 12_000.0])


@pytest.mark.parametrize("frame", [0, 2, 5])
def test_energy_is_the_definition_at_both_edges_and_between(frame: int) -> None:
    waveform = noise(1400 / 24_000)
    expected = np.array(_direct_power(waveform, frame)) @ mel_filterbank()
    np.testing.assert_allclose(mel_energy(waveform)[:, frame], expected, rtol=1e-9)


def test_frames_are_one_more_than_whole_hops() -> None:
    assert mel_energy(noise(1.0)).shape == (N_MELS, 1 + 24_000 // HOP_LENGTH)
    assert mel_energy(sine(440.0, 1.0)[:LEAST_SAMPLES]).shape == (N_MELS, 1 + LEAST_SAMPLES // HOP_LENGTH)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    energy = mel_energy(sine(1000.0, 0.5))
    spacing = float(hz_to_mel(12_000.0)) / (N_MELS + 1)
    assert int(energy[:, 20].argmax()) == round(float(hz_to_mel(1000.0)) / spacing) - 1


def test_digital_silence_reads_the_log_floor() -> None:
    silence = log_mel(mel_energy(np.zeros(24_000, dtype=np.float32)))
    assert (silence == math.log(LOG_FLOOR)).all()


def test_a_clip_too_short_to_reflect_is_refused() -> None:
    with pytest.raises(WaveformError, match="has 512 samples, fewer than 513"):
        mel_energy(sine(440.0, 1.0)[: LEAST_SAMPLES - 1])
