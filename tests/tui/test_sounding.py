"""The player's keys, mouse and picture, on renderings made for it."""

from __future__ import annotations

import ctypes.util
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from textual.widgets import OptionList

from kokoro_tui.audio.mixer import RAMP_SECONDS
from kokoro_tui.audio.playback import PlayerState
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.engine.measure import Measurement
from kokoro_tui.jobs.tasks import AuditionedSentence
from kokoro_tui.speech.sentences import Speech
from kokoro_tui.store.settings import load_settings
from kokoro_tui.tui.audition import Auditioner, AuditionResult
from kokoro_tui.tui.commands import find_commands
from kokoro_tui.tui.screens.devices import DeviceScreen
from kokoro_tui.tui.widgets.sound_view import GUTTER
from tests.audio.conftest import AlsaDevice, alsa, file_device
from tests.audio.signals import noise, speech_like
from tests.tui.conftest import FakePlayer, Open, Opened

DURATIONS_A = np.array([10, 20, 30, 20], dtype=np.int64)
DURATIONS_B = np.array([10, 20, 31, 20], dtype=np.int64)
"""One frame more for the third of four tokens."""


def _sentence(text: str, *, moved: bool = True) -> AuditionedSentence:
    """Two seconds that differ most from 1.2 to 1.5 s."""
    original = speech_like(2.0)
    pinned = original.copy()
    pinned[28_800:36_000] += noise(0.3, 0.03, seed=4)
    free = np.concatenate([pinned[:36_000], noise(0.025, 0.01), pinned[36_000:]]) if moved else pinned
    measurement = Measurement(
        mel_distance=0.41, added_noise_db=1.5, frames_moved=1 if moved else 0, pinned=True, reference_factor=0.2,
        candidate_factor=0.18, reference=original, candidate=free, reference_durations=DURATIONS_A,
        candidate_durations=DURATIONS_B if moved else DURATIONS_A, pinned_candidate=pinned,
    )  # fmt: skip
    folder = Path("/renderings")
    return AuditionedSentence(
        Speech(text), "af_heart", "hɛ", measurement, folder / "original.wav", folder / "candidate.wav", ()
    )


__all__ = ["alsa"]  # a fixture
SENTENCES = (_sentence("the first one"), _sentence("the second one", moved=False))


Ready = Callable[..., AbstractAsyncContextManager[Opened]]


@pytest.fixture
def ready(open_app: Open, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    """A function that opens an app in which two sentences have been auditioned."""

    def run(self: Auditioner, plan: PrecisionPlan, *arguments: object) -> AuditionResult:
        return AuditionResult(plan, 3_000_000, 1_000_000, SENTENCES, SENTENCES[0].measurement)

    monkeypatch.setattr(Auditioner, "run", run)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (120, 40)) -> AsyncIterator[Opened]:
        async with open_app(toy_model, size=size) as found:
            await found.press("b")
            await found.until(lambda: found.main.can_play)
            yield found

    return opened


async def focus_player(opened: Opened) -> None:
    """Go to the player without playing."""
    opened.main.player_bar.focus()
    await opened.pilot.pause()


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


# Seeing


async def test_the_player_fills_the_screen_while_it_has_the_focus(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        beside = opened.main.player_bar.size
        await opened.press("p")
        assert opened.main.player_bar.size.width > 110
        assert opened.main.player_bar.size.height > 30
        assert not opened.main.table.is_on_screen
        await opened.press("shift+tab")
        assert opened.main.focused is opened.main.table
        assert opened.main.player_bar.size == beside
        assert opened.main.table.is_on_screen


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (120, 40), (200, 60)])
async def test_the_picture_has_what_there_is_room_for(ready: Ready, player: FakePlayer, size: tuple[int, int]) -> None:
    async with ready(size) as opened:
        await opened.press("p")
        text = opened.screen_text
        lines = [line.strip() for line in text.splitlines()]
        assert any(line.startswith("diff") for line in lines)
        assert any(line.startswith("A") for line in lines)
        if size[1] >= 24:
            assert any(line.startswith("B\u2212A") for line in lines)
            assert any(line.startswith("A") and "20" in line and "30" in line for line in lines), "durations"
            assert any(line.startswith("B") and "20" in line and "31" in line for line in lines), "durations"
        assert all(len(line) <= size[0] for line in text.splitlines())


async def test_moved_phonemes_are_marked(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await opened.press("p")
        player.seek(1.0)
        opened.main._show_played()
        assert "\u025b 750 \u2192 775 ms" in opened.main.player_bar.text
        view = opened.main.player_bar.view
        row = next(y for y in range(view.size.height) if "31" in view.render_line(y).text)
        styles = {segment.text.strip(): segment.style for segment in view.render_line(row)}
        assert styles["31"] is not None and styles["31"].reverse
        assert not any(style.reverse for text, style in styles.items() if text != "31" and style is not None)


async def test_a_moving_playhead_draws_nothing_anew(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await opened.press("p")
        view = opened.main.player_bar.view
        drawn = view._lines
        assert drawn is not None
        columns = []
        for seconds in (0.0, 0.7, 1.9):
            player.seek(seconds)
            opened.main._show_played()
            await opened.pilot.pause()
            columns.append(view.render_line(1).text.index("\u2502"))
        assert view._lines is drawn
        width = view.size.width - GUTTER
        assert columns == [GUTTER + int(seconds / 2.025 * width) for seconds in (0.0, 0.7, 1.9)]


async def test_zooming_shows_the_place_that_is_heard_and_turns_the_page(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await opened.press("p")
        view = opened.main.player_bar.view
        assert view.span == (0.0, 2.025)
        await opened.press("z")
        assert view.span == (0.0, 1.5)
        player.seek(1.6)
        opened.main._show_played()
        assert view.span == pytest.approx((0.525, 2.025))
        await opened.press("z")
        assert view.span == (0.0, 2.025)


async def test_a_click_on_the_picture_seeks_and_a_drag_repeats(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await focus_player(opened)
        view = opened.main.player_bar.view
        width = view.size.width - GUTTER
        await opened.pilot.click(view, offset=(GUTTER + width // 2, 4))
        assert player.now.position_seconds == pytest.approx(2.025 / 2, abs=0.02)
        assert player.now.loop is None
        await opened.pilot.mouse_down(view, offset=(GUTTER + 20, 4))
        await opened.pilot.hover(view, offset=(GUTTER + 60, 4))
        await opened.pilot.mouse_up(view, offset=(GUTTER + 60, 4))
        assert player.now.loop == pytest.approx((20 / width * 2.025, 60 / width * 2.025))


async def test_the_small_picture_and_the_line_above_it_take_clicks(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await opened.pilot.click("#player-position", offset=(6, 0))
        assert player.now.which == 1
        await opened.press("escape")
        await opened.pilot.click("#player-position", offset=(20, 0))
        assert 0 < player.now.position_seconds < 2.025
        await opened.press("escape")
        view = opened.main.player_bar.view
        await opened.pilot.click(view, offset=(view.size.width - 2, 1))
        assert player.now.position_seconds > 1.85
        assert player.now.loop is None


@pytest.mark.parametrize("theme", ["kokoro-dark", "kokoro-light"])
async def test_spectrograms_are_in_colour_and_the_worst_half_second_stands_out(
    ready: Ready, player: FakePlayer, theme: str
) -> None:
    async with ready() as opened:
        opened.app.theme = theme
        await opened.press("p")
        view = opened.main.player_bar.view
        lines = [view.render_line(y) for y in range(view.size.height)]
        labels = [line.text[:GUTTER].strip() for line in lines]
        start = labels.index("B\u2212A")
        worst, calm = _reddest(lines[start + 1], 1.25), _reddest(lines[start + 1], 0.6)
        assert worst > 4 * max(calm, 1)
        colours = {segment.style.bgcolor for line in lines for segment in line if segment.style is not None}
        assert len(colours) > 20


def _reddest(line: object, seconds: float) -> int:
    """How far the red of the cell at a place lies above or under its blue."""
    column = GUTTER + int(seconds / 2.025 * (line.cell_length - GUTTER))  # type: ignore[attr-defined]
    (segment,) = line.crop(column, column + 1)  # type: ignore[attr-defined]
    red, _, blue = segment.style.color.triplet
    return abs(int(red) - int(blue))


async def test_without_colours_shades_take_over(
    ready: Ready, player: FakePlayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with ready() as opened:
        await opened.press("p")
        assert "\u2580" not in opened.screen_text
        assert "\u2592" in opened.screen_text


async def test_leaving_and_building_again_give_the_table_its_place_back(ready: Ready, player: FakePlayer) -> None:
    async with ready() as opened:
        await opened.press("p", "b")
        await opened.until(lambda: opened.main.player_bar.building is None)
        assert opened.main.has_class("-listening"), "the player still has the focus"
        await opened.press("escape")
        assert not opened.main.has_class("-listening")


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
