"""A dialog that is told twice to leave takes nothing else with it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
from rich.style import Style
from textual.events import Click
from textual.screen import Screen
from textual.widgets import Input

from kokoro_tui.core.precision import Precision
from kokoro_tui.core.trials import TrialTable
from kokoro_tui.tui.screens.confirm import ConfirmScreen
from kokoro_tui.tui.screens.help import HelpScreen
from kokoro_tui.tui.screens.load import LoadScreen
from kokoro_tui.tui.screens.palette import PaletteScreen
from kokoro_tui.tui.screens.too_small import TooSmallScreen
from kokoro_tui.tui.widgets.steady_list import SteadyList
from tests.tui.conftest import Open


@pytest.mark.parametrize(
    ("action", "kind"),
    [("command_palette", PaletteScreen), ("change_theme", PaletteScreen), ("screen.help", HelpScreen)],
)
async def test_leaving_twice_is_leaving_once(open_app: Open, toy_model: Path, action: str, kind: type) -> None:
    async with open_app(toy_model) as opened:
        await opened.app.run_action(action)
        await opened.until(lambda: isinstance(opened.app.screen, kind))
        dialog = opened.app.screen
        dialog.dismiss(None)
        dialog.dismiss(None)
        await opened.until(lambda: opened.app.screen is opened.main)
    assert not opened.app.failed


async def test_a_dialog_leaves_with_what_lies_over_it(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("question_mark")
        dialog = opened.app.screen
        await opened.app.push_screen(ConfirmScreen("Sure?", {"yes": "Yes"}))
        dialog.dismiss(None)
        await opened.until(lambda: opened.app.screen is opened.main)
    assert not opened.app.failed


async def test_a_dialog_that_has_left_hears_nothing_more(open_app: Open, toy_model: Path) -> None:
    """Its widgets are going, and whoever reports to it looks for them in vain."""
    async with open_app(toy_model) as opened:
        await opened.press("r")
        dialog = opened.app.screen
        field = dialog.query_one(Input)
        assert dialog.post_message(Input.Changed(field, "conv"))
        dialog.dismiss(None)
        assert not dialog.post_message(Input.Changed(field, "co"))
        await opened.until(lambda: opened.app.screen is opened.main)
    assert not opened.app.failed


async def test_a_palette_that_is_taken_away_before_it_is_filled(open_app: Open, toy_model: Path) -> None:
    """Ctrl+P right after the key that closes a dialog: the palette opens over it, and goes with it."""
    async with open_app(toy_model) as opened:
        await opened.press("question_mark")
        dialog = opened.app.screen
        opened.app.action_command_palette()
        palette = opened.app.screen
        assert not palette.is_mounted
        dialog.dismiss(None)
        await opened.until(lambda: palette.is_mounted)
        await opened.until(lambda: opened.app.screen is opened.main)
    assert not opened.app.failed


async def test_a_dialog_that_opens_while_the_program_ends(open_app: Open, toy_model: Path) -> None:
    """It gets no widgets any more, and looks for none."""
    async with open_app(toy_model) as opened:
        opened.app.push_screen(dialog := PaletteScreen(lambda typed: [], ""))
        opened.app.exit()
        await opened.until(lambda: dialog.is_mounted)
        assert not dialog.children
    assert not opened.app.failed
    assert opened.app.return_code == 0


@pytest.mark.parametrize("key", ["ctrl+p", "d"])
async def test_a_click_on_an_option_that_is_gone(open_app: Open, toy_model: Path, key: str) -> None:
    """The lines on screen are those of a moment ago."""
    async with open_app(toy_model) as opened:
        await opened.press(key)
        await opened.until(lambda: opened.app.screen.query(SteadyList))
        options = opened.app.screen.query_one(SteadyList)
        await opened.until(lambda: options.option_count)
        gone = Style.from_meta({"option": options.option_count})
        options.post_message(Click(options, 1, 1, 0, 0, 1, False, False, False, style=gone))
        await opened.pilot.pause()
    assert not opened.app.failed


async def test_nothing_opens_over_the_request_for_a_larger_terminal(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.pilot.resize_terminal(20, 5)
        await opened.until(lambda: isinstance(opened.app.screen, TooSmallScreen))
        await opened.press("ctrl+p", "pagedown", "pageup")
        assert isinstance(opened.app.screen, TooSmallScreen)
        await opened.pilot.resize_terminal(120, 40)
        await opened.until(lambda: opened.app.screen is opened.main)
    assert not opened.app.failed


async def test_the_request_goes_when_what_lies_over_it_goes(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.pilot.resize_terminal(20, 5)
        await opened.until(lambda: isinstance(opened.app.screen, TooSmallScreen))
        await opened.app.push_screen(question := ConfirmScreen("Sure?", {"yes": "Yes"}))
        await opened.pilot.resize_terminal(120, 40)
        question.dismiss(None)
        await opened.until(lambda: opened.app.screen is opened.main)


async def test_enter_waits_for_what_was_typed_before_it(open_app: Open, toy_model: Path) -> None:
    """Keys of one burst, as SSH delivers them: enter is the dialog's, and must not overtake letters of the field."""
    async with open_app(toy_model) as opened:
        await opened.press("r")
        await opened.type_at_once("conv.post")
        await opened.until(lambda: opened.app.screen is opened.main)
        assert opened.main.state.plan.precision_of("/decoder/generator/conv_post/Conv") is not Precision.FP32
        assert len(opened.main.state.plan.choices) == 1


@pytest.mark.parametrize(
    ("action", "note", "said"),
    [
        ("export", "#path-note", "there is no folder missing"),
        ("save", "#path-note", "missing/k.toml lies in a folder that does not exist"),
        ("planner", "#planner-note", "'missing/k' is not a number"),
    ],
)
async def test_an_answer_outlasts_the_news_of_what_was_typed(
    open_app: Open, toy_model: Path, action: str, note: str, said: str
) -> None:
    """Fields tell of the letters of one burst after enter was answered."""
    async with open_app(toy_model) as opened:
        opened.main.bench.trials = TrialTable()
        await opened.app.run_action(f"screen.{action}")
        await opened.until(lambda: opened.app.screen is not opened.main and opened.app.screen.is_mounted)
        await opened.press("end", "ctrl+u")
        await opened.type_at_once("missing/k")
        assert said in str(opened.app.screen.query_one(note).render())
        await opened.press("a")
        assert said not in str(opened.app.screen.query_one(note).render())


async def test_keys_before_a_dialog_is_filled_do_nothing(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.app.push_screen(dialog := ConfirmScreen("Sure?", {"yes": "Yes"}))
        assert not dialog.is_mounted
        assert not await opened.app.run_action("leave", dialog)
        await opened.until(lambda: dialog.is_mounted)
        assert await opened.app.run_action("leave", dialog)
        await opened.until(lambda: opened.app.screen is opened.main)


async def test_the_palette_waits_for_the_dialog_that_it_is_to_lie_over(open_app: Open, toy_model: Path) -> None:
    """A dialog is asked what can be done in it; before it is filled it does not know."""
    async with open_app(toy_model) as opened:
        opened.app.push_screen(dialog := LoadScreen((), ()))
        assert not dialog.is_mounted
        assert not await opened.app.run_action("command_palette")
        await opened.until(lambda: dialog.is_mounted)
        assert await opened.app.run_action("command_palette")
        await opened.until(lambda: isinstance(opened.app.screen, PaletteScreen))
    assert not opened.app.failed


@pytest.mark.parametrize(
    "action", ["planner", "candidates", "regex", "help", "load", "save", "export", "command_palette"]
)
async def test_closed_dialogs_are_not_kept(open_app: Open, toy_model: Path, action: str) -> None:
    """Whoever leaves the program open for days opens hundreds of them."""
    async with open_app(toy_model) as opened:
        opened.main.bench.trials = TrialTable()
        closed: list[weakref.ref[Screen[object]]] = []
        for _ in range(4):
            await opened.app.run_action(action if action == "command_palette" else f"screen.{action}")
            await opened.until(lambda: opened.app.screen is not opened.main and opened.app.screen.is_mounted)
            closed.append(weakref.ref(opened.app.screen))
            await opened.press("escape")
            await opened.until(lambda: opened.app.screen is opened.main)
        gc.collect()
        # The context of the last key may still hold the last one.
        assert sum(dialog() is not None for dialog in closed) <= 1
