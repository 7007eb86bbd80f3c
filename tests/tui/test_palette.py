"""The command palette: what it offers, what it finds, and what it does with names from hostile files."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import ModelProto

from kokoro_tui.tui.commands import dialog_commands, find_commands, matching_nodes
from kokoro_tui.tui.screens.palette import PaletteScreen
from kokoro_tui.tui.widgets.steady_list import SteadyList
from tests.models import toy_kokoro, write
from tests.tui.conftest import Open, Opened

STYLE = "/encoder/style/Gemm"


async def run_from_palette(opened: Opened, text: str) -> None:
    """Type into the command palette and take the first hit."""
    await opened.press("ctrl+p")
    assert isinstance(opened.app.screen, PaletteScreen)
    await opened.type(text)
    await opened.press("enter")
    await opened.until(lambda: not isinstance(opened.app.screen, PaletteScreen))


async def test_the_palette_does_what_the_keys_do(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(STYLE)
        await run_from_palette(opened, "INT8")
        await opened.until(lambda: opened.main.table.get_cell(STYLE, "precision").plain == "INT8")
        await run_from_palette(opened, "Undo")
        await opened.until(lambda: opened.main.table.get_cell(STYLE, "precision").plain == "FP32")


async def test_the_palette_goes_to_a_node(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("slash")
        await opened.type("query")
        await opened.press("enter")
        await run_from_palette(opened, "LeakyRelu")
        await opened.until(lambda: opened.main.table.current is not None)
        current = opened.main.table.current
        assert current is not None
        assert current.key == "/decoder/LeakyRelu", "all nodes are listed if it is no candidate"


async def test_the_palette_offers_only_what_can_be_done(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        titles = [command.title for command in find_commands(opened.main, "")]
        assert "Export" in titles
        assert "Quit" in titles
        assert not {"Play", "A/B", "Undo", "Stop build", "Clear marks"} & set(titles)


async def test_over_a_dialog_it_offers_what_the_dialog_does(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("r")
        dialog = opened.app.screen
        titles = [command.title for command in dialog_commands(dialog)]
        assert sorted(titles) == ["Apply", "Close", "Next precision", "Previous one", "Quit", "Theme"]
        await opened.press("ctrl+p")
        await opened.type("fp16")
        await opened.press("enter")
        assert isinstance(opened.app.screen, PaletteScreen), "the table is out of sight"
        await opened.press("escape")
        await run_from_palette(opened, "clo")
        await opened.until(lambda: opened.app.screen is opened.main)
        assert opened.main.state.plan.choices == {}


def highlighted(opened: Opened) -> int | None:
    """The line that enter would run."""
    return opened.app.screen.query_one(SteadyList).highlighted


async def test_what_is_spelled_like_that_comes_before_what_has_the_letters(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        titles = [command.title for command in find_commands(opened.main, "exp")]
        assert titles[0] == "Export"
        assert [command.title for command in find_commands(opened.main, "xprt")] == ["Export"]
        assert find_commands(opened.main, "conv post")[0].title == "/decoder/generator/conv_post/Conv"
        assert matching_nodes(opened.main, "") == []


async def test_the_list_is_gone_through_by_keys_and_stops_at_its_ends(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("ctrl+p", "up")
        assert highlighted(opened) == 0
        await opened.press("down", "down", "up")
        assert highlighted(opened) == 1
        await opened.press("pagedown")
        assert highlighted(opened) == 11
        last = opened.app.screen.query_one(SteadyList).option_count - 1
        await opened.press(*["pagedown"] * 9)
        assert highlighted(opened) == last
        await opened.type("no such thing")
        await opened.press("down", "pageup", "enter")
        assert isinstance(opened.app.screen, PaletteScreen)
        assert "Nothing is called that." in opened.screen_text


async def test_keys_of_one_burst_run_what_they_spell(open_app: Open, toy_model: Path) -> None:
    """As SSH delivers them."""
    async with open_app(toy_model) as opened:
        await opened.press("ctrl+p")
        await opened.type_at_once("help")
        await opened.until(lambda: opened.app.screen.query("#help-scroll"))


async def test_a_theme_is_chosen(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("ctrl+p")
        await opened.type("theme")
        await opened.press("enter")
        await opened.until(lambda: "kokoro-light" in opened.screen_text)
        await opened.type("kokoro-light")
        await opened.press("enter")
        await opened.until(lambda: opened.app.theme == "kokoro-light")


@pytest.mark.parametrize("name", ["[/x]", "[@click=app.quit]leave[/]", "a\x1b[31mb", "[bold"])
async def test_names_are_no_markup(open_app: Open, tmp_path: Path, name: str) -> None:
    model: ModelProto = toy_kokoro()
    next(node for node in model.graph.node if node.name == STYLE).name = f"hostile {name}"
    async with open_app(write(model, tmp_path / "toy.onnx")) as opened:
        await opened.press("ctrl+p")
        await opened.type("hostile")
        await opened.until(lambda: "hostile" in opened.screen_text)
        assert name.replace("\x1b", "\\x1b") in opened.screen_text
        await opened.press("enter")
        await opened.until(lambda: opened.app.screen is opened.main)
        assert opened.main.table.current is not None
        assert opened.main.table.current.key == f"hostile {name}"
    assert not opened.app.failed
