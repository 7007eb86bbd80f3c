"""Starts the program as a user does, kills it, and looks for what it leaves running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

ORPHAN_SECONDS = 5.0
"""How long a killed program's children may take to notice."""


def start(words: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    """``kokoro-tui WORDS`` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "kokoro_tui", *words], cwd=folder, env=dict(os.environ),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def finish(words: Sequence[str], folder: Path) -> str:
    """Run the program to its good end; returns what it said on stderr."""
    process = start(words, folder)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    return said.decode()


def kill_after(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill the program itself, not its children, after a while; False if it was done before.

    Raises:
        AssertionError: A child of it is still there some seconds later.
    """
    try:
        process.wait(seconds)
        killed = False
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed = True
    if process.stderr is not None:
        process.stderr.close()
    leaves_nothing_running(process.pid)
    return killed


def interrupt(process: subprocess.Popen[bytes]) -> tuple[str, float]:
    """Ctrl+C as a terminal sends it, to the whole group; returns what is on stderr, and the seconds until the end.

    Raises:
        AssertionError: It goes on for a minute, or a child of it does.
    """
    os.killpg(process.pid, signal.SIGINT)
    started = monotonic()
    _, said = process.communicate(timeout=60)
    took = monotonic() - started
    leaves_nothing_running(process.pid)
    return said.decode(), took


def leaves_nothing_running(session: int) -> None:
    """Wait until all processes of a session have ended.

    Raises:
        AssertionError: One is still there some seconds later.
    """
    deadline = monotonic() + ORPHAN_SECONDS
    while left := tuple(session_members(session)):
        assert monotonic() < deadline, f"processes that outlived their program: {left}"
        sleep(0.02)


def session_members(session: int) -> Iterator[tuple[int, str]]:
    """Living processes of a session, with their command lines."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError, IndexError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] not in "ZX":
                yield int(entry.name), (entry / "cmdline").read_text().replace("\0", " ")[:200]
