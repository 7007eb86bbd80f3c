"""The player's keys and what is heard, on renderings made for it."""

from __future__ import annotations

import ctypes.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import OptionList

from kokoro_tui.audio.mixer import RAMP_SECONDS
from kokoro_tui.audio.playback import PlayerState
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.store.settings import load_settings
from kokoro_tui.tui.commands import find_commands
from kokoro_tui.tui.screens.devices import DeviceScreen
from tests.audio.conftest import AlsaDevice, alsa, file_device
from tests.tui.conftest import FakePlayer
from tests.tui.sounding import Ready, focus_player, ready

__all__ = ["alsa", "ready"]  # fixtures


# Hearing


async def test_the_player_gets_a_b_the_difference_and_the_timing_of_b(ready: Ready, player: FakePlayer) -> None:
    async with ready():
        a, b, difference = player.loaded
        assert player.time_maps[0] is None and player.time_maps[2] is None
        time_map = player.time_maps[1]
        assert time_map is not None
        assert time_map.to_track(2.0) == pytest.approx(2.025)
        assert a.size == b.size == 48_600
        assert np.abs(difference[:24_000]).max() < 0.1 * np.abs(difference).max(), "taken with the pinned rendering"


async def test_the_difference_has_a_key_and_a_gain_that_does_not_clip(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await focus_player(opened)
        await opened.press("D")
        assert player.now.which == 2
        await opened.press("plus")
        assert player.gains[2] == pytest.approx(10 ** (6 / 20))
        for _ in range(12):
            await opened.press("plus")
        peak = float(np.abs(player.loaded[2]).max())
        assert player.gains[2] * peak == pytest.approx(1.0, rel=1e-4)
        await opened.press("minus")
        assert player.gains[2] * peak == pytest.approx(10 ** (-6 / 20), rel=1e-4)
        await opened.press("D")
        assert player.now.which == 0
        await opened.press("D", "tab")
        assert player.now.which == 0, "from the difference tab goes back to A"


async def test_the_volume_goes_down_and_never_above_full(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await focus_player(opened)
        await opened.press("up")
        assert player.now.volume == 1.0
        await opened.press("down", "down")
        assert player.now.volume == pytest.approx(10 ** (-6 / 20))
        assert "volume -6 dB" in opened.screen_text


async def test_a_stretch_is_repeated_by_keys(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await focus_player(opened)
        player.seek(0.5)
        await opened.press("left_square_bracket")
        assert player.now.loop == (0.5, pytest.approx(2.025))
        player.seek(1.0)
        await opened.press("right_square_bracket")
        assert player.now.loop == (0.5, 1.0)
        assert "loop 0.50\u20131.00 s" in opened.screen_text
        await opened.press("backspace")
        assert player.now.loop is None
        player.seek(1.5)
        await opened.press("right_square_bracket")
        assert player.now.loop == (0.0, 1.5)


async def test_n_goes_to_the_worst_half_second_from_the_table_and_from_the_player(
    ready: Ready, player: FakePlayer
) -> None:
    async with ready() as opened:
        assert opened.main.focused is opened.main.table
        await opened.press("n")
        worst = player.now.position_seconds
        assert 0.98 <= worst <= 1.22
        player.seek(0.0)
        await focus_player(opened)
        await opened.press("n")
        assert player.now.position_seconds == worst
        assert opened.status.startswith("the worst half second")


async def test_sentences_are_gone_through_and_keep_playing(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await opened.press("p")
        assert "1/2  the first one" in opened.screen_text
        await opened.press("tab", "full_stop")
        await opened.until(lambda: opened.main.player_bar.index == 1)
        assert "2/2  the second one" in opened.screen_text
        assert player.now.playing
        assert player.now.which == 1, "B is still heard"
        assert player.time_maps[1] is None
        await opened.press("full_stop")
        assert opened.main.player_bar.index == 1
        await opened.press("comma")
        await opened.until(lambda: opened.main.player_bar.index == 0)


async def test_a_rendering_that_has_gone_from_the_cache_is_a_message(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        result, loaded = opened.main.player_bar.result, player.loaded
        assert result is not None
        result.clips[1].candidate_wav.unlink()
        await focus_player(opened)
        await opened.press("full_stop")
        await opened.until(lambda: "a rendering has gone from the cache" in opened.screen_text)
        assert player.loaded is loaded, "the first sentence can still be heard"
        assert opened.main.player_bar.index == 0


async def test_a_device_is_chosen_by_name_and_remembered(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await focus_player(opened)
        await opened.press("o")
        await opened.until(lambda: isinstance(opened.app.screen, DeviceScreen))
        await opened.press("down", "down", "enter")
        await opened.until(lambda: player.output is not None)
        assert player.output == "Headphones, ALSA"
        await opened.until(lambda: load_settings()[0].audio_output == "Headphones, ALSA")
        await opened.press("o")
        await opened.until(lambda: isinstance(opened.app.screen, DeviceScreen))
        assert opened.app.screen.query_one(OptionList).highlighted == 2
        await opened.press("home", "enter")
        await opened.until(lambda: player.output is None)
        await opened.until(lambda: load_settings()[0].audio_output is None)


async def test_a_device_that_has_gone_is_a_message(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await focus_player(opened)
        await opened.press("o")
        await opened.until(lambda: isinstance(opened.app.screen, DeviceScreen))
        player.devices = ("Loudspeakers, ALSA",)
        await opened.press("down", "down", "enter")
        await opened.until(lambda: opened.toasts)
        assert "there is no audio device Headphones, ALSA" in opened.toasts[0]
        assert player.output is None


async def test_every_action_of_the_player_is_in_the_palette(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        titles = {command.title for command in find_commands(opened.main, "")}
        assert {"A/B", "B\u2212A", "Worst", "Loop from", "Louder", "More B\u2212A", "Next sentence", "Device"} <= titles


# Through PortAudio


async def test_what_portaudio_gets_is_what_the_keys_ask_for(ready: Ready, alsa: AlsaDevice, tmp_path: Path) -> None:
    alsa(file_device(tmp_path / "out.raw"))
    async with ready() as opened:
        bar = opened.main.player_bar
        assert bar.silence == ""
        await opened.press("p")
        await opened.until(lambda: bar.played is not None and not bar.played.playing)
        assert bar.analysis is not None
        for which, key in ((1, "tab"), (2, "D")):
            await opened.press(key, "home", "space")
            await opened.until(lambda: bar.played is not None and not bar.played.playing)
            tracks = bar.analysis.tracks
            expected = (tracks.a, tracks.b, tracks.difference)[which]
            written = np.fromfile(tmp_path / "out.raw", dtype="<f4")
            first = int(np.flatnonzero(written)[0])
            ramp = round(RAMP_SECONDS * 24_000)
            np.testing.assert_array_equal(written[first + ramp : first + 48_000], expected[ramp:48_000])


async def test_a_device_that_vanishes_while_it_plays_is_a_message(ready: Ready, alsa: AlsaDevice) -> None:
    alsa(file_device(Path("/dev/full")))
    async with ready() as opened:
        await opened.press("p")
        await opened.until(lambda: opened.toasts)
        assert opened.toasts[0].startswith("the audio device went away")
        assert opened.main.player_bar.played is not None
        assert not opened.main.player_bar.played.playing


# Without sound


async def test_without_portaudio_everything_but_sound_works(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is hidden, and no program of the system can play."""
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _name: None)
    monkeypatch.setattr("kokoro_tui.audio.player.find_commands", lambda: ())
    async with ready() as opened:
        bar = opened.main.player_bar
        assert "PortAudio library not found" in bar.silence
        assert "original.wav" in bar.text and "candidate.wav" in bar.text
        await opened.press("p")
        assert "PortAudio" in opened.status
        assert opened.main.has_class("-listening"), "there is something to see"
        assert bar.played is not None and not bar.played.playing

        def now() -> PlayerState:
            assert bar.played is not None
            return bar.played

        await opened.press("tab", "right")
        assert (now().which, now().position_seconds) == (1, 1.0)
        await opened.press("D", "n")
        assert now().which == 2 and 0.98 <= now().position_seconds <= 1.22
        await opened.press("left_square_bracket", "down", "plus", "z")
        assert now().loop is not None and now().volume < 1.0 and bar.gain == 6.0
        assert bar.view.zoomed and "diff" in opened.screen_text
        await opened.press("full_stop")
        await opened.until(lambda: bar.index == 1)
        await opened.press("o")
        await opened.until(lambda: opened.status == bar.silence)
        await opened.press("escape", "f", "u")
        assert opened.main.state.plan == PrecisionPlan()
        assert "sounddevice" not in sys.modules


async def test_what_replaces_a_missing_device_is_said(ready: Ready, player: FakePlayer) -> None:
    player.note = "no device; pw-play plays instead"
    async with ready() as opened:
        assert player.note in opened.main.player_bar.text
        player.now = replace(player.now, playing=True)
        await opened.press("p")
        assert not player.now.playing
