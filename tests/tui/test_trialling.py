from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.store.trial_table import read_trials
from kokoro_tui.tui.messages import TrialsWent
from kokoro_tui.tui.screens.confirm import ConfirmScreen
from tests.tui.conftest import Open, Opened

STYLE, POST = "/encoder/style/Gemm", "/decoder/generator/conv_post/Conv"


async def run_trials(opened: Opened, *keys: str) -> None:
    """Press t, answer, and wait until the run has ended."""
    await opened.press("t")
    assert isinstance(opened.app.screen, ConfirmScreen)
    await opened.press(*keys, "enter")
    await opened.until(lambda: opened.main.trial_panel.running is None)


async def test_trials_of_the_marked_rows_fill_their_cells(open_app: Open, toy_model: Path, voice: str) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        opened.place_cursor(POST)
        await opened.press("v")
        await run_trials(opened)
        await opened.until(lambda: opened.main.bench.trials is not None and "trials done" in opened.status)
        assert float(opened.main.table.get_cell(POST, "int8").plain) > 0
        assert opened.main.table.get_cell(STYLE, "int8").plain == "–"
        names = {name for name, _ in read_trials(Path("quantization-trials.csv")).table.rows}
        assert names == {POST}


async def test_the_prediction_follows_the_trials(open_app: Open, toy_model: Path, voice: str) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        opened.place_cursor(POST)
        await opened.press("i", "v")
        await run_trials(opened)
        await opened.until(lambda: "predicted" in opened.app.query_one("#size-bar").text)  # type: ignore[attr-defined]


async def test_not_now_runs_nothing(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model) as opened:
        await opened.press("t", "escape")
        assert opened.main.trial_panel.running is None
        assert not Path("quantization-trials.csv").exists()


async def test_a_voice_that_does_not_exist_ends_the_run_with_a_message(open_app: Open, toy_model: Path) -> None:
    async with open_app(toy_model, voice="nobody_at_all") as opened:
        await run_trials(opened)
        assert any("nobody_at_all" in toast for toast in opened.toasts)


def test_what_trials_need_is_loaded_by_other_processes(toy_model: Path, voice: str) -> None:
    """A G2P in the program that draws would cost 30 MiB, and keys while it is imported."""
    script = f"""
import asyncio, sys
from kokoro_tui.tui.app import KokoroTuiApp
async def main():
    app = KokoroTuiApp({str(toy_model)!r}, voice={voice!r})
    async with app.run_test() as pilot:
        while app.main.work is None or not app.main.table.row_count:
            await pilot.pause(0.01)
        await pilot.press("v", "t")
        await pilot.pause()
        await pilot.press("enter")
        while app.main.bench.trials is None or not app.main.bench.trials.rows:
            await pilot.pause(0.01)
asyncio.run(main())
heavy = {{"misaki", "phonemizer", "onnxruntime", "onnx_ir", "pandas", "torch"}}
print(sorted(heavy & {{m.split(".")[0] for m in sys.modules}}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "[]\n"


def test_rows_are_never_replaced_by_a_newer_message() -> None:
    """Textual drops the older of two messages that can replace it, and with it what it carries."""
    row = TrialRow(POST, TrialKind.CAST, mel_distance=0.1)
    with_rows, without = TrialsWent("", 0.0, rows=(row,)), TrialsWent("cut the model", 0.5)
    assert not with_rows.can_replace(without)
    assert without.can_replace(with_rows)
    assert without.can_replace(without)
