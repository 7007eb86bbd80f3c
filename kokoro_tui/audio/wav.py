"""WAV files of 32-bit float samples, written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, Waveform, check_waveform
from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import WriteError, atomic_path


def write_wav(path: Path, waveform: FloatArray, rate: int = SAMPLE_RATE) -> None:
    """Writes a mono float32 WAV file beside its target and puts it in place when it is whole.

    Args:
        path: The file to write; one that exists is replaced.
        waveform: Finite mono samples, shape [samples]; beyond full scale they are kept as they are.
        rate: Samples per second.

    Raises:
        WaveformError: The waveform is not finite, floating, mono or holds no sample.
        WriteError: The file cannot be written.
    """
    # Loads a native library, which the start of the terminal UI need not wait for.
    import soundfile

    check_waveform(waveform, name="given")
    with atomic_path(path) as temporary:
        try:
            soundfile.write(temporary, waveform.astype("float32"), rate, format="WAV", subtype="FLOAT")
        except soundfile.LibsndfileError as error:
            raise WriteError(f"cannot write {path}: {error.error_string}", "check that the disk has room") from error


def read_wav(path: Path) -> tuple[Waveform, int]:
    """Reads a mono sound file.

    Returns:
        Float32 samples of shape [samples], and the samples per second.

    Raises:
        InputError: The file is missing, no sound file, or not mono.
    """
    # Loads a native library, which the start of the terminal UI need not wait for.
    import soundfile

    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise InputError(f"cannot read {path}: {error}", "give a WAV file that can be read") from error
    if samples.shape[1] != 1:
        raise InputError(f"cannot read {path}: it has {samples.shape[1]} channels", "give a mono WAV file")
    return samples[:, 0], int(rate)
