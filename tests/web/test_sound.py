"""Waveforms as sound files."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile

from kokoro_tui.audio.waveform import WaveformError
from kokoro_tui.web.sound import (
    MAX_DIFFERENCE_GAIN_DB,
    data_uri,
    difference_gain_db,
    dithered_wav_bytes,
    flac_bytes,
)
from tests.audio.signals import sine, speech_like

STEP = 1 / 32768


def read(content: bytes) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], int]:
    samples, rate = soundfile.read(io.BytesIO(content))
    return samples, int(rate)


def test_flac_loses_nothing_but_what_16_bits_cannot_hold() -> None:
    waveform = speech_like(1.0)
    samples, rate = read(flac_bytes(waveform))
    assert rate == 24_000
    assert samples.shape == waveform.shape
    assert np.abs(samples - waveform).max() <= STEP / 2 + 1e-9
    assert flac_bytes(waveform) == flac_bytes(waveform)
    assert len(flac_bytes(waveform)) < 2 * waveform.size


def test_what_exceeds_full_scale_is_clipped_and_not_wrapped() -> None:
    samples, _ = read(flac_bytes(np.array([1.5, -1.5, 1.0, -1.0] * 100, dtype=np.float32)))
    assert samples[:4].tolist() == [1 - STEP, -1.0, 1 - STEP, -1.0]


def test_dithered_files_have_one_size_and_never_the_same_bytes() -> None:
    generator = np.random.default_rng(3)
    loud, quiet = speech_like(0.5), np.zeros(12_000, np.float32)
    first, second, silent = (dithered_wav_bytes(waveform, generator) for waveform in (loud, loud, quiet))
    assert len(first) == len(second) == len(silent) == 44 + 2 * 12_000
    assert first != second
    for content in (first, second):
        samples, rate = read(content)
        assert rate == 24_000
        assert np.abs(samples - loud).max() <= 1.5 * STEP + 1e-9


def test_dither_is_triangular_and_without_offset() -> None:
    samples, _ = read(dithered_wav_bytes(np.zeros(200_000, np.float32), np.random.default_rng(1)))
    steps = samples / STEP
    assert set(np.unique(steps)) == {-1.0, 0.0, 1.0}
    assert abs(steps.mean()) < 0.01
    assert steps.var() == pytest.approx(0.25, abs=0.01)  # 1/6 from the dither, 1/12 from rounding


@pytest.mark.parametrize(
    ("peak", "expected"), [(0.0, 0), (1.2, 0), (0.9, 0), (0.5, 6), (0.26, 6), (0.25, 12), (0.001, 24)]
)
def test_a_difference_is_turned_up_in_steps_of_6_db(peak: float, expected: int) -> None:
    tracks = [np.zeros(10, np.float32), np.array([0.0, -peak], dtype=np.float32)]
    found = difference_gain_db(tracks)
    assert found == expected <= MAX_DIFFERENCE_GAIN_DB
    assert peak * 10 ** (found / 20) <= max(1.0, peak)


def test_a_data_uri_holds_its_content() -> None:
    uri = data_uri(b"\x00\xff<>", "audio/flac")
    head, _, rest = uri.partition(",")
    assert head == "data:audio/flac;base64"
    assert base64.b64decode(rest) == b"\x00\xff<>"


def test_sound_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(WaveformError, match="fewer than 1"):
        flac_bytes(np.zeros(0, np.float32))
    with pytest.raises(WaveformError, match="holds NaN"):
        dithered_wav_bytes(np.array([np.nan]), np.random.default_rng(0))
    with pytest.raises(WaveformError, match="not \\[samples\\]"):
        flac_bytes(sine(440, 0.1)[np.newaxis])
