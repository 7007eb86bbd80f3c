"""Phonemes while somebody types: a child process keeps the G2P loaded, since it would hold the interpreter lock."""

from __future__ import annotations

import multiprocessing
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from kokoro_tui.errors import KokoroTuiError, WorkError
from kokoro_tui.jobs.child import interrupts_held, isolate_child
from kokoro_tui.speech.phonemes import default_language, phonemize

_ANSWER_SECONDS = 60.0
"""How long an answer may take; the first one loads espeak, or a dictionary."""
_END_SECONDS = 0.5


class PhonemeReader:
    """Reads one text after another in a process of its own, which ends with this one.

    Args:
        log_path: Where what the process prints is appended; thrown away if None.
    """

    def __init__(self, log_path: Path | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, log_path), daemon=True)
        with interrupts_held():
            self._process.start()
        theirs.close()
        self._lock = threading.Lock()

    def read(self, text: str) -> str:
        """The phonemes of a text, as it would be spoken; blocks, and may be called from several threads.

        Raises:
            KokoroTuiError: The text cannot be read, or the process has ended.
        """
        with self._lock:
            try:
                self._connection.send(text)
                if not self._connection.poll(_ANSWER_SECONDS):
                    raise WorkError("the phonemes take too long", "go on without seeing them")
                answer = self._connection.recv()
            except (EOFError, OSError) as error:
                raise WorkError("the phonemes cannot be shown: their process has ended", "open this again") from error
        if isinstance(answer, KokoroTuiError):
            raise answer
        return str(answer)

    @property
    def alive(self) -> bool:
        """Whether it can still be asked."""
        return self._process.is_alive()

    def close(self) -> None:
        """End the process."""
        self._process.terminate()
        self._process.join(_END_SECONDS)
        # A reader that waits in another thread notices the end by itself.
        with suppress(OSError):
            self._connection.close()


def _serve(connection: Connection, log_path: Path | None) -> None:
    isolate_child(log_path)
    with suppress(EOFError, OSError):
        while True:
            text = connection.recv()
            try:
                answer: str | KokoroTuiError = phonemize(text, default_language(text))
            except KokoroTuiError as error:
                answer = error
            connection.send(answer)
