"""The program in a real pseudo-terminal, driven by what a terminal sends."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep

_START = """
from kokoro_tui.__main__ import main
main()
"""


@dataclass(frozen=True)
class Footprint:
    """What a process holds."""

    bytes: int
    """Resident memory."""
    descriptors: int
    threads: int


class TerminalProgram:
    """``kokoro-tui WORDS`` in a terminal of its own.

    Args:
        words: The command line.
        folder: Its working folder.
        size: Columns and rows.
        prelude: Python that the program runs first.
    """

    def __init__(self, words: list[str], folder: Path, size: tuple[int, int] = (120, 40), *, prelude: str = "") -> None:
        self._master, slave = pty.openpty()
        self.resize(*size)
        environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        start = ["-c", f"{prelude}{_START}"] if prelude else ["-m", "kokoro_tui"]
        self.process = subprocess.Popen(
            [sys.executable, *start, *words], cwd=folder, env=environment,
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(slave)
        self._seen = bytearray()
        self._closing = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # the terminal is gone
            while not self._closing.is_set():
                if not select.select([self._master], [], [], 0.05)[0]:
                    continue
                self._seen += os.read(self._master, 65536)
                del self._seen[: -(1 << 20)]

    def shows(self, text: str, seconds: float = 60.0) -> None:
        """Wait until a text has been drawn.

        Raises:
            AssertionError: It has not come, or the program has ended.
        """
        self.waits(lambda: text.encode() in self._seen, seconds)

    def waits(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        """Wait until something holds.

        Raises:
            AssertionError: It has not come to hold, or the program has ended.
        """
        deadline = monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"ended with {self.process.returncode}"
            assert monotonic() < deadline, "it did not come to that"
            sleep(0.02)

    @property
    def drawn(self) -> bytes:
        """What it has sent to the terminal, the last MiB of it."""
        return bytes(self._seen)

    def forget(self) -> None:
        """Take what has been drawn so far for seen."""
        self._seen.clear()

    def send(self, keys: str) -> None:
        """What the keyboard or the mouse sends."""
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Another window size; the program is told by the system."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def suspend_and_resume(self) -> None:
        """ctrl+z, then what the shell's ``fg`` does."""
        self.send("\x1a")
        deadline = monotonic() + 2
        while self._state() != "T" and monotonic() < deadline and self.process.poll() is None:
            sleep(0.01)
        if self._state() == "T":  # a field takes ctrl+z for undoing
            self.process.send_signal(signal.SIGCONT)

    def _state(self) -> str:
        if self.process.poll() is not None:
            return ""
        return Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def footprint(self) -> Footprint:
        """What the program itself holds, without its children."""
        folder = Path(f"/proc/{self.process.pid}")
        pages = int((folder / "statm").read_text().split()[1])
        counts = (sum(1 for _ in (folder / kind).iterdir()) for kind in ("fd", "task"))
        return Footprint(pages * os.sysconf("SC_PAGE_SIZE"), *counts)

    def hang_up(self) -> None:
        """Close the terminal under the program."""
        self._closing.set()
        self._reader.join()  # the system hangs up when nobody reads any more
        os.close(self._master)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()
        self._closing.set()
        self._reader.join()
        with suppress(OSError):
            os.close(self._master)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
