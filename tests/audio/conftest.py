"""An ALSA device that writes what it is given to a file, so that PortAudio runs without a sound card."""

from __future__ import annotations

import ctypes.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kokoro_tui.audio.device import load_sounddevice

MISSING_PACKAGE = "needs PortAudio and ALSA: apt-get install libportaudio2"

AlsaDevice = Callable[[str], Any]
"""Makes the given ALSA configuration the only one and returns the sounddevice module."""


def _restart(sounddevice: Any) -> None:
    """Lets PortAudio look for devices anew."""
    # PortAudio lists devices only when it starts, and sounddevice offers no public way to start it again.
    sounddevice._terminate()
    sounddevice._initialize()


@contextmanager
def _configured(config_path: Path) -> Iterator[AlsaDevice]:
    """Yields the means to set the configuration and afterwards restores what was there before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALSA_CONFIG_PATH", str(config_path))

        def configure(config: str) -> Any:
            config_path.write_text(config)
            sounddevice = load_sounddevice()
            _restart(sounddevice)
            return sounddevice

        yield configure
    _restart(load_sounddevice())


@pytest.fixture
def alsa(tmp_path: Path) -> Iterator[AlsaDevice]:
    """A function that puts an ALSA configuration into force for one test."""
    if ctypes.util.find_library("portaudio") is None or ctypes.util.find_library("asound") is None:
        pytest.skip(MISSING_PACKAGE)
    with _configured(tmp_path / "asound.conf") as configure:
        yield configure


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine has installed besides PortAudio is another test's affair."""
    monkeypatch.setattr("kokoro_tui.audio.player.find_commands", lambda: ())


def file_device(path: Path) -> str:
    """An ALSA configuration whose default device writes raw frames to a file, as fast as they come."""
    return f'pcm.null {{ type null }}\npcm.!default {{ type file slave.pcm "null" file "{path}" format "raw" }}\n'
