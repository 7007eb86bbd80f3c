"""The log file: kept small by renaming it when it has grown, readable by its owner only."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

_FORMAT = "%(asctime)s %(process)d %(name)s %(levelname)s %(message)s"
_LARGEST_BYTES = 1 << 20
_OLD_LOGS = 3


def open_log(path: Path | None) -> int:
    """A descriptor that appends to the log, which is begun anew once it is larger than 1 MiB.

    Args:
        path: The log; None for nowhere.

    Returns:
        A descriptor to be closed by the caller; of nowhere if the log cannot be written, which is no reason to stop.
    """
    if path is not None:
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            _rotate(path)
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.open(os.devnull, os.O_WRONLY)


def log_formatter() -> logging.Formatter:
    """How records look: a line each, then the traceback; what is no text shows as an escape, so that `cat` is safe."""
    return _SafeFormatter(_FORMAT)


class _SafeFormatter(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  logging's name
        return _visible(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  logging's name
        return "\n".join(map(_visible, super().formatException(ei).split("\n")))


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _rotate(path: Path) -> None:
    """Rename a log that has grown: ``.1`` is the latest of the old ones. Who writes to it goes on doing so."""
    with suppress(OSError):
        if path.stat().st_size <= _LARGEST_BYTES:
            return
        for number in range(_OLD_LOGS, 0, -1):
            older = path.with_name(f"{path.name}.{number}")
            newer = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
            with suppress(FileNotFoundError):
                newer.replace(older)
