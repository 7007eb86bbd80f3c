from __future__ import annotations

import shlex
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.errors import InputError
from kokoro_tui.jobs import tasks
from kokoro_tui.jobs.child import Progress
from kokoro_tui.store.presets import read_preset
from kokoro_tui.store.recipe_file import read_recipe
from kokoro_tui.store.trial_table import append_rows
from kokoro_tui.tui.screens.command import CommandScreen
from kokoro_tui.tui.screens.confirm import ConfirmScreen
from kokoro_tui.tui.screens.export import ExportScreen
from kokoro_tui.tui.screens.path_dialog import PathSuggester, SavePathScreen, typed_path
from kokoro_tui.workbench import Workbench
from tests.tui.conftest import Open, Opened

STYLE, POST = "/encoder/style/Gemm", "/decoder/generator/conv_post/Conv"


async def export_to(opened: Opened, path: Path) -> ExportScreen:
    """Open the dialog and start writing."""
    await opened.press("e")
    screen = opened.app.screen
    assert isinstance(screen, ExportScreen)
    screen.query_one(Input).value = str(path)
    await opened.press("enter")
    return screen


def note_of(opened: Opened) -> str:
    return str(opened.app.screen.query_one("#path-note").render())


async def test_export_writes_what_the_estimate_says(open_app: Open, toy_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "small.onnx"
    async with open_app(toy_model) as opened:
        opened.place_cursor(STYLE)
        await opened.press("w")
        estimated = opened.main.state.estimate.estimated_bytes
        screen = await export_to(opened, target)
        await opened.until(lambda: screen.has_class("-done"))
        assert target.stat().st_size == estimated
        assert "+0 bytes against the estimate" in note_of(opened)
        await opened.press("enter")
        assert opened.app.screen is opened.main
        assert "small.onnx written" in opened.status


async def test_a_file_that_exists_is_replaced_only_when_asked_twice(
    open_app: Open, toy_model: Path, tmp_path: Path
) -> None:
    target = tmp_path / "small.onnx"
    target.write_bytes(b"precious")
    async with open_app(toy_model) as opened:
        screen = await export_to(opened, target)
        assert "small.onnx exists; enter again replaces it" in note_of(opened)
        assert target.read_bytes() == b"precious"
        await opened.press("enter")
        await opened.until(lambda: screen.has_class("-done"))
        assert target.stat().st_size > 1000


async def test_the_source_is_never_replaced(open_app: Open, toy_model: Path) -> None:
    before = toy_model.read_bytes()
    async with open_app(toy_model) as opened:
        await export_to(opened, toy_model)
        await opened.press("enter")
        assert "source model" in note_of(opened)
    assert toy_model.read_bytes() == before


@pytest.mark.parametrize(("name", "message"), [("no/such/folder/k.onnx", "there is no folder"), (".", "is a folder")])
async def test_a_target_that_cannot_be_written_is_refused(
    open_app: Open, toy_model: Path, tmp_path: Path, name: str, message: str
) -> None:
    async with open_app(toy_model) as opened:
        await export_to(opened, tmp_path / name)
        assert message in note_of(opened)
        await opened.press("escape")
        assert opened.app.screen is opened.main


def _refuses(source: Path, plan: PrecisionPlan, target: Path, *more: Any, progress: Progress) -> None:
    raise InputError(f"{target} is write-protected", "name a file in a folder that you may write to")


def _never_ends(source: Path, plan: PrecisionPlan, target: Path, *more: Any, progress: Progress) -> None:
    target.with_name(f".{target.name}.partial-{1 << 22}").touch()
    progress("write", 0.5)
    threading.Event().wait()


async def test_a_failed_export_says_why_and_can_be_tried_again(
    open_app: Open, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "build", _refuses)
    async with open_app(toy_model) as opened:
        screen = await export_to(opened, tmp_path / "k.onnx")
        await opened.until(lambda: "write-protected" in note_of(opened))
        assert not screen.query_one(Input).disabled
        assert "name a file in a folder that you may write to" in note_of(opened)


async def test_an_export_can_be_stopped_and_leaves_nothing(
    open_app: Open, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "build", _never_ends)
    folder = tmp_path / "out"
    folder.mkdir()
    async with open_app(toy_model) as opened:
        await export_to(opened, folder / "k.onnx")
        await opened.until(lambda: note_of(opened) == "write")
        await opened.press("escape")
        await opened.until(lambda: "stopped; nothing was written" in note_of(opened))
        assert list(folder.iterdir()) == []
        await opened.press("escape")
        assert opened.app.screen is opened.main


async def test_a_saved_recipe_gives_the_plan_back(open_app: Open, toy_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    async with open_app(toy_model) as opened:
        opened.place_cursor(POST)
        await opened.press("x")
        opened.place_cursor(STYLE)
        await opened.press("i")
        plan = opened.main.state.plan
        assert opened.main.state.unsaved
        await opened.press("s")
        opened.app.screen.query_one(Input).value = str(recipe.with_suffix(""))
        await opened.press("enter")
        await opened.until(recipe.exists)
        await opened.until(lambda: not opened.main.state.unsaved)
        await opened.press("u", "u")
        assert opened.main.state.unsaved
        await opened.press("l")
        opened.app.screen.query_one(Input).value = str(recipe)
        await opened.press("enter")
        await opened.until(lambda: opened.main.state.plan == plan)
        assert not opened.main.state.unsaved
        assert "mine.toml: 2 nodes changed" in opened.status
    assert Workbench.open(toy_model).resolve(read_recipe(recipe)) == plan


@pytest.mark.parametrize(
    ("typed", "path"), [("w8", "w8.toml"), ("w8-v1.2", "w8-v1.2.toml"), ("W8.TOML", "W8.TOML"), ("..", ".."), ("", ".")]
)
def test_a_saved_recipe_ends_in_what_recipes_are_listed_by(typed: str, path: str) -> None:
    assert typed_path(typed, ".toml") == Path(path)


async def test_a_preset_is_one_step_to_undo(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("l", "down")
        options = opened.app.screen.query_one(OptionList)
        index = next(i for i in range(options.option_count) if options.get_option_at_index(i).id == "preset:w8")
        options.highlighted = index
        await opened.press("enter")
        await opened.until(lambda: opened.main.state.plan.choices)
        assert set(opened.main.state.plan.choices.values()) == {Precision.W8}
        await opened.press("u")
        assert opened.main.state.plan == PrecisionPlan()


async def test_a_preset_leaves_excluded_nodes_alone(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(POST)
        await opened.press("x")
        opened.main.load_recipe("preset:w8")
        await opened.until(lambda: opened.main.state.plan.choices)
        plan = opened.main.state.plan
        assert plan.locked == {POST}
        assert plan.precision_of(POST) is Precision.FP32
        assert plan.precision_of(STYLE) is Precision.W8
        assert opened.status.endswith("1 excluded node left alone")


async def test_a_preset_needs_no_trials_and_thresholds_say_what_has_none(
    open_app: Open, toy_model: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "limits.toml"
    recipe.write_text("version = 1\n[thresholds]\nweight = 10\n", encoding="utf-8")
    table = tmp_path / "t.csv"
    append_rows(table, [TrialRow(POST, TrialKind.WEIGHT, mel_distance=0.05)])
    async with open_app(toy_model, trials_path=table) as opened:
        await opened.until(lambda: opened.main.bench.trials is not None)
        opened.main.load_recipe(str(recipe))
        await opened.until(lambda: "candidates have no trial yet" in opened.status)
        assert set(opened.main.state.plan.choices) == {POST}
        opened.main.load_recipe("preset:w8")
        await opened.until(lambda: "preset w8" in opened.status)
        assert "no trial" not in opened.status
        assert opened.main.state.plan.choices == Workbench.open(toy_model).resolve(read_preset("w8")).choices


@pytest.mark.parametrize(
    ("content", "message"),
    [('version = 1\n[[rules]]\nmatch = "("\nprecision = "fp16"\n', "line 3"), ("not toml", "")],
)
async def test_a_recipe_that_does_not_work_changes_nothing(
    open_app: Open, toy_model: Path, tmp_path: Path, content: str, message: str
) -> None:
    recipe = tmp_path / "broken.toml"
    recipe.write_text(content, encoding="utf-8")
    async with open_app(toy_model) as opened:
        opened.place_cursor(POST)
        await opened.press("f")
        plan = opened.main.state.plan
        opened.main.load_recipe(str(recipe))
        await opened.until(lambda: opened.toasts)
        assert "broken.toml" in opened.toasts[0]
        assert message in opened.toasts[0]
        assert opened.main.state.plan == plan


async def test_trials_can_be_loaded_by_name(open_app: Open, toy_model: Path, tmp_path: Path) -> None:
    table = tmp_path / "elsewhere.csv"
    append_rows(table, [TrialRow(POST, TrialKind.WEIGHT, mel_distance=0.05)])
    async with open_app(toy_model) as opened:
        assert "w8" not in [str(column.value) for column in opened.main.table.columns]
        await opened.press("l")
        opened.app.screen.query_one(Input).value = str(table)
        await opened.press("enter")
        await opened.until(lambda: opened.main.bench.trials is not None)
        assert opened.main.table.get_cell(POST, "w8").plain == "0.050"


async def test_only_files_of_use_are_offered(open_app: Open, toy_model: Path) -> None:
    folder = toy_model.parent
    (folder / "pyproject.toml").write_text("[project]\n", encoding="utf-8")
    (folder / "mine.toml").write_text("version = 1\n[[rules]]\n", encoding="utf-8")
    (folder / "OLD.TOML").write_text("version = 1\n[[rules]]\n", encoding="utf-8")
    (folder / "t.csv").write_text("name\n", encoding="utf-8")
    async with open_app(toy_model) as opened:
        await opened.press("l")
        options = opened.app.screen.query_one(OptionList)
        files = [Path(str(options.get_option_at_index(i).id)).name for i in range(options.option_count)]
        assert [name for name in files if not name.startswith("preset:")] == ["OLD.TOML", "mine.toml", "t.csv"]
        opened.app.screen.query_one(Input).value = str(folder / "nothing.toml")
        await opened.press("enter")
        assert "there is no file" in note_of(opened)


async def test_the_command_rebuilds_the_plan(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        opened.place_cursor(STYLE)
        await opened.press("w", "y")
        await opened.until(lambda: isinstance(opened.app.screen, CommandScreen))
        words = shlex.split(opened.app.clipboard)
        assert words[:3] == ["kokoro-tui", "export-optimized", str(toy_model)]
        recipe = Path(words[words.index("--recipe") + 1])
        assert opened.main.bench.resolve(read_recipe(recipe)) == opened.main.state.plan
        shown = opened.app.screen.query_one("#command").render()
        assert str(shown) == opened.app.clipboard


async def test_leaving_with_an_unsaved_plan_asks(open_app: Open, toy_model: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "kept.toml"
    async with open_app(toy_model) as opened:
        opened.place_cursor(STYLE)
        await opened.press("w")
        for key in ("q", "ctrl+q"):
            await opened.press(key)
            assert isinstance(opened.app.screen, ConfirmScreen)
            await opened.press("escape")
            assert opened.app.screen is opened.main
        await opened.press("q", "enter")
        assert isinstance(opened.app.screen, SavePathScreen)
        opened.app.screen.query_one(Input).value = str(recipe)
        await opened.press("enter")
        await opened.until(lambda: not opened.app.is_running)
    assert recipe.exists()
    assert opened.app.failure is None


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_with_nothing_to_lose_does_not_ask(open_app: Open, toy_model: Path, key: str) -> None:
    async with open_app(toy_model) as opened:
        await opened.pilot.press(key)
        await opened.until(lambda: not opened.app.is_running)
    assert opened.app.return_code == 0


async def test_paths_are_completed_from_their_folder(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "mine.toml").touch()
    (tmp_path / "mine.txt").touch()
    (tmp_path / ".hidden.toml").touch()
    suggester = PathSuggester(".toml")
    assert await suggester.get_suggestion(f"{tmp_path}/mi") == f"{tmp_path}/mine.toml"
    assert await suggester.get_suggestion(f"{tmp_path}/mo") == f"{tmp_path}/models/"
    assert await suggester.get_suggestion(f"{tmp_path}/") == f"{tmp_path}/mine.toml"
    assert await suggester.get_suggestion(f"{tmp_path}/.h") == f"{tmp_path}/.hidden.toml"
    assert await suggester.get_suggestion(f"{tmp_path}/no/such/folder/x") is None
