"""What the player's stream hears, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.mixer import RAMP_SECONDS, Mixer
from kokoro_tui.audio.waveform import SAMPLE_RATE, Waveform
from kokoro_tui.errors import InputError
from tests.audio.signals import noise, sine

RAMP = round(RAMP_SECONDS * SAMPLE_RATE)
A = noise(0.1, seed=1)
B = noise(0.1, seed=2)


def _mixer(*tracks: Waveform) -> Mixer:
    return Mixer(tracks or (A, B), RAMP)


def test_ramps_are_at_most_ten_milliseconds() -> None:
    assert 0 < RAMP_SECONDS <= 0.010


def test_nothing_sounds_before_play() -> None:
    mixer = _mixer()
    assert mixer.idle
    assert not mixer.render(500).any()
    assert mixer.position == 0


@given(block=st.integers(1, 700))
@settings(max_examples=20, deadline=None)
def test_a_whole_track_comes_out_unchanged_after_the_start_ramp(block: int) -> None:
    mixer = _mixer()
    mixer.play()
    heard = np.concatenate([mixer.render(block) for _ in range(A.size // block + 1)])
    np.testing.assert_array_equal(heard[RAMP : A.size], A[RAMP:])
    assert not heard[A.size :].any()
    assert (np.abs(heard[:RAMP]) <= np.abs(A[:RAMP])).all()


def test_at_the_end_playing_stops_and_the_position_returns() -> None:
    mixer = _mixer()
    mixer.play()
    mixer.render(A.size)
    assert (mixer.playing, mixer.idle, mixer.position) == (False, True, 0)
    mixer.play()
    np.testing.assert_array_equal(mixer.render(1000)[RAMP:], A[RAMP:1000])


@given(block=st.integers(1, 700), frame=st.integers(0, 2000))
@settings(max_examples=40, deadline=None)
def test_a_switch_begins_on_its_frame_and_is_an_equal_gain_crossfade(block: int, frame: int) -> None:
    mixer = _mixer()
    mixer.play()
    mixer.request_switch_at(frame, 1)
    heard = np.concatenate([mixer.render(block) for _ in range(A.size // block + 1)])[: A.size]
    begin = max(frame, RAMP) if frame else 0
    np.testing.assert_array_equal(heard[RAMP:begin], A[RAMP:begin])
    np.testing.assert_array_equal(heard[begin + RAMP :], B[begin + RAMP :])
    if frame:
        weight = 0.5 - 0.5 * np.cos(np.pi * np.arange(1, RAMP + 1) / (RAMP + 1))
        span = slice(begin, begin + RAMP)
        np.testing.assert_allclose(heard[span], (1 - weight) * A[span] + weight * B[span], atol=1e-6)
    assert mixer.which == 1


def test_switching_between_equal_tracks_cannot_be_heard() -> None:
    mixer = _mixer(A, A.copy())
    mixer.play()
    mixer.request_switch_at(1000, 1)
    np.testing.assert_array_equal(mixer.render(A.size)[RAMP:], A[RAMP:])


def test_no_step_of_a_switch_is_larger_than_the_signals_allow() -> None:
    mixer = _mixer(sine(200.0, 0.5), -sine(200.0, 0.5))
    mixer.play()
    mixer.request_switch_at(5000, 1)
    steps = np.abs(np.diff(mixer.render(10_000)))
    assert steps.max() < 0.5 * (2 * np.pi * 200 / SAMPLE_RATE + np.pi / RAMP)


def test_a_switch_asked_for_now_begins_with_the_next_block() -> None:
    mixer = _mixer()
    mixer.play()
    mixer.render(500)
    mixer.switch(1)
    assert mixer.which == 1
    np.testing.assert_array_equal(mixer.render(1000)[RAMP:], B[500 + RAMP : 1500])


def test_a_switch_back_within_the_ramp_waits_for_its_end() -> None:
    mixer = _mixer()
    mixer.play()
    mixer.render(500)
    mixer.switch(1)
    mixer.render(10)
    mixer.switch(0)
    np.testing.assert_array_equal(mixer.render(1000)[2 * RAMP - 10 :], A[500 + 2 * RAMP : 1510])


def test_a_switch_while_silent_is_heard_from_the_start() -> None:
    mixer = _mixer()
    mixer.switch(1)
    mixer.play()
    np.testing.assert_array_equal(mixer.render(1000)[RAMP:], B[RAMP:1000])


def test_pause_keeps_the_position_and_resumes_there() -> None:
    mixer = _mixer()
    mixer.play()
    mixer.render(600)
    mixer.pause()
    tail = mixer.render(600)
    assert np.abs(tail[:RAMP]).max() > 0.01
    assert not tail[RAMP:].any()
    assert (mixer.idle, mixer.position) == (True, 600)
    mixer.play()
    np.testing.assert_array_equal(mixer.render(600)[RAMP:], A[600 + RAMP : 1200])


def test_stop_returns_to_the_start() -> None:
    mixer = _mixer()
    mixer.play()
    mixer.render(600)
    mixer.stop()
    assert mixer.position == 0
    assert not mixer.render(600)[RAMP:].any()
    assert (mixer.idle, mixer.position) == (True, 0)


def test_play_from_a_position_and_seek_while_playing_and_while_silent() -> None:
    mixer = _mixer()
    mixer.play(800)
    np.testing.assert_array_equal(mixer.render(400)[RAMP:], A[800 + RAMP : 1200])
    mixer.seek(100)
    np.testing.assert_array_equal(mixer.render(400)[RAMP:], A[100 + RAMP : 500])
    mixer.stop()
    mixer.render(400)
    mixer.seek(300)
    assert mixer.position == 300
    mixer.play()
    np.testing.assert_array_equal(mixer.render(400)[RAMP:], A[300 + RAMP : 700])


@pytest.mark.parametrize(("asked", "given_position"), [(-5, 0), (10**9, A.size - 1)])
def test_seeking_past_an_end_is_clamped(asked: int, given_position: int) -> None:
    mixer = _mixer()
    mixer.seek(asked)
    assert mixer.position == given_position


def test_a_seek_that_arrives_just_before_the_end_is_carried_out() -> None:
    mixer = _mixer()
    mixer.play(A.size - 130)
    mixer.render(125)
    mixer.switch(1)
    mixer.render(1)
    mixer.seek(700)
    mixer.render(200)
    assert mixer.playing
    assert 700 < mixer.position < 900


def test_a_shorter_track_ends_in_silence() -> None:
    mixer = _mixer(A, B[:1000])
    mixer.switch(1)
    mixer.play()
    heard = mixer.render(A.size)
    np.testing.assert_array_equal(heard[RAMP:1000], B[RAMP:1000])
    assert not heard[1000:].any()
    assert mixer.idle


def test_a_mixer_without_frames_stays_silent() -> None:
    mixer = _mixer(np.zeros(0, dtype=np.float32))
    mixer.play()
    assert mixer.idle
    assert not mixer.render(100).any()


def test_halt_falls_silent_without_a_ramp() -> None:
    mixer = _mixer()
    mixer.play()
    mixer.render(600)
    mixer.halt()
    assert mixer.idle
    assert not mixer.render(100).any()
    assert mixer.position == 600


@pytest.mark.parametrize("which", [-1, 2])
def test_an_unknown_track_is_refused(which: int) -> None:
    mixer = _mixer()
    with pytest.raises(InputError, match=f"no rendering {which}"):
        mixer.switch(which)
    with pytest.raises(InputError, match=f"no rendering {which}"):
        mixer.request_switch_at(0, which)
    with pytest.raises(InputError, match=f"no rendering {which}"):
        mixer.set_gain(which, 2.0)


# Repeating


@given(block=st.integers(1, 700), start=st.integers(0, 1500), length=st.integers(300, 800))
@settings(max_examples=30, deadline=None)
def test_a_loop_plays_its_stretch_over_and_over(block: int, start: int, length: int) -> None:
    mixer = _mixer()
    mixer.repeat(start, start + length)
    mixer.play(start)
    heard = np.concatenate([mixer.render(block) for _ in range(3 * length // block + 1)])
    for turn in range(3):
        first = turn * length
        stretch = heard[first + RAMP : first + length]
        np.testing.assert_array_equal(stretch, A[start + RAMP : start + RAMP + stretch.size])
    assert mixer.playing


def test_a_loop_to_the_very_end_goes_on() -> None:
    mixer = _mixer()
    mixer.repeat(A.size - 500, A.size)
    mixer.play(A.size - 500)
    heard = mixer.render(1500)
    np.testing.assert_array_equal(heard[500 + RAMP : 1000], A[A.size - 500 + RAMP :])
    assert mixer.playing


def test_playing_behind_a_loop_goes_to_its_start_and_before_it_runs_into_it() -> None:
    mixer = _mixer()
    mixer.repeat(500, 1000)
    mixer.play(1500)
    np.testing.assert_array_equal(mixer.render(400)[RAMP:], A[500 + RAMP : 900])
    mixer.seek(0)
    np.testing.assert_array_equal(mixer.render(600)[RAMP:], A[RAMP:600])


def test_without_its_loop_a_track_plays_to_the_end() -> None:
    mixer = _mixer()
    mixer.repeat(500, 1000)
    mixer.play(500)
    mixer.render(400)
    mixer.repeat_nothing()
    assert mixer.loop is None
    mixer.render(A.size)
    assert mixer.idle


@pytest.mark.parametrize(
    ("asked", "given_loop"),
    [((700, 700), (700, 700 + 2 * RAMP)), ((-5, 10**6), (0, A.size)), ((10**6, 10**6), (A.size - 2 * RAMP, A.size))],
)
def test_loops_are_kept_within_the_tracks_and_longer_than_their_ramps(
    asked: tuple[int, int], given_loop: tuple[int, int]
) -> None:
    mixer = _mixer()
    mixer.repeat(*asked)
    assert mixer.loop == given_loop


def test_the_seam_of_a_loop_is_a_crossfade() -> None:
    tone = sine(200.0, 0.5)
    mixer = _mixer(tone)
    mixer.repeat(1000, 5030)
    mixer.play(1000)
    steps = np.abs(np.diff(mixer.render(20_000)[RAMP:]))
    assert steps.max() < 0.5 * (2 * np.pi * 200 / SAMPLE_RATE + np.pi / RAMP)


# Gains


def test_volume_and_gain_multiply_after_a_ramp() -> None:
    mixer = _mixer()
    mixer.play()
    mixer.render(500)
    mixer.set_volume(0.5)
    mixer.set_gain(1, 4.0)
    np.testing.assert_array_equal(mixer.render(500)[RAMP:], np.float32(0.5) * A[500 + RAMP : 1000])
    mixer.switch(1)
    np.testing.assert_array_equal(mixer.render(500)[RAMP:], np.float32(2.0) * B[1000 + RAMP : 1500])
    assert (mixer.volume, mixer.gains) == (0.5, (1.0, 4.0))


def test_a_change_of_volume_is_no_step() -> None:
    mixer = _mixer(sine(200.0, 0.5))
    mixer.play()
    mixer.render(2000)
    mixer.set_volume(0.1)
    steps = np.abs(np.diff(mixer.render(2000)))
    assert steps.max() < 0.5 * (2 * np.pi * 200 / SAMPLE_RATE + np.pi / RAMP)


# Tracks with another timing

LONGER = np.concatenate([A[:600], noise(0.05, seed=3), A[600:]])
"""A with 1,200 frames more after the first 600."""
STRETCH = TimeMap(np.array([0.0, 0.025, 0.05, 0.1]), np.array([0.0, 0.025, 0.1, 0.15]))
"""The second 600 frames of A are 1,800 frames of LONGER."""


def test_switching_goes_on_at_the_same_phoneme() -> None:
    mixer = Mixer((A, LONGER), RAMP, (None, STRETCH))
    assert mixer.length == A.size
    mixer.play()
    mixer.render(1500)
    mixer.switch(1)
    np.testing.assert_array_equal(mixer.render(400)[RAMP:], LONGER[2700 + RAMP : 3100])
    assert mixer.position == 1900
    mixer.switch(0)
    np.testing.assert_array_equal(mixer.render(400)[RAMP:], A[1900 + RAMP : 2300])


def test_a_track_with_another_timing_plays_to_its_own_end_unchanged() -> None:
    mixer = Mixer((A, LONGER), RAMP, (None, STRETCH))
    mixer.switch(1)
    mixer.play()
    heard = mixer.render(LONGER.size + 100)
    np.testing.assert_array_equal(heard[RAMP : LONGER.size], LONGER[RAMP:])
    assert not heard[LONGER.size :].any()
    assert mixer.idle


def test_seeks_loops_and_switches_are_places_of_the_common_axis() -> None:
    mixer = Mixer((A, LONGER), RAMP, (None, STRETCH))
    mixer.switch(1)
    mixer.repeat(1200, 1800)
    mixer.play(1200)
    heard = mixer.render(1200)
    np.testing.assert_array_equal(heard[RAMP:600], LONGER[2400 + RAMP : 3000])
    np.testing.assert_array_equal(heard[600 + RAMP :], LONGER[2400 + RAMP : 3000])
    mixer.repeat_nothing()
    mixer.seek(1200)
    mixer.request_switch_at(1800, 0)
    heard = mixer.render(900)
    np.testing.assert_array_equal(heard[600 + RAMP :], A[1800 + RAMP : 2100])
