"""Waveforms as the bytes of a sound file, and bytes as URIs that a page carries itself."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence

import numpy as np

from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, check_waveform

FLAC = "audio/flac"
WAV = "audio/wav"
_STEP = 1.0 / (1 << 15)
"""One step of a 16-bit sample."""
_BLOCK = 1 << 14
"""Samples that are encoded at a time."""
MAX_DIFFERENCE_GAIN_DB = 24
"""Most by which a difference is amplified, in dB."""
_GAIN_STEP_DB = 6


def difference_gain_db(differences: Sequence[FloatArray]) -> int:
    """How far differences can be turned up alike, in steps of 6 dB, so that none is clipped."""
    peak = max(float(np.abs(difference).max(initial=0.0)) for difference in differences)
    room_db = -20.0 * np.log10(peak) if peak else 0.0
    return max(0, min(int(room_db // _GAIN_STEP_DB) * _GAIN_STEP_DB, MAX_DIFFERENCE_GAIN_DB))


def flac_bytes(waveform: FloatArray) -> bytes:
    """A mono 16-bit FLAC file at 24 kHz: lossless, so that the page adds nothing to what is judged.

    Args:
        waveform: Finite samples of shape [samples]; what exceeds full scale is clipped.

    Raises:
        WaveformError: The waveform is not finite, floating, mono or holds no sample.
    """
    return _encode(waveform, "FLAC")


def dithered_wav_bytes(waveform: FloatArray, generator: np.random.Generator) -> bytes:
    """A mono 16-bit WAV file at 24 kHz with triangular dither of two steps from peak to peak.

    Waveforms of equal length give files of equal length, and the dither makes two files of the same waveform
    differ, so that neither a size nor a checksum tells which rendering a blind test plays.

    Args:
        waveform: Finite samples of shape [samples]; what exceeds full scale is clipped.
        generator: Where the dither comes from.

    Raises:
        WaveformError: The waveform is not finite, floating, mono or holds no sample.
    """
    return _encode(waveform, "WAV", generator)


def data_uri(content: bytes, mime: str) -> str:
    """Content as a URI that holds all of it."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def _encode(waveform: FloatArray, container: str, dither: np.random.Generator | None = None) -> bytes:
    """A file, encoded in blocks, so that sound of any length takes little besides it."""
    # Loads a native library, which nothing but an encoder needs.
    import soundfile

    check_waveform(waveform, name="given")
    # A file, because ctrl+c is lost in the callbacks that soundfile needs to write into memory.
    with tempfile.TemporaryFile() as file:
        options = {"samplerate": SAMPLE_RATE, "channels": 1, "format": container, "subtype": "PCM_16"}
        with soundfile.SoundFile(file.fileno(), "w", closefd=False, **options) as sound:
            for start in range(0, waveform.size, _BLOCK):
                steps = waveform[start : start + _BLOCK].astype(np.float64) / _STEP
                if dither is not None:
                    steps += dither.uniform(-0.5, 0.5, (2, steps.size)).sum(axis=0)
                sound.write(np.clip(np.round(steps), -(1 << 15), (1 << 15) - 1).astype(np.int16))
        file.seek(0)
        return file.read()
