from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input, Label

from kokoro_tui.core.precision import Precision
from kokoro_tui.tui.screens.regex_action import RegexActionScreen
from tests.tui.conftest import Open, Opened, named_model

QUERY, QUERY_1 = "/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul"
STYLE = "/encoder/style/Gemm"
CONV, POST = "/decoder/encode/Conv", "/decoder/generator/conv_post/Conv"
UPS = "/decoder/generator/ups.0/ConvTranspose"


def cell(opened: Opened, key: str, column: str) -> str:
    return opened.main.table.get_cell(key, column).plain


@pytest.mark.parametrize(
    ("key", "precision"), [("f", Precision.FP16), ("i", Precision.INT8), ("w", Precision.W8), ("0", Precision.FP32)]
)
async def test_a_key_gives_the_row_its_precision(
    open_app: Open, toy_model: Path, key: str, precision: Precision
) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(CONV)
        before = opened.main.state.estimate.estimated_bytes
        await opened.press(key)
        assert opened.main.state.plan.precision_of(CONV) is precision
        assert cell(opened, CONV, "precision") == precision.label
        assert (opened.main.state.estimate.estimated_bytes < before) == (precision is not Precision.FP32)


async def test_a_group_changes_together(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(QUERY_1)
        await opened.press("i")
        assert cell(opened, QUERY, "precision") == cell(opened, QUERY_1, "precision") == "INT8"
        assert opened.status == "INT8: 1 group, 2 nodes"


async def test_space_goes_through_what_the_node_can_take(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(UPS)
        seen = []
        for _ in range(3):
            await opened.press("space")
            seen.append(opened.main.state.plan.precision_of(UPS))
        assert seen == [Precision.FP16, Precision.W8, Precision.FP32]


async def test_an_impossible_precision_is_refused_with_the_reason(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(UPS)
        await opened.press("i")
        assert opened.main.state.plan.precision_of(UPS) is Precision.FP32
        assert "ConvTranspose has no dynamic INT8 form" in opened.status
        assert opened.toasts == [opened.status]


async def test_an_excluded_row_refuses_and_says_how_to_unlock_it(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(POST)
        await opened.press("f", "x")
        assert opened.main.state.plan.locked == {POST}
        assert (cell(opened, POST, "precision"), cell(opened, POST, "lock")) == ("FP32", "✖")
        await opened.press("i")
        assert opened.status == f"{POST} is excluded; x unlocks it"
        assert opened.main.state.plan.precision_of(POST) is Precision.FP32
        await opened.press("x", "i")
        assert opened.main.state.plan.precision_of(POST) is Precision.INT8


async def test_marks_gather_rows_and_keys_act_on_them(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("home", "v", "v", "f")
        first, second = (row.key for row in opened.main.table.listed[:2])
        changed = {key for key, precision in opened.main.state.plan.choices.items() if precision is Precision.FP16}
        assert {first, second} <= changed
        assert opened.main.marked == {first, second}
        await opened.press("escape")
        assert opened.main.marked == frozenset()
        assert changed == set(opened.main.state.plan.choices)


async def test_undo_and_redo_follow_the_size_bar(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(STYLE)
        bar = opened.app.query_one("#size-bar")
        texts = [bar.text]  # type: ignore[attr-defined]
        for key in ("f", "i"):
            await opened.press(key)
            texts.append(bar.text)  # type: ignore[attr-defined]
        assert len(set(texts)) == 3
        await opened.press("u")
        assert bar.text == texts[1]  # type: ignore[attr-defined]
        await opened.press("u")
        assert bar.text == texts[0]  # type: ignore[attr-defined]
        await opened.press("ctrl+r", "ctrl+r")
        assert bar.text == texts[2]  # type: ignore[attr-defined]


async def test_the_filter_lists_rows_while_it_is_typed(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        everything = opened.main.table.row_count
        await opened.press("slash")
        await opened.type("conv")
        assert opened.main.table.row_count < everything
        await opened.type("_post")
        assert [row.key for row in opened.main.table.listed] == [POST]
        await opened.press("enter", "x")
        assert opened.main.state.plan.locked == {POST}
        await opened.press("escape")
        assert opened.main.table.row_count == everything
        assert opened.main.table.current is not None
        assert opened.main.table.current.key == POST, "the cursor stays on its node"
        assert "regex, as you type" not in opened.screen_text


async def test_a_broken_filter_says_so_and_loses_nothing(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("slash")
        await opened.type("conv")
        listed = opened.main.table.row_count
        await opened.type("(")
        assert opened.main.table.row_count == listed
        assert "invalid regular expression" in opened.screen_text
        await opened.press("backspace")
        assert "invalid" not in opened.screen_text


async def test_a_catastrophic_filter_is_stopped(open_app: Open, tmp_path: Path) -> None:
    path = named_model(tmp_path / "slow.onnx", "a" * 64 + "!", "/conv_post/MatMul")
    async with open_app(path) as opened:
        await opened.press("slash")
        opened.app.query_one("#filter", Input).value = "(a|aa)+$"
        await opened.pilot.pause()
        assert "takes too long" in opened.screen_text
        assert opened.main.table.row_count == 2
        opened.app.query_one("#filter", Input).value = "post"
        await opened.pilot.pause()
        assert opened.main.table.row_count == 1


async def test_grouped_rows_and_all_nodes(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        candidates = opened.main.table.row_count
        await opened.press("g")
        assert opened.main.table.row_count == candidates - 1
        opened.place_cursor(QUERY)
        await opened.press("w")
        assert cell(opened, QUERY, "precision") == "W8"
        await opened.press("g", "a")
        assert opened.main.table.row_count == len(opened.main.bench.inventory.main_nodes)


@pytest.mark.parametrize("column", range(7))
async def test_a_click_on_a_heading_sorts_and_a_second_one_turns_round(
    open_app: Open, toy_model: Path, column: int
) -> None:
    async with open_app(toy_model) as opened:
        table = opened.main.table
        await opened.press("home")
        x = 1 + sum(table.ordered_columns[i].width for i in range(column)) + 1
        await opened.pilot.click("#nodes", offset=(x, 0))
        first = [row.key for row in table.listed]
        key = str(table.ordered_columns[column].key.value)
        assert opened.main.view.sort_column == key
        direction = opened.main.view.descending
        await opened.pilot.click("#nodes", offset=(x, 0))
        assert opened.main.view.descending is not direction
        assert sorted(first) == sorted(row.key for row in table.listed)


async def test_o_sorts_by_the_next_column(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("o")
        assert opened.main.view.sort_column == "after"
        opened.place_cursor(CONV)
        await opened.press("f")
        keys = [row.key for row in opened.main.table.listed]
        await opened.press("f", "0")
        assert [row.key for row in opened.main.table.listed] == keys, "a change never moves rows"


async def test_the_regex_action_counts_before_it_changes(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(CONV)
        await opened.press("x", "r")
        await opened.type("Conv")
        preview = str(opened.app.screen.query_one("#regex-preview", Label).render())
        assert "groups, 3 nodes hit" in preview
        assert "1 node excluded and left alone" in preview
        assert opened.main.state.plan.choices == {}
        await opened.press("enter")
        chosen = opened.main.state.plan.choices
        assert CONV not in chosen
        assert chosen[POST] is Precision.FP16


async def test_the_regex_action_starts_with_the_filter_and_can_be_left(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("slash")
        await opened.type("query")
        await opened.press("enter", "r")
        assert isinstance(opened.app.screen, RegexActionScreen)
        assert opened.app.screen.query_one(Input).value == "query"
        preview = str(opened.app.screen.query_one("#regex-preview", Label).render())
        assert "1 group, 2 nodes hit" in preview
        await opened.press("escape")
        assert opened.main.state.plan.choices == {}


async def test_the_regex_action_says_what_is_wrong_with_a_pattern(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("r")
        await opened.type("[")
        assert "invalid regular expression" in opened.screen_text
        await opened.press("enter")
        assert isinstance(opened.app.screen, RegexActionScreen)
        assert opened.main.state.plan.choices == {}


async def test_the_regex_action_excludes_and_is_one_step_to_undo(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("r")
        await opened.type("query")
        await opened.press("up", "enter")
        assert opened.main.state.plan.locked == {QUERY, QUERY_1}
        await opened.press("u")
        assert opened.main.state.plan.locked == frozenset()
