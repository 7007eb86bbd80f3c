"""The terminal under the UI: what libraries print stays off it, and the program ends with it."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from kokoro_tui.store.log import log_formatter, open_log
from kokoro_tui.store.paths import log_path


def end_with_terminal() -> None:
    """Let a closed terminal end the program, where a parent such as ``nohup`` had hang-ups ignored, too.

    Nobody can see or leave a UI without its terminal, and its session is offered again. Main thread only.
    """
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def native_output_in_log() -> Iterator[None]:
    """Let descriptors 1 and 2 lead to the log, and give Textual the terminal on descriptors of its own.

    Textual asks ``sys.__stdout__`` for the size and draws on ``sys.__stderr__``; native code (PortAudio, espeak,
    onnxruntime) writes to 1 and 2 whatever Python's streams are. Must surround ``App.run``.
    """
    streams = sys.__stdout__, sys.__stderr__
    for stream in (*streams, sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    terminals = [os.dup(1), os.dup(2)]
    log = open_log(log_path())
    handler = logging.StreamHandler(os.fdopen(log, "a", encoding="utf-8", errors="replace", closefd=False))
    handler.setFormatter(log_formatter())
    logging.getLogger().addHandler(handler)
    try:
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        sys.__stdout__, sys.__stderr__ = (  # type: ignore[misc]
            os.fdopen(terminal, "w", encoding="utf-8", errors="replace", closefd=False) for terminal in terminals
        )
        yield
    finally:
        sys.__stdout__, sys.__stderr__ = streams  # type: ignore[misc]
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for descriptor, terminal in zip((1, 2), terminals, strict=True):
            os.dup2(terminal, descriptor)
            os.close(terminal)
        logging.getLogger().removeHandler(handler)
        handler.close()
        os.close(log)
