"""What is heard and drawn of one sentence."""

from __future__ import annotations

import numpy as np
import pytest

from kokoro_tui.audio.levels import loudness_energy
from kokoro_tui.audio.waveform import WaveformError
from kokoro_tui.report.lanes import prepare_lanes
from tests.audio.signals import noise, speech_like


def test_every_track_is_as_loud_and_as_long_as_the_original() -> None:
    original = speech_like(1.0)
    quiet = (0.1 * original).astype(np.float32)
    lanes = prepare_lanes(original, [(quiet, quiet), (original, original)])
    assert lanes.seconds == 1.0
    assert np.array_equal(lanes.original.track, original)
    for candidate in lanes.candidates:
        assert candidate.candidate.track.size == candidate.difference.track.size == original.size
        assert loudness_energy(candidate.candidate.track) == pytest.approx(loudness_energy(original), rel=1e-6)
        assert candidate.own_timing is None


def test_a_candidate_that_would_clip_turns_everything_down_alike() -> None:
    original = (speech_like(1.0) / np.abs(speech_like(1.0)).max() * 0.99).astype(np.float32)
    spiky = original.copy()
    spiky[12_000] = 1.5
    lanes = prepare_lanes(original, [(original, original), (spiky, spiky)])
    gain = float(lanes.original.track[5000] / original[5000])
    assert gain < 0.7
    assert np.abs(lanes.candidates[1].candidate.track).max() <= 1.0
    assert np.allclose(lanes.candidates[0].candidate.track, lanes.original.track)
    assert np.allclose(lanes.original.track, gain * original, atol=1e-6)


def test_the_difference_is_turned_up_in_steps_that_do_not_clip_and_alike_for_all() -> None:
    original = speech_like(1.0)
    near, far = ((original + noise(1.0, sigma)).astype(np.float32) for sigma in (0.001, 0.02))
    lanes = prepare_lanes(original, [(near, near), (far, far)])
    assert lanes.difference_gain_db in (6, 12, 18)
    factor = 10 ** (lanes.difference_gain_db / 20)
    for made in lanes.candidates:
        expected = (made.candidate.track - lanes.original.track) * factor
        assert np.allclose(made.difference.track, expected, atol=1e-6)
        assert np.abs(made.difference.track).max() <= 1.0


def test_the_difference_of_equal_renderings_is_silence() -> None:
    lanes = prepare_lanes(speech_like(1.0), [(speech_like(1.0), speech_like(1.0))])
    assert not lanes.candidates[0].difference.track.any()
    assert lanes.difference_gain_db == 0


def test_moved_durations_are_heard_beside_the_pinned_rendering() -> None:
    original = speech_like(1.0)
    own = np.pad(speech_like(1.0), (0, 1200))
    lanes = prepare_lanes(original, [(own, original)])
    made = lanes.candidates[0]
    assert made.own_timing is not None
    assert made.own_timing.size == own.size
    assert np.array_equal(made.candidate.track, original)
    assert lanes.seconds == 1.0


def test_a_candidate_that_cannot_be_pinned_is_shifted_into_step() -> None:
    original = speech_like(1.0) + noise(1.0, 0.01)
    late = np.pad(original, (480, 0))
    early = original[240:]
    lanes = prepare_lanes(original, [(late, None), (early, None)])
    assert np.allclose(lanes.original.track[: original.size], original, atol=1e-6)
    for made in lanes.candidates:
        assert made.candidate.track.size == lanes.original.track.size
        heard = slice(4800, 20_000)
        assert np.allclose(made.candidate.track[heard], original[heard], atol=0.02)


def test_the_worst_half_second_is_where_the_noise_is() -> None:
    original = speech_like(3.0)
    spoilt = original.copy()
    spoilt[36_000:48_000] += noise(0.5, 0.1)
    made = prepare_lanes(original, [(spoilt, spoilt)]).candidates[0]
    assert made.worst_seconds == pytest.approx(1.5, abs=0.06)


def test_sound_that_is_not_finite_is_refused() -> None:
    broken = speech_like(1.0)
    broken[7] = np.nan
    with pytest.raises(WaveformError, match="holds NaN or infinity"):
        prepare_lanes(speech_like(1.0), [(broken, broken)])
