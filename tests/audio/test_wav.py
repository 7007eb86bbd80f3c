"""WAV files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from kokoro_tui.audio.wav import read_wav, write_wav
from kokoro_tui.audio.waveform import WaveformError
from kokoro_tui.errors import InputError, KokoroTuiError
from tests.audio.signals import noise


def test_samples_come_back_bit_for_bit_even_beyond_full_scale(tmp_path: Path) -> None:
    waveform = 20 * noise(0.1)
    assert np.abs(waveform).max() > 1.0
    write_wav(tmp_path / "clip.wav", waveform)
    samples, rate = read_wav(tmp_path / "clip.wav")
    assert rate == 24_000
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, waveform)


def test_the_file_is_mono_float_wav_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_wav(tmp_path / "clip.wav", noise(0.1), rate=48_000)
    info = soundfile.info(tmp_path / "clip.wav")
    assert (info.format, info.subtype, info.channels, info.samplerate) == ("WAV", "FLOAT", 1, 48_000)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.wav"]


def test_a_refused_waveform_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "clip.wav"
    target.write_bytes(b"old")
    with pytest.raises(WaveformError, match="NaN or infinity"):
        write_wav(target, np.array([0.0, np.nan], dtype=np.float32))
    assert target.read_bytes() == b"old"


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(KokoroTuiError, match=r"clip\.wav") as caught:
        write_wav(tmp_path / "nowhere" / "clip.wav", noise(0.1))
    assert "folder" in caught.value.hint


def test_what_is_no_mono_sound_file_is_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("no sound")
    stereo = tmp_path / "stereo.wav"
    soundfile.write(stereo, np.zeros((10, 2)), 24_000)
    with pytest.raises(InputError, match=r"cannot read .*missing\.wav"):
        read_wav(tmp_path / "missing.wav")
    with pytest.raises(InputError, match=r"cannot read .*text\.wav"):
        read_wav(text)
    with pytest.raises(InputError, match="has 2 channels"):
        read_wav(stereo)
