"""Stopping what goes on behind the screen: within a second, and nothing outlives the program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from tests.faults.processes import leaves_nothing_running
from tests.faults.terminal import TerminalProgram
from tests.faults.test_cancel import LOADED_SECONDS
from tests.python_versions import needs_kokoro

_SPOKEN = "Six sleek swans swam swiftly southwards, and seven more came after them."
_ESCAPE, _ENTER, _RIGHT = "\x1b", "\r", "\x1b[C"


@pytest.fixture
def screen(tmp_path: Path, real_model: Path, voice: str) -> Iterator[TerminalProgram]:
    """The program in a terminal, with the real model's table on the screen."""
    model = tmp_path / "kokoro.onnx"
    model.symlink_to(real_model)  # nobody's trial table lies beside it
    program = TerminalProgram([str(model), "--text", _SPOKEN, "--voice", voice], tmp_path)
    try:
        program.shows("463 candidates")
        yield program
    finally:
        program.kill()


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
    started = monotonic()
    screen.send("q")
    screen.process.wait(20)
    took = monotonic() - started
    print(f"left: {took:.2f} s")
    assert took < LOADED_SECONDS
    leaves_nothing_running(screen.process.pid)
