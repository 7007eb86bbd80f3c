from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.strip import Strip
from textual.widgets import DataTable, Input, Label

from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import Cancelled
from kokoro_tui.store.trial_table import append_rows
from kokoro_tui.tui.planner_worker import PlannerRun, PlannerWish
from kokoro_tui.tui.screens.planner import PlannerScreen
from kokoro_tui.tui.widgets.node_table import NodeTable
from kokoro_tui.workbench import Workbench
from tests.planner.conftest import CLIPS, InlineTasks, table_of
from tests.tui.conftest import Open, Opened

UPS = "/decoder/generator/ups.0/ConvTranspose"


@pytest.fixture
def table(toy_model: Path, tmp_path: Path) -> Path:
    """Trials of the miniature."""
    path = tmp_path / "trials.csv"
    append_rows(path, list(table_of(Workbench.open(toy_model)).rows.values()))
    return path


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> InlineTasks:
    """Tasks of the planner's thread, on two short clips."""
    workers = InlineTasks()
    monkeypatch.setattr("kokoro_tui.planner.session.ProcessTasks", lambda *args: workers)
    monkeypatch.setattr("kokoro_tui.planner.session.planning_clips", lambda signature: CLIPS)
    monkeypatch.setattr("kokoro_tui.planner.background.run_in_child", in_this_process)
    return workers


def in_this_process(
    target: Callable[..., object],
    *args: object,
    on_progress: Callable[..., object],
    cancel: threading.Event,
    **options: object,
) -> object:
    """What a child does; it ends when it tells something."""

    def progress(*told: object) -> None:
        if cancel.is_set():
            raise Cancelled
        on_progress(*told)

    return target(*args, progress=progress)


async def ask(opened: Opened) -> PlannerScreen:
    """Open the dialog once the trials are there."""
    await opened.until(lambda: opened.main.bench.trials is not None)
    await opened.press("m")
    screen = opened.app.screen
    assert isinstance(screen, PlannerScreen)
    return screen


async def fill(opened: Opened, value: str) -> None:
    """Type another value."""
    opened.app.screen.query_one("#planner-value", Input).value = ""
    await opened.type(value)


async def ended(opened: Opened) -> None:
    """Wait for the end of the run."""
    await opened.until(lambda: opened.main.planner is not None and not opened.main.planner.running)


async def test_a_limit_gives_the_current_plan_and_u_undoes_it(open_app: Open, toy_model: Path, table: Path) -> None:
    async with open_app(toy_model, trials_path=table) as opened:
        await ask(opened)
        await fill(opened, "0.2")
        await opened.press("enter")
        await ended(opened)
        plan = opened.main.state.plan
        assert plan.choices
        assert opened.main.state.estimate.estimated_bytes <= 0.2 * 1024 * 1024
        assert opened.main.state.measured is not None, "the size bar shows what was measured"
        assert "measured" in opened.status
        assert "predicted" in opened.status
        await opened.press("escape", "u")
        assert not opened.main.state.plan.choices


async def test_the_run_goes_on_behind_a_closed_dialog(open_app: Open, toy_model: Path, table: Path) -> None:
    async with open_app(toy_model, trials_path=table) as opened:
        await ask(opened)
        await fill(opened, "0.2")
        await opened.press("enter", "escape")
        assert not isinstance(opened.app.screen, PlannerScreen)
        await ended(opened)
        assert opened.main.state.plan.choices
        screen = await ask(opened)
        assert screen.query_one(DataTable).row_count == len(opened.main.planner.plans)  # type: ignore[union-attr]


async def test_a_number_opens_a_plan_of_the_frontier(open_app: Open, toy_model: Path, table: Path) -> None:
    async with open_app(toy_model, trials_path=table, size=(120, 44)) as opened:
        screen = await ask(opened)
        await opened.press("up")
        assert not screen.query_one("#planner-value", Input).display
        await opened.press("enter")
        await ended(opened)
        run = opened.main.planner
        assert run is not None
        sizes = [plan.measured.nbytes for plan in run.plans]
        assert sizes == sorted(sizes)
        assert not opened.main.state.plan.choices, "a frontier changes nothing until one is opened"
        await opened.until(lambda: "mel distance" in opened.screen_text)
        await opened.press("2")
        assert opened.main.state.plan == run.plans[1].plan
        assert "is open" in opened.status
        await opened.press("u")
        assert not opened.main.state.plan.choices


async def test_enter_opens_the_plan_under_the_cursor(open_app: Open, toy_model: Path, table: Path) -> None:
    async with open_app(toy_model, trials_path=table) as opened:
        await ask(opened)
        await opened.press("up", "enter")
        await ended(opened)
        opened.app.screen.query_one(DataTable).move_cursor(row=0)
        await opened.press("enter")
        assert opened.main.planner is not None
        assert opened.main.state.plan == opened.main.planner.plans[0].plan


async def test_locked_nodes_stay(open_app: Open, toy_model: Path, table: Path) -> None:
    async with open_app(toy_model, trials_path=table) as opened:
        opened.place_cursor(UPS)
        await opened.press("x")
        await ask(opened)
        await fill(opened, "0.5")
        await opened.press("enter")
        await ended(opened)
        assert opened.main.state.plan.precision_of(UPS) is Precision.FP32
        assert UPS in opened.main.state.plan.locked


@pytest.mark.parametrize(("value", "said"), [("", "is not a number"), ("many", "is not a number"), ("0", "cannot be")])
async def test_a_value_that_is_none_is_refused_in_place(
    open_app: Open, toy_model: Path, table: Path, value: str, said: str
) -> None:
    async with open_app(toy_model, trials_path=table) as opened:
        screen = await ask(opened)
        await fill(opened, value)
        await opened.press("enter")
        note = screen.query_one("#planner-note", Label)
        assert said in str(note.render())
        assert note.has_class("-wrong")
        assert opened.main.planner is None


async def test_an_impossible_limit_is_reported(open_app: Open, toy_model: Path, table: Path) -> None:
    async with open_app(toy_model, trials_path=table) as opened:
        await ask(opened)
        await fill(opened, "0.01")
        await opened.press("enter")
        await ended(opened)
        assert any("the smallest has" in toast for toast in opened.toasts)
        assert not opened.main.state.plan.choices
        assert "n New search" in opened.screen_text
        await opened.press("n")
        assert opened.app.screen.query_one("#planner-value", Input).has_focus


async def test_x_stops_and_keeps_the_best(open_app: Open, toy_model: Path, table: Path, inline: InlineTasks) -> None:
    async with open_app(toy_model, trials_path=table) as opened:

        def stop(name: str) -> None:
            if inline.calls.count("solve") == 2:
                opened.app.call_from_thread(opened.main.stop_planner)

        inline.before = stop
        await ask(opened)
        await opened.press("down", "down")
        await fill(opened, "0.9")
        await opened.press("enter")
        await ended(opened)
        assert len(opened.main.planner.plans) == 1  # type: ignore[union-attr]
        assert opened.main.state.plan.choices


async def test_without_trials_it_says_what_to_do(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("m")
        assert not isinstance(opened.app.screen, PlannerScreen)
        assert "needs trials" in opened.status


def test_what_is_asked_for_in_words() -> None:
    assert PlannerWish(None, 10).words == "plans from the smallest to the original"


async def test_what_the_run_tells_draws_the_dialog_and_not_the_table(
    open_app: Open, toy_model: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(toy_model, trials_path=table) as opened:
        run = PlannerRun(PlannerWish(None, 10))
        opened.main.planner = run
        await ask(opened)
        drawn: list[Region] = []
        render_lines = NodeTable.render_lines

        def counted(self: NodeTable, crop: Region) -> list[Strip]:
            drawn.append(crop)
            return render_lines(self, crop)

        monkeypatch.setattr(NodeTable, "render_lines", counted)
        opened.main.planner = replace(run, stage="probing, 2 of 9", share=0.25)
        await opened.until(lambda: "probing, 2 of 9" in opened.screen_text)
        assert not drawn
        opened.main.table.refresh()
        await opened.until(lambda: drawn)
