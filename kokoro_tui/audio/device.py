"""Finding an audio output through sounddevice and PortAudio, or saying why there is none."""

from __future__ import annotations

import ctypes
import ctypes.util
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

from kokoro_tui.audio.waveform import SAMPLE_RATE
from kokoro_tui.errors import WorkError

NO_SOUND = "no sound: "
"""What the messages about a machine without sound begin with."""
_PROBE_SECONDS = 10.0
"""How long PortAudio may look for devices."""


class AudioUnavailableError(WorkError):
    """No sound can be played on this machine."""


@dataclass(frozen=True)
class OutputFormat:
    """What an output device is to be opened with."""

    sample_rate: int
    """Frames per second."""
    channels: int
    """Channels per frame, all of which carry the same mono signal."""
    device: int | None = None
    """PortAudio's number of the device for as long as it is not started anew; None for the default device."""
    name: str | None = None
    """The name by which the device was asked for; None for the default device."""


def load_sounddevice() -> Any:
    """Imports sounddevice, which loads PortAudio and lets it look for devices.

    Raises:
        AudioUnavailableError: PortAudio or the Python package is missing, or PortAudio crashes or hangs.
    """
    if "sounddevice" not in sys.modules:
        _try_in_child()
    _hush_alsa()
    try:
        # Loads PortAudio and probes the devices; nothing but playing sound needs it.
        import sounddevice
    except OSError as error:
        raise AudioUnavailableError(
            f"{NO_SOUND}{error}", "install PortAudio (Debian: apt-get install libportaudio2) and start again"
        ) from error
    except ImportError as error:
        raise AudioUnavailableError(f"{NO_SOUND}{error}", "pip install sounddevice") from error
    return sounddevice


def list_outputs(sounddevice: Any) -> tuple[str, ...]:
    """Names of all output devices; with the host API, since several may offer the same device."""
    return tuple(_outputs(sounddevice))


def rescan(sounddevice: Any) -> None:
    """Lets PortAudio look for devices anew, which it does only when it starts; no stream may be open.

    Raises:
        AudioUnavailableError: PortAudio did not start again.
    """
    # sounddevice offers no public way to start PortAudio again.
    try:
        sounddevice._terminate()
        sounddevice._initialize()
    except sounddevice.PortAudioError as error:
        raise AudioUnavailableError(
            f"{NO_SOUND}PortAudio does not start again: {error}", "restart the system's sound server"
        ) from error


def find_output(sounddevice: Any, name: str | None = None) -> OutputFormat:
    """Chooses how to open an output device: at 24 kHz if it agrees, else at its own rate.

    Args:
        sounddevice: The module from `load_sounddevice`.
        name: One of `list_outputs`; None for the default device.

    Raises:
        AudioUnavailableError: There is no such device, or it takes float samples in no form tried.
    """
    number = None if name is None else _outputs(sounddevice).get(name)
    if name is not None and number is None:
        raise AudioUnavailableError(f"there is no audio device {name}", "connect it, or choose another one")
    try:
        device = sounddevice.query_devices(number, kind="output")
    except (sounddevice.PortAudioError, ValueError) as error:
        raise AudioUnavailableError(
            f"{NO_SOUND}this machine has no audio output device",
            "connect one, or listen to the WAV files on another machine",
        ) from error
    for sample_rate, channels in product((SAMPLE_RATE, int(device["default_samplerate"])), (1, 2)):
        try:
            sounddevice.check_output_settings(device=number, channels=channels, dtype="float32", samplerate=sample_rate)
        except sounddevice.PortAudioError:
            continue
        return OutputFormat(sample_rate, channels, number, name)
    raise AudioUnavailableError(
        f"{NO_SOUND}the device {device['name']} refuses 24 kHz as well as its own rate",
        "choose another output device",
    )


def _outputs(sounddevice: Any) -> dict[str, int]:
    """PortAudio's numbers of the output devices by name."""
    apis = sounddevice.query_hostapis()
    return {
        f"{device['name']}, {apis[device['hostapi']]['name']}": number
        for number, device in enumerate(sounddevice.query_devices())
        if device["max_output_channels"] > 0
    }


def _try_in_child() -> None:
    """Loads PortAudio in a child process first, since its faults there cost no one their work.

    It aborts the process where ALSA has no configuration (an assertion in `BuildDeviceList`, PortAudio 19.6),
    and sound servers that hang let it wait for ever.

    Raises:
        AudioUnavailableError: PortAudio crashed or did not come back.
    """
    command = [sys.executable, "-c", "import sounddevice"]
    try:
        child = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise AudioUnavailableError(
            f"{NO_SOUND}PortAudio hangs while it looks for devices", "restart the system's sound server"
        ) from error
    # An import that fails exits with 1; it is repeated in this process for its message.
    if child.returncode not in (0, 1):
        raise AudioUnavailableError(
            f"{NO_SOUND}PortAudio crashes while it looks for devices",
            "check the sound configuration of this machine (Debian: apt-get install libasound2-data)",
        )


@cache
def _hush_alsa() -> Any:
    """Takes the place of ALSA's error printer, whose lines on stderr would tear the terminal screen.

    Returns:
        The C callback, which the cache keeps alive for as long as ALSA may call it; None without ALSA.
    """
    if not sys.platform.startswith("linux"):
        return None
    name = ctypes.util.find_library("asound")
    if name is None:
        return None
    ignore = ctypes.CFUNCTYPE(None)(lambda: None)
    ctypes.CDLL(name).snd_lib_error_set_handler(ignore)
    return ignore
