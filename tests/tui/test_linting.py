"""The chosen target: its warnings follow every key."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import OptionList

from kokoro_tui.lint.report import Finding
from kokoro_tui.lint.verdicts import Status
from kokoro_tui.store.paths import config_path
from kokoro_tui.store.settings import load_settings
from kokoro_tui.tui.commands import find_commands
from kokoro_tui.tui.screens.target import TargetScreen
from kokoro_tui.tui.widgets.size_bar import SizeBar
from kokoro_tui.tui.wording import target_note
from tests.tui.conftest import Open, Opened

ENCODE = "/decoder/encode/Conv"
LSTM = "/encoder/lstm/LSTM"


def summary(opened: Opened) -> str:
    """What the size bar says of the target; empty if nothing."""
    bar = opened.app.query_one(SizeBar)
    return "" if bar.target is None else bar.target.text


def detail(opened: Opened) -> str:
    """The node panel's text."""
    return str(opened.app.query_one("#node-detail-text").render())


async def choose(opened: Opened, name: str) -> None:
    """Choose a target by its name in the dialog."""
    await opened.press("T")
    assert isinstance(opened.app.screen, TargetScreen)
    options = opened.app.screen.query_one(OptionList)
    options.highlighted = options.get_option_index(name)
    await opened.press("enter")
    await opened.until(lambda: summary(opened) if name != "none" else not summary(opened))


async def test_without_a_target_nothing_is_said(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(ENCODE)
        await opened.press("i")
        assert summary(opened) == ""
        assert opened.main.linter is None
        assert "fall back" not in opened.screen_text


async def test_warnings_follow_the_keys(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model, size=(200, 45)) as opened:
        await choose(opened, "webgpu")
        assert summary(opened) == "WebGPU: runs"
        opened.place_cursor(ENCODE)
        await opened.press("i")
        assert summary(opened) == "WebGPU: 2 nodes fall back"
        assert "WebGPU: 2 nodes fall back" in opened.app.query_one(SizeBar).text
        assert "ConvInteger falls back to CPU: no kernel" in detail(opened)
        assert "take W8 or FP16 instead of INT8" in detail(opened)
        await opened.press("w")
        assert summary(opened) == "WebGPU: runs"
        assert "INT8 would fall back" in detail(opened)
        opened.place_cursor(LSTM)
        await opened.press("f")
        assert summary(opened) == "WebGPU: 1 node falls back"
        await opened.press("u")
        assert summary(opened) == "WebGPU: runs"


async def test_the_target_is_kept_for_the_next_session(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await choose(opened, "cuda")
        await opened.until(lambda: load_settings()[0].target == "cuda")
    async with open_app(toy_model) as opened:
        await opened.until(lambda: summary(opened))
        assert summary(opened) == "CUDA: runs"
        await choose(opened, "none")
        assert opened.main.linter is None
        await opened.until(lambda: load_settings()[0].target is None)


async def test_a_release_in_the_settings(open_app: Open, toy_model: Path) -> None:
    config_path().write_text('target = "cpu@1.20"\n', encoding="utf-8")
    async with open_app(toy_model) as opened:
        await opened.until(lambda: summary(opened))
        assert summary(opened) == "CPU 1.20: runs"
        await opened.press("T")
        assert "cpu@1.20" in opened.screen_text


async def test_a_wrong_target_in_the_settings_is_reported(open_app: Open, toy_model: Path) -> None:
    config_path().write_text('target = "cdua"\n', encoding="utf-8")
    async with open_app(toy_model) as opened:
        await opened.until(lambda: opened.toasts)
        assert "there is no target 'cdua'\ndid you mean 'cuda'?" in opened.toasts
        assert summary(opened) == ""


async def test_the_palette_offers_the_targets(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        commands = {command.title: command.run for command in find_commands(opened.main, "")}
        commands["Lint target: coreml"]()
        await opened.until(lambda: summary(opened) == "CoreML: runs")
        opened.place_cursor(ENCODE)
        await opened.press("w")
        assert summary(opened) == "CoreML: 1 node falls back"


async def test_a_preset_of_another_kind_gets_rules_of_its_own(open_app: Open, toy_model: Path, tmp_path: Path) -> None:
    """A static recipe means other operators by INT8 than the plan before it."""
    recipe = tmp_path / "static.toml"
    rule = f'[[rules]]\nnode = "{ENCODE}"\nprecision = "int8"\n'
    recipe.write_text(f"version = 1\n[quantization]\nstatic = true\n{rule}", encoding="utf-8")
    config_path().write_text('target = "cuda"\n', encoding="utf-8")
    async with open_app(toy_model, recipe_path=recipe) as opened:
        await opened.until(lambda: opened.main.state.plan.static and "fall" in summary(opened))
        opened.place_cursor(ENCODE)
        await opened.until(lambda: "QLinearConv falls back to CPU" in detail(opened))


@pytest.mark.parametrize(
    ("statuses", "text"),
    [
        ([], "CPU: runs"),
        ([(Status.RUNS, 5)], "CPU: runs"),
        ([(Status.FALLBACK, 1)], "CPU: 1 node falls back"),
        ([(Status.FALLBACK, 2), (Status.FALLBACK, 3)], "CPU: 5 nodes fall back"),
        ([(Status.FALLBACK, 2), (Status.FAILS, 1)], "CPU: 1 node keeps it from loading, 2 nodes fall back"),
    ],
)
def test_the_words_of_the_size_bar(statuses: list[tuple[Status, int]], text: str) -> None:
    added = [Finding("Conv", "", status, True, ("node",) * number, "why") for status, number in statuses]
    note = target_note("CPU", added)
    assert (note.text, note.warns) == (text, text != "CPU: runs")
