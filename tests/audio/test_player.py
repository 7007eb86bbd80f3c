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
from kokoro_tui.audio.device import AudioUnavailableError
from kokoro_tui.audio.levels import amplify, common_headroom
from kokoro_tui.audio.mixer import RAMP_SECONDS
from kokoro_tui.audio.player import (
    PlaybackError,
    Player,
    PlayerState,
    SilentPlayer,
    SounddevicePlayer,
    open_player,
)
from kokoro_tui.audio.resample import resample
from kokoro_tui.audio.tracks import prepare_tracks
from kokoro_tui.audio.waveform import Waveform, WaveformError
from kokoro_tui.errors import InputError, KokoroTuiError
from tests.audio.conftest import AlsaDevice, file_device
from tests.audio.signals import noise, sine

ORIGINAL = noise(1.0, 0.1, seed=1)
CANDIDATE = noise(1.0, 0.3, seed=2)
TRACKS = prepare_tracks(ORIGINAL, CANDIDATE)
LOADED = (TRACKS.a, TRACKS.b, TRACKS.difference)
"""A, B and their difference, as the screen loads them."""
SECONDS = 5.0


@pytest.fixture(autouse=True)
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a machine has installed besides PortAudio is another test's affair."""
    monkeypatch.setattr("kokoro_tui.audio.player.find_commands", lambda: ())


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
    player.load(LOADED)
    yield player
    player.close()


RAMP = round(RAMP_SECONDS * 24_000)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_portaudio_gets_the_level_matched_samples(file_player: SounddevicePlayer, tmp_path: Path, which: int) -> None:
    file_player.switch(which)
    file_player.play()
    assert file_player.wait(SECONDS)
    written = _played(tmp_path / "out.raw", ORIGINAL.size)
    np.testing.assert_array_equal(written[RAMP:], LOADED[which][RAMP:])


def test_portaudio_gets_a_switch_on_its_frame_without_gap(file_player: SounddevicePlayer, tmp_path: Path) -> None:
    file_player.mixer.request_switch_at(12_345, 1)
    file_player.play()
    assert file_player.wait(SECONDS)
    written = _played(tmp_path / "out.raw", ORIGINAL.size)
    original, candidate, _ = LOADED
    np.testing.assert_array_equal(written[RAMP:12_345], original[RAMP:12_345])
    np.testing.assert_array_equal(written[12_345 + RAMP :], candidate[12_345 + RAMP :])
    assert file_player.state() == PlayerState(playing=False, which=1, position_seconds=0.0, duration_seconds=1.0)


def test_a_switch_asked_for_while_playing_is_heard_within_fifty_milliseconds(
    alsa: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alsa(file_device(tmp_path / "out.raw"))
    player = _open()
    player.load(LOADED)
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
    original, candidate, _ = LOADED
    unchanged = int(np.flatnonzero(written[RAMP:] != original[RAMP:])[0]) + RAMP
    assert 0 <= unchanged - asked_at[0] <= 0.050 * 24_000
    np.testing.assert_array_equal(written[unchanged + RAMP :], candidate[unchanged + RAMP :])


def test_portaudio_gets_the_difference_at_its_gain_and_all_of_it_at_the_volume(
    file_player: SounddevicePlayer, tmp_path: Path
) -> None:
    file_player.set_gain(2, 0.5)
    file_player.set_volume(0.25)
    file_player.mixer.request_switch_at(12_000, 2)
    file_player.play()
    assert file_player.wait(SECONDS)
    written = _played(tmp_path / "out.raw", ORIGINAL.size)
    np.testing.assert_array_equal(written[RAMP:12_000], np.float32(0.25) * TRACKS.a[RAMP:12_000])
    np.testing.assert_array_equal(written[12_000 + RAMP :], np.float32(0.125) * TRACKS.difference[12_000 + RAMP :])
    assert file_player.state().volume == 0.25


def test_portaudio_gets_a_stretch_again_and_again(
    file_player: SounddevicePlayer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file_player.repeat((0.25, 0.5))
    mixer = file_player.mixer
    render = mixer.render
    rendered: list[int] = []

    def render_twice_the_stretch(frames: int) -> Waveform:
        rendered.append(frames)
        if sum(rendered) > 15_000:
            file_player.pause()
        return render(frames)

    monkeypatch.setattr(mixer, "render", render_twice_the_stretch)
    file_player.play(0.25)
    assert file_player.wait(SECONDS)
    assert file_player.state().loop == (0.25, 0.5)
    written = np.fromfile(tmp_path / "out.raw", dtype="<f4")
    first = int(np.flatnonzero(written)[0])
    for turn in (first, first + 6000):
        np.testing.assert_array_equal(written[turn + RAMP : turn + 6000], TRACKS.a[6000 + RAMP : 12_000])


def test_volume_stays_when_another_sentence_is_loaded_and_the_loop_does_not(file_player: SounddevicePlayer) -> None:
    file_player.set_volume(0.5)
    file_player.repeat((0.1, 0.4))
    file_player.load([sine(440.0, 0.5)])
    state = file_player.state()
    assert (state.volume, state.loop, state.which, state.position_seconds) == (0.5, None, 0, 0.0)


TWO_DEVICES = (
    'pcm.null {{ type null }}\npcm.!default {{ type file slave.pcm "null" file "{folder}/out.raw" format "raw" }}\n'
    'pcm.other {{ type file slave.pcm "null" file "{folder}/other.raw" format "raw" }}\n'
)


def test_another_device_is_chosen_by_its_name_and_plays(alsa: AlsaDevice, tmp_path: Path) -> None:
    alsa(TWO_DEVICES.format(folder=tmp_path))
    player = _open()
    player.load(LOADED)
    assert {"default, ALSA", "other, ALSA"} <= set(player.outputs())
    player.choose_output("other, ALSA")
    assert player.output == "other, ALSA"
    player.play()
    assert player.wait(SECONDS)
    written = _played(tmp_path / "other.raw", ORIGINAL.size)
    np.testing.assert_array_equal(written[RAMP:], TRACKS.a[RAMP:])
    with pytest.raises(AudioUnavailableError, match="there is no audio device nowhere"):
        player.choose_output("nowhere")
    assert player.output == "other, ALSA"
    player.close()


def test_a_remembered_device_is_opened_and_a_missing_one_is_a_note(alsa: AlsaDevice, tmp_path: Path) -> None:
    alsa(TWO_DEVICES.format(folder=tmp_path))
    remembered = open_player(_no_problem, "other, ALSA")
    assert (remembered.output, remembered.note) == ("other, ALSA", None)
    missing = open_player(_no_problem, "Headphones, ALSA")
    assert missing.output is None
    assert missing.note == "there is no audio device Headphones, ALSA; the default device is used"
    for player in (remembered, missing):
        player.close()


def test_a_device_of_another_rate_goes_on_where_the_first_one_was(
    alsa: AlsaDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounddevice = alsa(TWO_DEVICES.format(folder=tmp_path))
    player = _open()
    player.load(LOADED)
    player.switch(1)
    player.seek(0.5)
    player.set_volume(0.5)
    player.set_gain(2, 4.0)
    player.repeat((0.25, 0.75))
    check = sounddevice.check_output_settings

    def refuse_24_khz(**settings: Any) -> None:
        if settings["samplerate"] == 24_000:
            raise sounddevice.PortAudioError("Invalid sample rate")
        check(**settings)

    monkeypatch.setattr(sounddevice, "check_output_settings", refuse_24_khz)
    player.choose_output("other, ALSA")
    assert player.state() == PlayerState(False, 1, 0.5, 1.0, 0.5, (0.25, 0.75))
    assert player.mixer.gains == (1.0, 1.0, 4.0)
    assert player.mixer.length == 44_100
    player.close()


def test_a_device_that_comes_back_is_found_again(alsa: AlsaDevice, tmp_path: Path) -> None:
    """After a failure PortAudio looks anew: the device may have another number, or be another one."""
    alsa(file_device(Path("/dev/full")))
    problems: list[KokoroTuiError] = []
    player = open_player(problems.append)
    player.load(LOADED)
    player.play()
    assert isinstance(player, SounddevicePlayer)
    assert player.wait(SECONDS)
    assert len(problems) == 1
    (tmp_path / "asound.conf").write_text(file_device(tmp_path / "out.raw"))
    player.play(0.0)
    assert player.wait(SECONDS)
    assert len(problems) == 1
    written = _played(tmp_path / "out.raw", ORIGINAL.size)
    np.testing.assert_array_equal(written[RAMP:], TRACKS.a[RAMP:])
    player.close()


def test_the_device_is_taken_again_for_every_play(file_player: SounddevicePlayer, tmp_path: Path) -> None:
    for start in (0.0, 0.5):
        file_player.play(start)
        assert file_player.wait(SECONDS)
        first = round(start * 24_000)
        written = _played(tmp_path / "out.raw", ORIGINAL.size - first)
        np.testing.assert_array_equal(written[RAMP:], TRACKS.a[first + RAMP :])


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
    player.load(LOADED)
    player.play()
    assert player.wait(SECONDS)
    player.close()
    resampled = [resample(track, 24_000, 44_100) for track in LOADED]
    expected = amplify(resampled[0], common_headroom([(track, 1.0) for track in resampled]))
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
