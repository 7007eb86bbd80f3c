"""The players: through PortAudio into a file, on devices that fail, and without PortAudio."""

from __future__ import annotations

import ctypes.util
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokoro_tui.audio import device
from kokoro_tui.audio.mixer import RAMP_SECONDS, match_levels
from kokoro_tui.audio.player import (
    PlaybackError,
    Player,
    PlayerState,
    SilentPlayer,
    SounddevicePlayer,
    open_player,
)
from kokoro_tui.audio.resample import resample
from kokoro_tui.audio.waveform import Waveform, WaveformError
from kokoro_tui.errors import InputError, KokoroTuiError
from tests.audio.conftest import AlsaDevice, file_device
from tests.audio.signals import noise, sine

ORIGINAL = noise(1.0, 0.1, seed=1)
CANDIDATE = noise(1.0, 0.3, seed=2)
SECONDS = 5.0


def _no_problem(problem: KokoroTuiError) -> None:
    raise AssertionError(problem)


def _open() -> SounddevicePlayer:
    player = open_player(_no_problem)
    assert isinstance(player, SounddevicePlayer), player.silence_reason
    return player


def _played(path: Path, frames: int) -> Waveform:
    """What was written, less the silence with which PortAudio fills its buffers before the first callback."""
    written = np.fromfile(path, dtype="<f4")
    first = int(np.flatnonzero(written)[0])
    assert written.size >= first + frames
    assert not written[first + frames :].any()
    return written[first : first + frames]


@pytest.fixture
def file_player(alsa: AlsaDevice, tmp_path: Path) -> Iterator[SounddevicePlayer]:
    """A player on a device that writes `out.raw`."""
    alsa(file_device(tmp_path / "out.raw"))
    player = _open()
    player.load([ORIGINAL, CANDIDATE])
    yield player
    player.close()


RAMP = round(RAMP_SECONDS * 24_000)


@pytest.mark.parametrize("which", [0, 1])
def test_portaudio_gets_the_level_matched_samples(file_player: SounddevicePlayer, tmp_path: Path, which: int) -> None:
    file_player.switch(which)
    file_player.play()
    assert file_player.wait(SECONDS)
    written = _played(tmp_path / "out.raw", ORIGINAL.size)
    expected = match_levels([ORIGINAL, CANDIDATE])[which]
    np.testing.assert_array_equal(written[RAMP:], expected[RAMP:])


def test_portaudio_gets_a_switch_on_its_frame_without_gap(file_player: SounddevicePlayer, tmp_path: Path) -> None:
    file_player.mixer.request_switch_at(12_345, 1)
    file_player.play()
    assert file_player.wait(SECONDS)
    written = _played(tmp_path / "out.raw", ORIGINAL.size)
    original, candidate = match_levels([ORIGINAL, CANDIDATE])
    np.testing.assert_array_equal(written[RAMP:12_345], original[RAMP:12_345])
    np.testing.assert_array_equal(written[12_345 + RAMP :], candidate[12_345 + RAMP :])
    assert file_player.state() == PlayerState(playing=False, which=1, position_seconds=0.0, duration_seconds=1.0)


def test_a_switch_asked_for_while_playing_is_heard_within_fifty_milliseconds(
    alsa: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alsa(file_device(tmp_path / "out.raw"))
    player = _open()
    player.load([ORIGINAL, CANDIDATE])
    mixer = player.mixer
    render = mixer.render
    asked_at: list[int] = []

    def render_and_ask(frames: int) -> Waveform:
        block = render(frames)
        if not asked_at and mixer.position > 6000:
            asked_at.append(mixer.position)
            player.switch(1)
        return block

    monkeypatch.setattr(mixer, "render", render_and_ask)
    player.play()
    assert player.wait(SECONDS)
    player.close()
    written = _played(tmp_path / "out.raw", ORIGINAL.size)
    original, candidate = match_levels([ORIGINAL, CANDIDATE])
    unchanged = int(np.flatnonzero(written[RAMP:] != original[RAMP:])[0]) + RAMP
    assert 0 <= unchanged - asked_at[0] <= 0.050 * 24_000
    np.testing.assert_array_equal(written[unchanged + RAMP :], candidate[unchanged + RAMP :])


def test_the_device_is_taken_again_for_every_play(file_player: SounddevicePlayer, tmp_path: Path) -> None:
    expected = match_levels([ORIGINAL, CANDIDATE])[0]
    for start in (0.0, 0.5):
        file_player.play(start)
        assert file_player.wait(SECONDS)
        first = round(start * 24_000)
        written = _played(tmp_path / "out.raw", ORIGINAL.size - first)
        np.testing.assert_array_equal(written[RAMP:], expected[first + RAMP :])


def test_loading_while_playing_stops_and_plays_the_new_rendering(
    file_player: SounddevicePlayer, tmp_path: Path
) -> None:
    file_player.play()
    tone = sine(440.0, 0.5)
    file_player.load([tone])
    assert not file_player.state().playing
    assert file_player.wait(SECONDS)
    file_player.play()
    assert file_player.wait(SECONDS)
    written = np.fromfile(tmp_path / "out.raw", dtype="<f4")
    assert file_player.state().duration_seconds == 0.5
    # The tone begins at phase 0, so its first sample is silent too.
    first = int(np.flatnonzero(written)[0]) - 1
    np.testing.assert_array_equal(written[first + RAMP : first + tone.size], tone[RAMP:])


def test_a_device_that_refuses_24_khz_gets_its_own_rate(
    alsa: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounddevice = alsa(file_device(tmp_path / "out.raw"))
    check = sounddevice.check_output_settings

    def refuse_24_khz(**settings: Any) -> None:
        if settings["samplerate"] == 24_000:
            raise sounddevice.PortAudioError("Invalid sample rate")
        check(**settings)

    monkeypatch.setattr(sounddevice, "check_output_settings", refuse_24_khz)
    player = _open()
    player.load([ORIGINAL, CANDIDATE])
    player.play()
    assert player.wait(SECONDS)
    player.close()
    expected = match_levels([resample(clip, 24_000, 44_100) for clip in (ORIGINAL, CANDIDATE)])[0]
    written = _played(tmp_path / "out.raw", expected.size)
    ramp = round(RAMP_SECONDS * 44_100)
    np.testing.assert_array_equal(written[ramp:], expected[ramp:])


def test_a_device_that_vanishes_is_a_message(alsa: AlsaDevice) -> None:
    """ALSA cannot write to a full device: PortAudio ends the stream as it does for one that was unplugged."""
    alsa(file_device(Path("/dev/full")))
    problems: list[KokoroTuiError] = []
    player = open_player(problems.append)
    player.load([ORIGINAL])
    player.play()
    assert isinstance(player, SounddevicePlayer)
    assert player.wait(SECONDS)
    assert [type(problem) for problem in problems] == [PlaybackError]
    assert problems[0].message == "the audio device went away"
    assert problems[0].hint
    assert not player.state().playing
    player.play()
    assert player.wait(SECONDS)
    assert len(problems) == 2
    player.close()


def test_without_a_device_the_player_is_silent_and_says_so(alsa: AlsaDevice, capfd: pytest.CaptureFixture[str]) -> None:
    alsa('pcm.broken { type plug slave.pcm "hw:77" }\n')
    player = open_player(_no_problem)
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
    player = open_player(_no_problem)
    assert "PortAudio crashes" in (player.silence_reason or "")
    assert "sounddevice" not in sys.modules


def test_a_portaudio_that_hangs_leaves_a_silent_player(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], **_settings: object) -> None:
        raise subprocess.TimeoutExpired(command, 10.0)

    monkeypatch.setattr(subprocess, "run", hang)
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    assert "PortAudio hangs" in (open_player(_no_problem).silence_reason or "")


def test_without_portaudio_the_player_is_silent_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    player = open_player(_no_problem)
    assert isinstance(player, SilentPlayer)
    assert "PortAudio library not found" in player.silence_reason
    assert "libportaudio2" in player.silence_reason
    assert "sounddevice" not in sys.modules


def test_without_the_python_package_the_player_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    player = open_player(_no_problem)
    assert "pip install sounddevice" in (player.silence_reason or "")


def test_the_audio_package_loads_no_native_sound_library() -> None:
    modules = "distance, mixer, player, wav"
    code = f"import sys; from kokoro_tui.audio import {modules}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"sounddevice", "soundfile", "scipy"} & set(loaded.split())


def test_a_silent_player_keeps_position_and_choice() -> None:
    player: Player = SilentPlayer("no sound")
    player.load([ORIGINAL, CANDIDATE])
    player.switch(1)
    player.play(0.25)
    assert player.state() == PlayerState(playing=False, which=1, position_seconds=0.25, duration_seconds=1.0)
    player.pause()
    player.seek(0.5)
    assert player.state().position_seconds == 0.5
    player.stop()
    assert player.state().position_seconds == 0.0
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
    monkeypatch.setattr("kokoro_tui.audio.player._SILENT_DEVICE_SECONDS", 0.0)
    assert not player.state().playing
    assert [problem.message for problem in problems] == ["the audio device does not respond"]
    monkeypatch.setattr("kokoro_tui.audio.player._CLOSE_SECONDS", 0.01)
    player.close()


def test_a_device_that_cannot_be_opened_is_a_message() -> None:
    problems: list[KokoroTuiError] = []
    player = SounddevicePlayer(_HangingModule("Device unavailable"), device.OutputFormat(24_000, 1), problems.append)
    player.load([ORIGINAL])
    player.play()
    assert player.wait(SECONDS)
    assert [problem.message for problem in problems] == ["the audio device could not be opened: Device unavailable"]
    player.close()
