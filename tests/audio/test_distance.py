"""Mel distance, added noise and moved frames."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from kokoro_tui.audio.distance import (
    DurationError,
    LengthMismatchError,
    Reference,
    added_noise_db,
    compare,
    frames_moved,
    mel_distance,
)
from kokoro_tui.audio.mel import log_mel, mel_energy
from kokoro_tui.audio.waveform import FloatArray, WaveformError
from kokoro_tui.errors import KokoroTuiError
from tests.audio.signals import noise, sine, speech_like


@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(513, 3000))
@settings(max_examples=30, deadline=None)
def test_distance_is_zero_to_itself_and_symmetric(seed: int, samples: int) -> None:
    one = noise(samples / 24_000, seed=seed)
    other = noise(samples / 24_000, seed=seed ^ 1)
    assert mel_distance(one, one) == 0.0
    assert added_noise_db(one, one) == 0.0
    assert mel_distance(one, other) == mel_distance(other, one) > 0.0


def test_distance_of_a_louder_copy_is_its_gain_in_log_energy() -> None:
    loud = noise(1.0, amplitude=0.1)
    assert mel_distance(loud, 2 * loud) == pytest.approx(math.log(4.0), rel=1e-6)


def test_distance_is_the_root_mean_square_of_the_log_mel_difference() -> None:
    one, other = noise(0.5, seed=1), speech_like(0.5)
    difference = log_mel(mel_energy(one)) - log_mel(mel_energy(other))
    assert mel_distance(one, other) == pytest.approx(np.linalg.norm(difference) / math.sqrt(difference.size))


def test_float64_and_float32_samples_measure_the_same() -> None:
    one, other = noise(0.5, seed=1), noise(0.5, seed=2)
    assert mel_distance(one, other) == mel_distance(one.astype(np.float64), other.astype(np.float64))


def test_added_noise_is_the_gain_where_the_candidate_is_louder() -> None:
    loud = noise(1.0, amplitude=0.1)
    assert added_noise_db(loud, 2 * loud) == pytest.approx(20 * math.log10(2.0), rel=1e-6)
    assert added_noise_db(2 * loud, loud) == 0.0


def test_faint_hiss_moves_the_distance_and_not_the_added_noise() -> None:
    """The weakness that added noise is there to repair: hiss at -60 dB RMS under the peak is inaudible."""
    speech = speech_like(2.0)
    hissing = speech + noise(2.0, amplitude=1e-4, seed=5)
    comparison = compare(speech, hissing)
    assert comparison.mel_distance > 1.0
    assert comparison.added_noise_db < 1.0


def test_audible_hiss_shows_as_added_noise() -> None:
    speech = speech_like(2.0)
    assert added_noise_db(speech, speech + noise(2.0, amplitude=0.01, seed=5)) > 10.0


def test_silence_against_silence_is_no_noise() -> None:
    silence = np.zeros(24_000, dtype=np.float32)
    assert compare(silence, silence).added_noise_db == 0.0
    assert compare(silence, sine(440.0, 1.0)).added_noise_db > 20.0


def test_unequal_lengths_are_refused_where_no_result_can_say_so() -> None:
    one = noise(1.0)
    for measure in (mel_distance, added_noise_db):
        with pytest.raises(LengthMismatchError, match="24000 and 23400 samples") as caught:
            measure(one, one[:-600])
        assert "pin the durations" in caught.value.hint


def test_compare_measures_the_common_frames_and_states_the_rest() -> None:
    one = noise(1.0)
    longer = np.concatenate([one, np.zeros(600, dtype=np.float32)])
    comparison = compare(one, longer)
    assert comparison.length_difference_samples == 600
    assert comparison.frame_difference == 3
    assert comparison.compared_frames == 94
    assert not comparison.same_length
    # Only the last frames see the edge of the shorter clip.
    assert comparison.mel_distance < 0.5
    assert compare(longer, one).length_difference_samples == -600


def test_reference_gives_what_compare_gives() -> None:
    one = speech_like()
    reference = Reference(one)
    for seed in range(3):
        candidate = one + noise(1.0, 0.01, seed)
        assert reference.compare(candidate) == compare(one, candidate)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.full(2000, np.nan, dtype=np.float32), "NaN or infinity"),
        (np.array([0.0] * 1999 + [np.inf]), "NaN or infinity"),
        (np.zeros((1, 2000), dtype=np.float32), r"shape \[1, 2000\]"),
        (np.zeros(0, dtype=np.float32), "0 samples"),
        (np.zeros(2000, dtype=np.int16), "int16"),
    ],
)
def test_broken_waveforms_are_refused_by_name(bad: FloatArray, message: str) -> None:
    good = noise(2000 / 24_000)
    with pytest.raises(WaveformError, match=f"the candidate waveform .*{message}") as caught:
        mel_distance(good, bad)
    with pytest.raises(WaveformError, match=f"the reference waveform .*{message}"):
        mel_distance(bad, good)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, KokoroTuiError)
    assert caught.value.hint


def test_frames_moved_sums_what_each_phoneme_gained_or_lost() -> None:
    assert frames_moved([3, 5, 2], [3, 5, 2]) == 0
    assert frames_moved([3, 5, 2], [4, 3, 2]) == 3
    assert frames_moved(np.array([3, 5], dtype=np.int64), np.array([3.0, 7.0], dtype=np.float32)) == 2


@pytest.mark.parametrize(
    ("durations", "message"),
    [
        ([1, 2, 3], "of 3 and of 2 phonemes"),
        ([[1, 2]], r"shape \[1, 2\]"),
        ([1.5, 2.0], "not whole frame counts"),
        ([-1, 2], "not whole frame counts"),
        ([math.nan, 2.0], "not whole frame counts"),
    ],
)
def test_durations_that_cannot_be_compared_are_refused(durations: ArrayLike, message: str) -> None:
    with pytest.raises(DurationError, match=message):
        frames_moved(durations, [1, 2])
