"""The player's picture: what it shows, where, and what the mouse does on it."""

from __future__ import annotations

import pytest

from kokoro_tui.tui.widgets.sound_view import GUTTER
from tests.tui.conftest import FakePlayer
from tests.tui.sounding import Ready, focus_player, ready

__all__ = ["ready"]  # a fixture


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


@pytest.mark.parametrize(("size", "rows"), [((40, 12), 5), ((80, 24), 8), ((80, 40), 16), ((120, 40), 30)])
async def test_the_table_keeps_its_rows_beside_a_build(
    ready: Ready, player: FakePlayer, size: tuple[int, int], rows: int
) -> None:
    async with ready(size) as opened:
        assert opened.main.table.size.height >= rows
        before = opened.main.table.size
        await opened.press("p", "shift+tab")
        assert opened.main.table.size == before


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
