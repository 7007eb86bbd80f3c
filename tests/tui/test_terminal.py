"""The app in a pseudo-terminal, as the command line starts it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from tests.faults.processes import leaves_nothing_running
from tests.faults.terminal import TerminalProgram

SCRIPT = """
import os, sys
from pathlib import Path
import kokoro_tui.tui.screens.main as main
from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.tui.app import run

def noisy(self):
    print("NOISE FROM PYTHON")
    os.write(1, b"NOISE ON ONE")
    os.write(2, b"NOISE ON TWO")
    original(self)

original = main.MainScreen._after_first_table
main.MainScreen._after_first_table = noisy
try:
    run(Path(sys.argv[1]))
except KokoroTuiError as error:
    sys.exit(f"error: {error.message}")
os.write(1, b"AFTERWARDS ON ONE")
os.write(2, b"AFTERWARDS ON TWO")
"""


def session(model: Path, keys: bytes, marker: bytes, *, seconds: float = 60.0) -> tuple[bytes, int]:
    """Run the script in a terminal of 100x30; press ``keys`` once ``marker`` is shown."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [sys.executable, "-c", SCRIPT, str(model)]
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown, pressed, deadline = b"", False, time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                try:
                    shown += os.read(ours, 65536)
                except OSError:
                    break
            if not pressed and marker in shown:
                pressed = True
                os.write(ours, keys)
        return shown, child.wait(timeout=10)
    finally:
        child.kill()
        child.wait()
        os.close(ours)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_nothing_that_a_library_prints_reaches_the_screen(toy_model: Path, tmp_path: Path) -> None:
    shown, code = session(toy_model, b"q", b"conv_post")
    assert code == 0
    assert b"ConvTranspose" in shown
    assert b"NOISE" not in shown
    assert b"AFTERWARDS ON ONE" in shown
    assert b"AFTERWARDS ON TWO" in shown
    log = (Path(os.environ["KOKORO_TUI_STATE"]) / "kokoro-tui.log").read_text(encoding="utf-8")
    assert "NOISE ON ONE" in log
    assert "NOISE ON TWO" in log


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_an_error_leaves_a_clean_terminal_and_one_line(tmp_path: Path) -> None:
    model = tmp_path / "text.onnx"
    model.write_text("hello", encoding="utf-8")
    shown, code = session(model, b"", b"never")
    assert code == 1
    assert b"error: " in shown
    assert b"is not an ONNX model" in shown
    assert b"Traceback" not in shown
    assert shown.rindex(b"\x1b[?1049l") < shown.rindex(b"error: "), "the alternate screen is left first"


def test_a_closed_terminal_ends_it_though_hang_ups_were_ignored(toy_model: Path, tmp_path: Path) -> None:
    nohup = "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    program = TerminalProgram([str(toy_model)], tmp_path, prelude=nohup)
    try:
        program.shows("MiB")
        program.hang_up()
        program.process.wait(10)
        leaves_nothing_running(program.process.pid)
    finally:
        program.kill()
