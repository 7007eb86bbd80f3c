"""A second window on a trial table that another process writes: it reads on, says so, and mixes nothing in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input

from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.store.trial_table import append_rows, read_trials
from tests.tui.conftest import Open, Opened

POST = "/decoder/generator/conv_post/Conv"
_WRITER = f"""
import sys
from pathlib import Path
from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.store.lock import holding
from kokoro_tui.store.trial_table import append_rows
path = Path(sys.argv[1])
with holding(path, "running trials"):
    print("held", flush=True)
    sys.stdin.readline()
    append_rows(path, [TrialRow("{POST}", TrialKind.QUANT, mel_distance=0.75)])
    sys.stdin.readline()
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that writes the table in the working folder: a row at the first line it reads, then its end."""
    table = Path("quantization-trials.csv")
    append_rows(table, [TrialRow(POST, TrialKind.CAST, mel_distance=0.25)])
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(table.resolve())],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def tell(process: subprocess.Popen[str]) -> None:
    """Let the writer go on."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


async def test_rows_of_the_other_process_come_in(
    open_app: Open, toy_model: Path, writer: subprocess.Popen[str]
) -> None:
    async with open_app(toy_model) as opened:
        await opened.until(lambda: f"process {writer.pid}" in opened.main.trial_panel.view.writer)
        assert opened.main.table.get_cell(POST, "int8").plain != "0.7500"
        tell(writer)
        await opened.until(lambda: opened.main.trial_panel.view.measured == 2)
        assert float(opened.main.table.get_cell(POST, "int8").plain) == 0.75
        tell(writer)
        await opened.until(lambda: not opened.main.trial_panel.view.writer)
        assert "ended its trials" in opened.status


async def test_its_own_run_is_refused_and_nothing_is_written(
    open_app: Open, toy_model: Path, voice: str, writer: subprocess.Popen[str]
) -> None:
    async with open_app(toy_model, voice=voice) as opened:
        await opened.until(lambda: opened.main.trial_panel.view.writer)
        await opened.press("t", "enter")
        await opened.until(lambda: any("is in use" in toast for toast in opened.toasts))
        assert opened.main.trial_panel.running is None
    assert list(read_trials(Path("quantization-trials.csv")).table.rows) == [(POST, TrialKind.CAST)]


async def test_a_recipe_that_another_window_has_saved_is_not_replaced_unasked(
    open_app: Open, toy_model: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "shared.toml"

    async def save(opened: Opened) -> str:
        """Name the recipe; returns what is said before it is replaced."""
        await opened.press("s")
        screen = opened.app.screen
        screen.query_one(Input).value = str(recipe)
        await opened.press("enter")
        return str(screen.query_one("#path-note").render()) if opened.app.screen is screen else ""

    async with open_app(toy_model) as opened:
        opened.place_cursor(POST)
        await opened.press("w")
        assert await save(opened) == ""
        await opened.until(lambda: "shared.toml saved" in opened.status)
        assert "shared.toml exists" in await save(opened)
        await opened.press("escape")
        theirs = recipe.read_text() + "# theirs\n"
        recipe.write_text(theirs)
        assert "has been changed by somebody else" in await save(opened)
        assert recipe.read_text() == theirs
        await opened.press("enter")
        await opened.until(lambda: recipe.read_text() != theirs)
