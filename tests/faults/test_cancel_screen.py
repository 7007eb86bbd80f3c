"""Stopping what goes on behind the screen: within a second, and nothing outlives the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import pytest

from kokoro_tui.store.trial_table import append_rows
from kokoro_tui.workbench import Workbench
from tests.faults.processes import leaves_nothing_running
from tests.faults.terminal import TerminalProgram
from tests.faults.test_cancel import LOADED_SECONDS
from tests.planner.conftest import table_of
from tests.python_versions import needs_kokoro

_SPOKEN = "Six sleek swans swam swiftly southwards, and seven more came after them."
_ESCAPE, _ENTER, _RIGHT, _CTRL_Q = "\x1b", "\r", "\x1b[C", "\x11"


@contextmanager
def started(folder: Path, source: Path, ready: str, *words: str) -> Iterator[TerminalProgram]:
    """The program in a terminal with the real model, once it has drawn a text."""
    model = folder / "kokoro.onnx"
    model.symlink_to(source)  # nobody's trial table lies beside it
    program = TerminalProgram([str(model), "--text", _SPOKEN, *words], folder)
    try:
        program.shows(ready)
        yield program
    finally:
        program.kill()


@pytest.fixture
def screen(tmp_path: Path, real_model: Path, voice: str) -> Iterator[TerminalProgram]:
    """The program with nothing but its table."""
    with started(tmp_path, real_model, "463 candidates", "--voice", voice) as program:
        yield program


@pytest.fixture
def planning(tmp_path: Path, real_model: Path, voice: str) -> Iterator[TerminalProgram]:
    """The program with the planner at work."""
    table = tmp_path / "trials.csv"
    append_rows(table, list(table_of(Workbench.open(real_model)).rows.values()))
    with started(tmp_path, real_model, table.name, "--voice", voice, "--trials", str(table)) as program:
        until_shown(program, "m", "Planner")
        program.send(_ENTER)
        program.shows("rendering the original")
        yield program


def until_shown(program: TerminalProgram, keys: str, text: str) -> float:
    """Press keys; seconds until a text has been drawn."""
    program.forget()
    started = monotonic()
    program.send(keys)
    program.shows(text, 20)
    took = monotonic() - started
    print(f"{text}: {took:.2f} s")
    return took


def start_trials(program: TerminalProgram) -> None:
    """Try everything."""
    until_shown(program, "t", "Not now")
    program.send(_ENTER)


@pytest.mark.real
@needs_kokoro
@pytest.mark.parametrize("stage", ["render original", "rewrite", "render candidate"])
def test_escape_stops_a_build(screen: TerminalProgram, stage: str) -> None:
    screen.send("fb")
    screen.shows(stage)
    assert until_shown(screen, _ESCAPE, "build stopped") < LOADED_SECONDS


@pytest.mark.real
@needs_kokoro
@pytest.mark.parametrize("stage", ["preparing", "reference", "of 662"])
def test_t_stops_trials(screen: TerminalProgram, stage: str) -> None:
    start_trials(screen)
    screen.shows(stage)
    until_shown(screen, "t", "Back")
    keys = _RIGHT + _ENTER if b"Pause" in screen.drawn else _ENTER
    assert until_shown(screen, keys, "trials stopped") < LOADED_SECONDS


@pytest.mark.real
@needs_kokoro
def test_q_ends_a_build_and_trials(screen: TerminalProgram) -> None:
    screen.send("b")
    start_trials(screen)
    screen.shows("reference")
    leave(screen)


@pytest.mark.real
@needs_kokoro
def test_x_stops_the_planner(planning: TerminalProgram) -> None:
    planning.shows("probing")
    assert until_shown(planning, "x", "planner stopped") < LOADED_SECONDS


@pytest.mark.real
@needs_kokoro
def test_ctrl_q_ends_the_planner(planning: TerminalProgram) -> None:
    leave(planning, _CTRL_Q)


def leave(program: TerminalProgram, key: str = "q") -> None:
    """Press a key that ends the program; nothing goes on."""
    started = monotonic()
    program.send(key)
    program.process.wait(20)
    took = monotonic() - started
    print(f"left: {took:.2f} s")
    assert took < LOADED_SECONDS
    leaves_nothing_running(program.process.pid)
