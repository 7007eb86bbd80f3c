"""Change of sample rate."""

from __future__ import annotations

import numpy as np
import pytest

from kokoro_tui.audio.resample import resample
from tests.audio.signals import noise, sine


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_a_tone_stays_the_same_tone(rate: int) -> None:
    resampled = resample(sine(1000.0, 1.0), 24_000, rate)
    expected = sine(1000.0, 1.0, rate=rate)
    assert resampled.dtype == np.float32
    assert resampled.size == rate
    edge = rate // 10
    np.testing.assert_allclose(resampled[edge:-edge], expected[edge:-edge], atol=2e-4)


def test_doubling_the_rate_keeps_every_sample_in_place() -> None:
    waveform = noise(0.2)
    np.testing.assert_allclose(resample(waveform, 24_000, 48_000)[::2], waveform, atol=1e-6)


def test_equal_rates_change_nothing() -> None:
    waveform = noise(0.2)
    np.testing.assert_array_equal(resample(waveform, 24_000, 24_000), waveform)


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    assert np.abs(resample(sine(7000.0, 0.5), 24_000, 8_000)[400:-400]).max() < 2e-3


def test_the_end_does_not_ring_into_the_start() -> None:
    waveform = np.concatenate([np.zeros(2400), np.ones(2400)]).astype(np.float32)
    assert np.abs(resample(waveform, 24_000, 44_100)[:1000]).max() < 2e-3
