"""A session that was cut off is offered again, by a banner; a failure keeps it and says where it is."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from kokoro_tui.core.precision import Precision
from kokoro_tui.store import journal
from kokoro_tui.store.paths import state_folder
from kokoro_tui.tui.audition import Speech
from kokoro_tui.tui.screens.failure import FailureScreen
from kokoro_tui.tui.screens.main import MainScreen
from kokoro_tui.tui.widgets.banner import Banner
from tests.tui.conftest import Open, Opened

STYLE, POST = "/encoder/style/Gemm", "/decoder/generator/conv_post/Conv"


def journals() -> list[Path]:
    """Journals on the disk."""
    return sorted((state_folder() / "sessions").glob("*.jsonl"))


def banner_text(opened: Opened) -> str:
    """What the banner says; empty while it is hidden."""
    banner = opened.main.query_one(Banner)
    return "".join(piece for piece, _ in banner.message) if banner.display else ""


async def cut_off(open_app: Open, model: Path, *keys: str) -> None:
    """A session in which keys are pressed, and whose end its journal does not see."""
    async with open_app(model) as opened:
        await opened.until(lambda: opened.main.journal_name)
        opened.place_cursor(POST)
        opened.main.speech = Speech("Six sleek swans.", None)
        await opened.press(*keys)
        opened.main.close_journal(keep=True)


async def test_a_closed_session_leaves_nothing(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.until(lambda: opened.main.journal_name)
        await opened.press("f")
    assert journals() == []
    async with open_app(toy_model) as opened:
        await opened.until(lambda: opened.main.journal_name)
        assert banner_text(opened) == ""


async def test_a_cut_off_session_is_offered_and_goes_on(open_app: Open, toy_model: Path) -> None:
    await cut_off(open_app, toy_model, "f", "x", "u", "v")
    async with open_app(toy_model) as opened:
        await opened.until(lambda: "3 steps was cut off" in banner_text(opened))
        assert opened.main.state.plan.choices == {}
        await opened.press("j")
        state = opened.main.state
        assert state.plan.precision_of(POST) is Precision.FP16
        assert (len(state.history.past), len(state.history.future)) == (1, 1)
        assert opened.main.marked == {POST}
        assert opened.main.speech.text == "Six sleek swans."
        assert state.unsaved
        assert banner_text(opened) == ""
        opened.main.close_journal(keep=True)
    async with open_app(toy_model) as opened:  # the restored session was journalled as well, with its undo stack
        await opened.until(lambda: banner_text(opened))
        await opened.press("j", "u")
        assert opened.main.state.plan.choices == {}
    assert journals() == []


async def test_steps_of_before_the_journal_was_open_are_written_one_by_one(
    open_app: Open, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_cut_off, may_open = journal.find_cut_off, threading.Event()

    def find_late(model: Path) -> tuple[journal.CutOffSession, ...]:
        assert may_open.wait(60.0)
        return find_cut_off(model)

    monkeypatch.setattr(journal, "find_cut_off", find_late)
    async with open_app(toy_model) as opened:
        opened.place_cursor(POST)
        await opened.press("f", "x", "u", "v")
        may_open.set()
        await opened.until(lambda: opened.main.journal_name)
        opened.main.close_journal(keep=True)
    async with open_app(toy_model) as opened:
        await opened.until(lambda: "3 steps was cut off" in banner_text(opened))
        await opened.press("j")
        history = opened.main.state.history
        assert history.current.precision_of(POST) is Precision.FP16
        assert (len(history.past), len(history.future)) == (1, 1)
        assert opened.main.marked == {POST}


async def test_what_was_done_meanwhile_can_be_undone_to(open_app: Open, toy_model: Path) -> None:
    await cut_off(open_app, toy_model, "f")
    async with open_app(toy_model) as opened:
        await opened.until(lambda: banner_text(opened))
        opened.place_cursor(STYLE)
        await opened.press("w", "j")
        assert opened.main.state.plan.choices == {POST: Precision.FP16}
        await opened.press("u")
        assert opened.main.state.plan.choices == {STYLE: Precision.W8}


async def test_it_can_be_thrown_away(open_app: Open, toy_model: Path) -> None:
    await cut_off(open_app, toy_model, "f")
    async with open_app(toy_model) as opened:
        await opened.until(lambda: banner_text(opened))
        await opened.press("J")
        assert banner_text(opened) == ""
        assert opened.main.state.plan.choices == {}
    assert journals() == []


async def test_without_a_state_folder_there_is_a_note_and_no_journal(
    open_app: Open, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KOKORO_TUI_STATE", str(tmp_path / "file" / "state"))
    async with open_app(toy_model) as opened:
        await opened.until(lambda: any("no journal" in toast for toast in opened.toasts))
        await opened.press("f")
        assert opened.main.state.unsaved


async def test_a_failure_shows_where_everything_is_and_ends_with_1(open_app: Open, toy_model: Path) -> None:
    def fail() -> None:
        raise RuntimeError("the roof is on fire")

    app = None
    with pytest.raises(RuntimeError, match="the roof is on fire"):  # the test driver hears of every uncaught error
        async with open_app(toy_model) as opened:
            app = opened.app
            await opened.until(lambda: opened.main.journal_name)
            opened.place_cursor(POST)
            opened.main.action_precision("fp16")
            opened.main.call_later(fail)
            while not isinstance(app.screen, FailureScreen):
                await asyncio.sleep(0.02)
            shown = "\n".join(str(label.render()) for label in app.screen.query("Label"))
            assert "the roof is on fire" in shown
            assert opened.main.journal_name in shown
            assert "kokoro-tui.log" in shown
            app.screen.dismiss(None)
    assert app is not None
    assert app.return_code == 1
    assert len(journals()) == 1


async def test_a_key_that_fails_shows_it_too(
    open_app: Open,
    toy_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Actions of keys run in the app's own loop, which Textual ends when something fails in it."""

    def fail(screen: MainScreen) -> None:
        raise RuntimeError("the roof is on fire")

    monkeypatch.setattr(MainScreen, "action_sort", fail)
    with pytest.raises(RuntimeError, match="the roof is on fire"):
        async with open_app(toy_model) as opened:
            opened.app.simulate_key("o")
            while not isinstance(opened.app.screen, FailureScreen):
                await asyncio.sleep(0.02)
            opened.app.screen.dismiss(None)
    assert opened.app.return_code == 1
    assert "the roof is on fire" in caplog.text
    assert "locals" not in "".join(capsys.readouterr()), "Textual's own traceback has the user's data in it"
