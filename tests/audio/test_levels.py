"""One loudness for all that is compared."""

from __future__ import annotations

from math import log10

import numpy as np
import pytest

from kokoro_tui.audio.levels import level_gains, loudness_energy, match_levels
from kokoro_tui.audio.waveform import Waveform
from tests.audio.signals import noise, sine

A = noise(0.5, seed=1)
B = noise(0.5, seed=2)


def _lkfs(track: Waveform) -> float:
    """Loudness as BS.1770 states it."""
    return -0.691 + 10 * log10(loudness_energy(track) / track.size)


def test_the_reference_tone_of_the_standard_has_its_loudness() -> None:
    """A full-scale sine of 997 Hz in one channel reads -3.01 LKFS (ITU-R BS.1770-4, annex 1)."""
    assert _lkfs(sine(997.0, 2.0, amplitude=1.0)) == pytest.approx(-3.01, abs=0.01)


def test_low_tones_count_less_and_high_ones_more() -> None:
    """The high-pass has its edge at 38 Hz, the shelf lifts what lies above 2 kHz (BS.1770-4, figures 2 and 4)."""
    middle = _lkfs(sine(997.0, 2.0))
    assert _lkfs(sine(10_000.0, 2.0)) - middle == pytest.approx(3.3, abs=0.3)
    assert _lkfs(sine(38.0, 2.0)) - middle < -5.0


def test_a_constant_offset_is_not_heard() -> None:
    gains = level_gains([A, A + np.float32(0.05)])
    assert gains[1] / gains[0] == pytest.approx(1.0, abs=1e-3)


def test_levels_follow_the_first_track_which_stays_as_it_is() -> None:
    first, second = match_levels([A, 3 * B])
    np.testing.assert_array_equal(first, A)
    assert loudness_energy(second) == pytest.approx(loudness_energy(A), rel=1e-5)
    assert second.dtype == np.float32


def test_silence_around_a_sentence_counts_for_nothing() -> None:
    gains = level_gains([A, np.pad(A, (3000, A.size))])
    assert gains[1] / gains[0] == pytest.approx(1.0, rel=1e-3)


def test_levels_never_clip_and_stay_matched() -> None:
    peaky = np.zeros(2400, dtype=np.float32)
    peaky[::240] = 0.5
    first, second = match_levels([sine(440.0, 0.1, amplitude=0.9), peaky])
    assert max(np.abs(first).max(), np.abs(second).max()) == pytest.approx(1.0)
    assert max(np.abs(first).max(), np.abs(second).max()) <= 1.0
    assert loudness_energy(first) == pytest.approx(loudness_energy(second), rel=1e-5)


def test_silence_has_no_level_to_match() -> None:
    silence = np.zeros(100, dtype=np.float32)
    np.testing.assert_array_equal(match_levels([A, silence])[1], silence)
    np.testing.assert_array_equal(match_levels([silence, A])[1], A)
    assert loudness_energy(np.zeros(0, dtype=np.float32)) == 0.0
