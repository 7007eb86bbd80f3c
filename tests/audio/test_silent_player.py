"""Players without sound, and devices that do not answer."""

from __future__ import annotations

import ctypes.util
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from kokoro_tui.audio import device
from kokoro_tui.audio.player import (
    Player,
    PlayerState,
    SilentPlayer,
    SounddevicePlayer,
    open_player,
)
from kokoro_tui.audio.waveform import WaveformError
from kokoro_tui.errors import InputError, KokoroTuiError
from tests.audio.conftest import AlsaDevice
from tests.audio.players import LOADED, ORIGINAL, SECONDS, no_problem

pytestmark = pytest.mark.usefixtures("no_programs")


def test_without_a_device_the_player_is_silent_and_says_so(alsa: AlsaDevice, capfd: pytest.CaptureFixture[str]) -> None:
    alsa('pcm.broken { type plug slave.pcm "hw:77" }\n')
    player = open_player(no_problem)
    assert isinstance(player, SilentPlayer)
    assert "no audio output device" in player.silence_reason
    # ALSA's complaint about the missing card would be written over the terminal screen.
    assert "ALSA lib" not in capfd.readouterr().err


def test_a_portaudio_that_crashes_leaves_a_silent_player(monkeypatch: pytest.MonkeyPatch) -> None:
    """PortAudio 19.6 aborts its process where ALSA has no configuration at all."""

    def abort(command: list[str], **_settings: object) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess(command, -signal.SIGABRT)

    monkeypatch.setattr(subprocess, "run", abort)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    player = open_player(no_problem)
    assert "PortAudio crashes" in (player.silence_reason or "")
    assert "sounddevice" not in sys.modules


def test_a_portaudio_that_hangs_leaves_a_silent_player(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_settings: object) -> None:
        raise subprocess.TimeoutExpired(command, 10.0)

    monkeypatch.setattr(subprocess, "run", hang)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    assert "PortAudio hangs" in (open_player(no_problem).silence_reason or "")


def test_without_portaudio_the_player_is_silent_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    player = open_player(no_problem)
    assert isinstance(player, SilentPlayer)
    assert "PortAudio library not found" in player.silence_reason
    assert "libportaudio2" in player.silence_reason
    assert "sounddevice" not in sys.modules


def test_without_the_python_package_the_player_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    player = open_player(no_problem)
    assert "pip install sounddevice" in (player.silence_reason or "")


def test_the_audio_package_loads_no_native_sound_library() -> None:
    modules = "distance, mixer, player, wav"
    code = f"import sys; from kokoro_tui.audio import {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"sounddevice", "soundfile", "scipy"} & set(loaded.split())


def test_a_silent_player_keeps_position_and_choice() -> None:
    player: Player = SilentPlayer("no sound")
    player.load(LOADED)
    player.switch(1)
    player.play(0.25)
    assert player.state() == PlayerState(playing=False, which=1, position_seconds=0.25, duration_seconds=1.0)
    player.pause()
    player.seek(0.5)
    assert player.state().position_seconds == 0.5
    player.repeat((0.25, 0.75))
    player.set_volume(0.5)
    assert (player.state().loop, player.state().volume) == ((0.25, 0.75), 0.5)
    player.stop()
    assert player.state().position_seconds == 0.0
    assert player.outputs() == ()
    player.choose_output(None)
    player.close()


def test_broken_renderings_are_refused_and_the_old_ones_stay() -> None:
    player = SilentPlayer("no sound")
    player.load([ORIGINAL])
    with pytest.raises(WaveformError, match="NaN or infinity"):
        player.load([ORIGINAL, np.full(10, np.nan, dtype=np.float32)])
    with pytest.raises(WaveformError, match="no rendering to play"):
        player.load([])
    assert player.state().duration_seconds == 1.0
    with pytest.raises(InputError, match="no rendering 1"):
        player.switch(1)


class _HangingModule:
    """Stands in for sounddevice with a device that never asks for frames, or cannot be opened."""

    class PortAudioError(Exception):
        """As in sounddevice."""

    class CallbackStop(Exception):  # noqa: N818 (the name that sounddevice gives it)
        """As in sounddevice."""

    def __init__(self, refusal: str = "") -> None:
        self.started = threading.Event()
        self._refusal = refusal

    def OutputStream(self, **_settings: object) -> _HangingModule:  # noqa: N802 (see above)
        """Opens, or fails to."""
        if self._refusal:
            raise self.PortAudioError(self._refusal)
        return self

    def start(self) -> None:
        """Starts and calls nobody back."""
        self.started.set()

    def close(self) -> None:
        """Closes."""


def test_a_device_that_asks_for_nothing_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    problems: list[KokoroTuiError] = []
    module = _HangingModule()
    player = SounddevicePlayer(module, device.OutputFormat(24_000, 1), problems.append)
    player.load([ORIGINAL])
    player.play()
    assert module.started.wait(SECONDS)
    assert player.state().playing
    assert problems == []
    monkeypatch.setattr("kokoro_tui.audio.stream_player._SILENT_DEVICE_SECONDS", 0.0)
    assert not player.state().playing
    assert [problem.message for problem in problems] == ["the audio device does not respond"]
    monkeypatch.setattr("kokoro_tui.audio.stream_player._CLOSE_SECONDS", 0.01)
    player.close()


def test_a_device_that_cannot_be_opened_is_a_message() -> None:
    problems: list[KokoroTuiError] = []
    player = SounddevicePlayer(_HangingModule("Device unavailable"), device.OutputFormat(24_000, 1), problems.append)
    player.load([ORIGINAL])
    player.play()
    assert player.wait(SECONDS)
    assert [problem.message for problem in problems] == ["the audio device could not be opened: Device unavailable"]
    player.close()
