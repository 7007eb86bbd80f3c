"""What is drawn of two renderings."""

from __future__ import annotations

import numpy as np
import pytest

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.analysis import analyse, tokens_of
from kokoro_tui.audio.tracks import prepare_tracks
from tests.audio.signals import noise, sine, speech_like

SPEECH = speech_like(2.0)


def _disturbed() -> np.ndarray:
    found = SPEECH.copy()
    found[24_000:30_000] += noise(0.25, 0.1, seed=4)
    return found


def test_a_disturbance_shows_in_the_difference_the_strip_and_the_worst_window() -> None:
    analysis = analyse(prepare_tracks(SPEECH, _disturbed()))
    assert analysis.seconds == 2.0
    assert analysis.worst is not None
    assert analysis.worst[0] <= 1.0 and analysis.worst[1] >= 1.25
    strip = analysis.strip((0.0, 2.0), 40)
    assert strip.shape == (40,)
    assert 19 <= int(np.argmax(strip)) <= 25
    image = analysis.image("difference", (0.0, 2.0), 16, 40)
    assert image.shape == (16, 40)
    assert image[:, 20:25].max() > 10.0
    # Outside it only the gain that matches the levels is left.
    assert np.abs(image[:, :18]).max() < 3.0


def test_equal_renderings_have_no_worst_window() -> None:
    assert analyse(prepare_tracks(SPEECH, SPEECH.copy())).worst is None


def test_a_tone_is_bright_in_its_band() -> None:
    analysis = analyse(prepare_tracks(sine(1000.0, 1.0), sine(1000.0, 1.0)))
    image = analysis.image("a", (0.0, 1.0), 80, 20)
    # 1 kHz is 1000 mel of 3237, so the 25th of 80 bands.
    assert set(np.argmax(image[:, 2:-2], axis=0).tolist()) <= {23, 24}


def test_peaks_are_the_largest_samples_of_each_column() -> None:
    analysis = analyse(prepare_tracks(SPEECH, -SPEECH))
    peaks = analysis.peaks(0, (0.0, 2.0), 10)
    np.testing.assert_allclose(peaks, np.abs(SPEECH).reshape(10, -1).max(axis=1))
    np.testing.assert_allclose(analysis.peaks(1, (0.0, 2.0), 10), peaks, rtol=1e-5)


@pytest.mark.parametrize("columns", [1, 7, 4000])
def test_there_is_something_for_every_number_of_columns(columns: int) -> None:
    analysis = analyse(prepare_tracks(SPEECH, _disturbed()))
    span = (0.5, 1.5)
    assert analysis.peaks(1, span, columns).shape == (columns,)
    assert analysis.image("b", span, 4, columns).shape == (4, columns)
    assert np.isfinite(analysis.image("difference", span, 4, columns)).all()
    assert analysis.strip(span, columns).shape == (columns,)


def test_a_stretch_shows_only_itself() -> None:
    analysis = analyse(prepare_tracks(SPEECH, _disturbed()))
    assert analysis.strip((0.0, 0.9), 10).max() < 0.2 * analysis.strip((0.0, 2.0), 10).max()


def test_b_with_another_timing_is_drawn_under_the_phonemes_of_a() -> None:
    """A tone that B begins 0.25 s later stands in the columns in which A has it."""
    silence = np.zeros(6000, dtype=np.float32)
    tone = sine(500.0, 0.5)
    a = np.concatenate([silence, tone])
    b = np.concatenate([silence, silence, tone])
    time_map = TimeMap.from_durations([10, 20], [20, 20])
    analysis = analyse(prepare_tracks(a, b, pinned=a, time_map=time_map))
    assert analysis.peaks(1, (0.0, 0.75), 9)[:3].max() < 0.01
    assert analysis.peaks(1, (0.0, 0.75), 9)[3:].min() > 0.3
    assert (
        analysis.image("b", (0.0, 0.75), 4, 9)[:, 4:].max() > analysis.image("b", (0.0, 0.75), 4, 9)[:, :2].max() + 40
    )


def test_tokens_know_where_they_are_and_how_far_they_have_moved() -> None:
    tokens = tokens_of(["", "a", "b", ""], np.array([4, 2, 3, 1]), np.array([4, 2, 5, 1]))
    assert [token.start_seconds for token in tokens] == pytest.approx([0.0, 0.1, 0.15, 0.225])
    assert [token.moved for token in tokens] == [0, 0, 2, 0]
    analysis = analyse(prepare_tracks(SPEECH, SPEECH), tokens)
    found = analysis.token_at(0.16)
    assert found is not None and found.symbol == "b"
    assert analysis.token_at(1.0) is None


def test_symbols_that_do_not_fit_the_durations_are_not_shown() -> None:
    tokens = tokens_of(["a"], np.array([1, 2]), np.array([1, 2]))
    assert [token.symbol for token in tokens] == ["", ""]
