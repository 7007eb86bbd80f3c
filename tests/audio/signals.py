"""Waveforms that the audio tests measure and play."""

from __future__ import annotations

import numpy as np

from kokoro_tui.audio.waveform import SAMPLE_RATE, Waveform


def sine(hz: float, seconds: float, amplitude: float = 0.5, rate: int = SAMPLE_RATE) -> Waveform:
    """A pure tone that begins at phase 0."""
    times = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def noise(seconds: float, amplitude: float = 0.1, seed: int = 0) -> Waveform:
    """Seeded white noise of the given standard deviation."""
    samples = np.random.default_rng(seed).normal(0.0, amplitude, round(seconds * SAMPLE_RATE))
    return samples.astype(np.float32)


def speech_like(seconds: float = 1.0) -> Waveform:
    """A buzz of harmonics under a slow envelope that falls silent in between, over faint noise."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz = sum(np.sin(2 * np.pi * 120 * harmonic * times) / harmonic for harmonic in range(1, 40))
    envelope = np.maximum(0.0, np.sin(2 * np.pi * 3 * times))
    return (0.2 * buzz * envelope + noise(seconds, 1e-5)).astype(np.float32)
