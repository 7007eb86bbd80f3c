"""What the player's stream hears, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoro_tui.audio.mixer import RAMP_SECONDS, Mixer, match_levels
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


def test_levels_follow_the_first_track_which_stays_as_it_is() -> None:
    first, second = match_levels([A, 3 * B])
    np.testing.assert_array_equal(first, A)
    assert float(np.sqrt(np.mean(second**2))) == pytest.approx(float(np.sqrt(np.mean(A**2))), rel=1e-6)
    assert second.dtype == np.float32


def test_levels_never_clip_and_stay_matched() -> None:
    peaky = np.zeros(2400, dtype=np.float32)
    peaky[::240] = 0.5
    first, second = match_levels([sine(440.0, 0.1, amplitude=0.9), peaky])
    assert max(np.abs(first).max(), np.abs(second).max()) == pytest.approx(1.0)
    assert max(np.abs(first).max(), np.abs(second).max()) <= 1.0
    assert np.mean(first**2) == pytest.approx(np.mean(second**2), rel=1e-5)


def test_silence_has_no_level_to_match() -> None:
    silence = np.zeros(100, dtype=np.float32)
    np.testing.assert_array_equal(match_levels([A, silence])[1], silence)
    np.testing.assert_array_equal(match_levels([silence, A])[1], A)
