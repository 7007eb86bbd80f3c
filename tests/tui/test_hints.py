from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Static

from kokoro_tui.store.paths import config_path
from kokoro_tui.store.settings import load_settings
from kokoro_tui.tui.bindings import PLAYER_BINDINGS, SCREEN_BINDINGS, TABLE_BINDINGS
from kokoro_tui.tui.screens.help import HelpScreen
from tests.tui.conftest import FakePlayer, Open, Opened

STYLE = "/encoder/style/Gemm"
ALL_BINDINGS = (*TABLE_BINDINGS, *SCREEN_BINDINGS, *PLAYER_BINDINGS)


def footer(opened: Opened) -> str:
    """The last line on the screen."""
    return opened.screen_text.splitlines()[-1]


def test_every_binding_has_a_name_and_says_what_it_does() -> None:
    names = [binding.id for binding in ALL_BINDINGS]
    assert len(set(names)) == len(names)
    assert all(binding.tooltip and binding.description for binding in ALL_BINDINGS)


async def test_the_footer_is_true_for_what_has_the_focus(
    open_app: Open, toy_model: Path, voice: str, player: FakePlayer
) -> None:
    async with open_app(toy_model, size=(160, 40), voice=voice) as opened:
        assert "f FP16" in footer(opened)
        assert "Play" not in footer(opened)
        assert "esc" not in footer(opened)
        await opened.press("slash")
        assert "Keep filter" in footer(opened)
        assert "f FP16" not in footer(opened)
        assert "b Build" not in footer(opened), "letters are typed into the filter"
        assert "/ Filter" not in footer(opened)
        await opened.press("escape", "v")
        assert "esc Clear marks" in footer(opened)
        await opened.press("escape", "b")
        assert "esc Stop build" in footer(opened)
        await opened.until(lambda: opened.main.player_bar.building is None)
        assert "esc" not in footer(opened)
        assert "p Play" in footer(opened)
        await opened.press("p")
        assert "tab A/B" in footer(opened)
        assert "f FP16" not in footer(opened)
        await opened.press("r")
        assert "Apply" in footer(opened)
        assert "Play" not in footer(opened)


async def test_undo_is_dimmed_while_there_is_nothing_to_undo(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        assert opened.app.screen.active_bindings["u"].enabled is False
        await opened.press("f")
        assert opened.app.screen.active_bindings["u"].enabled is True


async def test_a_click_on_a_hint_does_it(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(STYLE)
        x = footer(opened).index("w W8")
        await opened.pilot.click("KeyBar", offset=(x, 0))
        await opened.pilot.pause()
        assert opened.main.table.get_cell(STYLE, "precision").plain == "W8"


@pytest.mark.parametrize("width", [30, 40, 80, 120, 200])
async def test_help_and_the_palette_are_always_in_sight(open_app: Open, toy_model: Path, width: int) -> None:
    async with open_app(toy_model, size=(width, 24)) as opened:
        assert footer(opened).rstrip().endswith("? Help  ^p palette")
        assert len(footer(opened)) == width


async def test_help_lists_every_key(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model, size=(120, 150)) as opened:
        await opened.press("question_mark")
        assert isinstance(opened.app.screen, HelpScreen)
        text = opened.screen_text
        for binding in ALL_BINDINGS:
            assert str(binding.id) in text
        assert "weights in 8-bit integers per output channel" in text
        await opened.press("escape")
        assert opened.app.screen is opened.main


async def test_keys_can_be_remapped(open_app: Open, toy_model: Path) -> None:
    config_path().write_text('[keys]\n"precision.w8" = "m"\n', encoding="utf-8")
    async with open_app(toy_model, size=(120, 100)) as opened:
        opened.place_cursor(STYLE)
        await opened.press("w")
        assert opened.main.table.get_cell(STYLE, "precision").plain == "FP32"
        await opened.press("m")
        assert opened.main.table.get_cell(STYLE, "precision").plain == "W8"
        assert "m W8" in footer(opened)
        await opened.press("question_mark")
        line = next(line for line in opened.screen_text.splitlines() if "precision.w8" in line)
        assert " m  Give them" in line


async def test_broken_settings_are_a_note_and_the_defaults(open_app: Open, toy_model: Path) -> None:
    config_path().write_text("theme = [", encoding="utf-8")
    async with open_app(toy_model) as opened:
        assert any("not valid TOML" in toast for toast in opened.toasts)
        assert opened.app.theme == "kokoro-dark"
        await opened.press("f")
        assert opened.main.state.plan.choices


async def test_an_unknown_theme_is_the_default(open_app: Open, toy_model: Path) -> None:
    config_path().write_text('theme = "no-such-theme"\n', encoding="utf-8")
    async with open_app(toy_model) as opened:
        assert opened.app.theme == "kokoro-dark"


async def test_theme_and_order_are_kept(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.app.theme = "kokoro-light"
        opened.main.sort_by("name")
        await opened.until(lambda: load_settings()[0].theme == "kokoro-light")
        await opened.until(lambda: load_settings()[0].sort.column == "name")
    async with open_app(toy_model) as opened:
        assert opened.app.theme == "kokoro-light"
        keys = [row.key for row in opened.main.table.listed]
        assert keys == sorted(keys)


async def test_nothing_can_be_done_before_the_model_is_open(
    open_app: Open, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kokoro_tui.tui.app import KokoroTuiApp
    from kokoro_tui.tui.screens.main import MainScreen

    monkeypatch.setattr(MainScreen, "_open", lambda self: None)
    app = KokoroTuiApp(toy_model)
    async with app.run_test() as pilot:
        await pilot.press("f", "x", "slash", "r", "b", "e", "s", "l", "t", "u", "v", "g", "a", "o", "y", "p", "space")
        await pilot.pause()
        assert app.screen is app.main
        assert app.query_one("#loading").display
        await pilot.press("question_mark")
        await pilot.pause()
        assert app.screen.query(Static)
        await pilot.press("escape", "q")
        await pilot.pause()
    assert app.failure is None
