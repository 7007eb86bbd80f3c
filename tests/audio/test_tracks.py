"""Two renderings at one level and on one time axis, and where they differ most."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoro_tui.audio.align import DURATION_FRAME, MAX_OFFSET_SECONDS, TimeMap, find_offset
from kokoro_tui.audio.distance import DurationError
from kokoro_tui.audio.levels import match_levels
from kokoro_tui.audio.tracks import difference_curve, prepare_tracks, worst_window
from kokoro_tui.audio.waveform import SAMPLE_RATE, WaveformError
from tests.audio.signals import noise, speech_like

SPEECH = speech_like(2.0)
HISS = noise(2.0, 0.01, seed=5)
UNIQUE = SPEECH + noise(2.0, 0.1, seed=8)
"""No part of it is like another, as in `SPEECH`, whose bursts are all the same."""


# Preparing


def test_renderings_of_one_length_are_level_matched_and_subtracted() -> None:
    tracks = prepare_tracks(SPEECH, 0.5 * SPEECH + HISS)
    np.testing.assert_array_equal(tracks.a, SPEECH)
    np.testing.assert_array_equal(tracks.b, match_levels([SPEECH, 0.5 * SPEECH + HISS])[1])
    np.testing.assert_array_equal(tracks.difference, tracks.b - tracks.a)
    assert tracks.gains[0] == 1.0
    assert 1.8 < tracks.gains[1] < 2.0, "the hiss counts for something"
    assert (tracks.offset, tracks.time_map) == (0, None)
    assert {track.dtype for track in (tracks.a, tracks.b, tracks.difference)} == {np.dtype(np.float32)}


def test_equal_renderings_have_no_difference() -> None:
    assert not prepare_tracks(SPEECH, SPEECH.copy()).difference.any()


@given(late=st.integers(-6000, 6000).filter(bool), tail=st.integers(0, 900))
@settings(max_examples=15, deadline=None)
def test_a_shifted_rendering_is_found_and_aligned_to_the_sample(late: int, tail: int) -> None:
    shifted = np.pad(UNIQUE, (late, tail + 1)) if late > 0 else UNIQUE[-late:]
    tracks = prepare_tracks(UNIQUE, 0.7 * shifted)
    assert tracks.offset == late
    assert tracks.a.size == tracks.b.size == tracks.difference.size
    start = max(late, -late)
    common = slice(start, start + UNIQUE.size - 6000)
    gain = tracks.gains[1] * 0.7 / tracks.gains[0]
    np.testing.assert_allclose(tracks.difference[common], (gain - 1) * tracks.a[common], atol=1e-5)


def test_what_does_not_correlate_is_not_shifted() -> None:
    assert find_offset(noise(1.0, seed=1), noise(1.1, seed=2)) == 0
    assert find_offset(np.zeros(100, dtype=np.float32), noise(0.1)) == 0


@pytest.mark.parametrize("late", [-7000, -1, 1, 7000])
@pytest.mark.parametrize("seconds", [0.4, 4.0])
def test_a_shift_is_found_whatever_the_lengths(seconds: float, late: int) -> None:
    sound = noise(seconds + 1.0, seed=3)
    original = sound[8000 : 8000 + round(seconds * SAMPLE_RATE)]
    assert find_offset(original, sound[8000 - late :]) == late
    assert find_offset(original, sound[8000 - late : 8000 - late + original.size - 500]) == late


def test_no_shift_is_larger_than_the_bound() -> None:
    far = round(MAX_OFFSET_SECONDS * SAMPLE_RATE) + 2400
    assert abs(find_offset(SPEECH, np.pad(SPEECH, (far, 0)))) <= MAX_OFFSET_SECONDS * SAMPLE_RATE


def test_the_difference_is_taken_with_the_pinned_rendering_at_the_gain_of_the_free_one() -> None:
    free = np.pad(0.5 * SPEECH, (0, DURATION_FRAME))
    pinned = 0.5 * SPEECH + HISS
    time_map = TimeMap.from_durations([40, 40], [40, 41])
    tracks = prepare_tracks(SPEECH, free, pinned=pinned, time_map=time_map)
    expected = pinned.astype(np.float64) * tracks.gains[1] - SPEECH
    np.testing.assert_allclose(tracks.difference[: SPEECH.size], expected, atol=1e-6)
    assert tracks.time_map is time_map
    assert tracks.offset == 0


def test_without_a_pinned_rendering_moved_phonemes_are_straightened() -> None:
    """The third of four phonemes is two frames longer; all others are the same sound."""
    parts = [noise(0.25, seed=n) for n in range(4)]
    longer = np.concatenate([*parts[:2], np.repeat(parts[2], 6)[::5][: 12 * DURATION_FRAME], parts[3]])
    original = np.concatenate(parts)
    time_map = TimeMap.from_durations([10, 10, 10, 10], [10, 10, 12, 10])
    tracks = prepare_tracks(original, longer, time_map=time_map)
    gain = tracks.gains[1] / tracks.gains[0]
    for index in (0, 1, 3):
        span = slice(index * 6000, (index + 1) * 6000)
        np.testing.assert_allclose(tracks.difference[span], (gain - 1) * tracks.a[span], atol=1e-5)


@pytest.mark.parametrize(("original", "candidate", "name"), [(SPEECH, SPEECH * np.nan, "candidate")])
def test_broken_renderings_are_refused(original: np.ndarray, candidate: np.ndarray, name: str) -> None:
    with pytest.raises(WaveformError, match=f"{name} waveform holds NaN"):
        prepare_tracks(original, candidate)


# Time maps


def test_unmoved_durations_need_no_map() -> None:
    assert TimeMap.from_durations([3, 2, 4], [3, 2, 4]) is None


def test_a_map_goes_through_the_ends_of_the_phonemes() -> None:
    time_map = TimeMap.from_durations([4, 4, 4], [4, 6, 3])
    assert time_map is not None
    for axis, track in [(0.0, 0.0), (0.1, 0.1), (0.15, 0.175), (0.2, 0.25), (0.3, 0.325), (0.5, 0.525)]:
        assert time_map.to_track(axis) == pytest.approx(track)
        assert time_map.to_axis(track) == pytest.approx(axis)


def test_a_phoneme_that_vanishes_does_not_make_the_map_jump() -> None:
    time_map = TimeMap.from_durations([4, 1, 4], [4, 0, 5])
    assert time_map is not None
    assert (np.diff(time_map.axis) > 0).all() and (np.diff(time_map.track) > 0).all()


def test_durations_of_other_phonemes_are_refused() -> None:
    with pytest.raises(DurationError, match="of 3 and of 2 phonemes"):
        TimeMap.from_durations([1, 2, 3], [1, 2])


# The worst half second


@pytest.mark.parametrize("rate", [24_000, 48_000])
def test_the_worst_half_second_holds_the_disturbance(rate: int) -> None:
    clean = speech_like(3.0) if rate == SAMPLE_RATE else np.repeat(speech_like(3.0), 2)
    disturbed = clean.copy()
    burst = slice(round(1.9 * rate), round(2.2 * rate))
    disturbed[burst] += np.random.default_rng(1).normal(0, 0.05, burst.stop - burst.start).astype(np.float32)
    start, end = worst_window(clean, disturbed, rate)
    assert end - start == pytest.approx(0.5)
    assert start <= 1.92 and end >= 2.18


def test_short_and_equal_renderings_have_a_worst_window_too() -> None:
    assert worst_window(SPEECH[:6000], SPEECH[:6000] + 0.1) == (0.0, 0.25)
    assert worst_window(SPEECH, SPEECH) == (0.0, 0.5)


def test_the_worst_window_stays_within_what_both_have() -> None:
    disturbed = SPEECH[:40_000].copy()
    disturbed[-2000:] += noise(2000 / SAMPLE_RATE, 0.2)
    start, end = worst_window(SPEECH, disturbed)
    assert end == pytest.approx(40_000 / SAMPLE_RATE, abs=0.02)
    assert end <= 40_000 / SAMPLE_RATE
    assert end - start == pytest.approx(0.5)


def test_what_nobody_hears_makes_no_difference() -> None:
    """Hiss 80 dB under the peak lies under the floor; the same hiss at 30 dB under it does not."""
    faint = difference_curve(SPEECH, SPEECH + noise(2.0, 1e-5, seed=9))
    loud = difference_curve(SPEECH, SPEECH + noise(2.0, 0.01, seed=9))
    assert faint.max() < 0.1
    assert loud.max() > 3.0
    assert faint.shape == (1 + SPEECH.size // 256,)
