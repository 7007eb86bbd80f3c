"""The player through PortAudio: into a file, from device to device, and when a device fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokoro_tui.audio.device import AudioUnavailableError
from kokoro_tui.audio.levels import amplify, common_headroom
from kokoro_tui.audio.mixer import RAMP_SECONDS
from kokoro_tui.audio.player import (
    PlaybackError,
    PlayerState,
    SounddevicePlayer,
    open_player,
)
from kokoro_tui.audio.resample import resample
from kokoro_tui.audio.waveform import Waveform
from kokoro_tui.errors import KokoroTuiError
from tests.audio.conftest import AlsaDevice, file_device
from tests.audio.players import LOADED, ORIGINAL, SECONDS, TRACKS, no_problem
from tests.audio.signals import sine

pytestmark = pytest.mark.usefixtures("no_programs")


def _open() -> SounddevicePlayer:
    player = open_player(no_problem)
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
    remembered = open_player(no_problem, "other, ALSA")
    assert (remembered.output, remembered.note) == ("other, ALSA", None)
    missing = open_player(no_problem, "Headphones, ALSA")
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
