"""The log of blind tests: one JSON object a line, appended and flushed to the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kokoro_tui.store.atomic import WriteError
from kokoro_tui.store.paths import make_folder, state_folder
from kokoro_tui.store.text_file import read_text


def listening_log_path() -> Path:
    """Where the log lies."""
    return state_folder() / "listening.jsonl"


def append_line(line: Mapping[str, Any]) -> None:
    """Add one line; it is on the disk when this returns.

    Raises:
        WriteError: It cannot be written.
    """
    path = listening_log_path()
    make_folder(path.parent)
    content = json.dumps(line, ensure_ascii=False) + "\n"
    try:
        with path.open("ab+") as handle:
            # A line that was cut off by a crash must not swallow this one.
            if handle.tell() and not _ends_with_newline(path):
                content = "\n" + content
            handle.write(content.encode())
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        raise WriteError(
            f"the listening log {path} cannot be written: {error.strerror}", "free some space or check its permissions"
        ) from error


def read_lines() -> tuple[dict[str, Any], ...]:
    """All lines that are whole, oldest first; none if there is no log.

    Raises:
        InputError: The log cannot be read.
    """
    path = listening_log_path()
    if not path.exists():
        return ()
    found = []
    for line in read_text(path, "blind tests write it").splitlines():
        try:
            cells = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(cells, dict):
            found.append(cells)
    return tuple(found)


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) == b"\n"
