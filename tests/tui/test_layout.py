from __future__ import annotations

from pathlib import Path

import pytest
from textual.widget import Widget

from kokoro_tui.tui.screens.too_small import TooSmallScreen
from tests.tui.conftest import Open

POST = "/decoder/generator/conv_post/Conv"
IDS = ("size-bar", "nodes", "filter", "node-detail", "trials", "player")


async def test_the_widgets_have_their_names(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        assert [opened.app.query_one(f"#{name}", Widget).id for name in IDS] == list(IDS)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60), (100, 15), (60, 30)])
async def test_nothing_is_cut_off_or_laid_over(open_app: Open, toy_model: Path, size: tuple[int, int]) -> None:
    async with open_app(toy_model, size=size) as opened:
        await opened.press("f")
        table = opened.app.query_one("#nodes", Widget)
        assert table.size.height >= 5
        assert not table.show_horizontal_scrollbar
        lines = opened.screen_text.splitlines()
        assert len(lines) == size[1]
        assert all(len(line) == size[0] for line in lines)
        assert "MiB" in lines[0]
        assert "FP16" in "\n".join(lines[1:-2])


async def test_forty_by_ten_is_of_use(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model, size=(40, 10)) as opened:
        opened.place_cursor(POST)
        await opened.press("i")
        row = next(line for line in opened.screen_text.splitlines() if "conv_post" in line)
        assert "INT8" in row
        await opened.press("r")
        await opened.type("query")
        assert "1 group, 2 nodes hit" in opened.screen_text
        await opened.press("enter", "b", "escape", "slash", "escape", "question_mark", "escape", "e", "escape")
        assert len(opened.main.state.plan.choices) == 3


async def test_a_terminal_that_is_far_too_small_is_one_line_and_loses_nothing(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(POST)
        await opened.press("i")
        await opened.pilot.resize_terminal(20, 5)
        await opened.until(lambda: isinstance(opened.app.screen, TooSmallScreen))
        assert "at least 30×7" in opened.screen_text
        await opened.press("f", "x", "u")
        await opened.pilot.resize_terminal(80, 24)
        await opened.until(lambda: opened.app.screen is opened.main)
        assert opened.main.table.get_cell(POST, "precision").plain == "INT8"
        assert opened.main.focused is opened.main.table


@pytest.mark.parametrize("first", [(200, 60), (40, 10)])
async def test_resizing_goes_through_all_layouts(open_app: Open, toy_model: Path, first: tuple[int, int]) -> None:
    async with open_app(toy_model, size=first) as opened:
        for size in ((80, 24), (200, 60), (40, 10), (120, 40), (100, 12)):
            await opened.pilot.resize_terminal(*size)
            await opened.pilot.pause()
            assert "style/Gemm" in opened.screen_text


@pytest.mark.parametrize("theme", ["kokoro-dark", "kokoro-light", "textual-light", "nord", "ansi-dark", "gruvbox"])
async def test_precisions_have_colours_of_their_own_in_every_theme(open_app: Open, toy_model: Path, theme: str) -> None:
    async with open_app(toy_model) as opened:
        if theme not in opened.app.available_themes:
            pytest.skip(f"this version of Textual has no theme {theme}")
        opened.app.theme = theme
        await opened.pilot.pause()
        table = opened.main.table
        names = ("fp32", "fp16", "int8", "w8", "locked")
        colours = [table.get_component_rich_style(f"node-table--{name}", partial=True).color for name in names]
        assert None not in colours
        assert len(set(colours)) == len(names)


async def test_the_size_bar_shows_what_the_plan_weighs(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        bar = opened.app.query_one("#size-bar")
        original = opened.main.state.estimate.original_bytes
        assert bar.text.startswith(f"{original / 2**20:.2f} MiB  0.0 %")  # type: ignore[attr-defined]
        await opened.press("home", "f")
        estimate = opened.main.state.estimate
        text = f"{estimate.estimated_bytes / 2**20:.2f} MiB  \N{MINUS SIGN}{estimate.saved * 100:.1f} %"
        assert bar.text.startswith(text)  # type: ignore[attr-defined]
        assert opened.screen_text.splitlines()[0].strip().startswith(text)


async def test_the_detail_tells_all_about_the_node(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model, size=(200, 60)) as opened:
        opened.place_cursor("/encoder/bert/layer/query/MatMul")
        await opened.pilot.pause()
        text = opened.screen_text
        assert "2 nodes share the weight and change together" in text
        assert "also read by /encoder/bert/layer/query_1/MatMul" in text
        assert "32×32 FLOAT" in text
        opened.place_cursor("/decoder/generator/ups.0/ConvTranspose")
        await opened.pilot.pause()
        assert "ConvTranspose has no dynamic INT8 form" in opened.screen_text
        assert "strides 600" in opened.screen_text
