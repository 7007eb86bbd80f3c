"""Files of sentences: plain lines, or CSV with the columns Voice and Text."""

from __future__ import annotations

import csv
import io
from importlib import resources
from pathlib import Path

from kokoro_tui.errors import InputError
from kokoro_tui.store.text_file import read_text

_HINT = "write one sentence a line, or CSV with the header Voice,Text"


def calibration_set() -> tuple[tuple[str | None, str], ...]:
    """The sentences that ship for calibration, each with its voice."""
    data = resources.files("kokoro_tui.speech.data").joinpath("calibration.csv")
    with resources.as_file(data) as path:
        return read_text_set(path)


def read_text_set(path: Path) -> tuple[tuple[str | None, str], ...]:
    """Pairs of voice and text; a plain line has no voice of its own.

    Raises:
        InputError: The file is missing, unreadable, CSV without a column Text, or holds no sentence.
    """
    text = read_text(path, _HINT)
    lines = [line for line in text.splitlines() if line.strip()]
    header = [cell.strip().lower() for cell in lines[0].split(",")] if lines else []
    if "text" in header:
        try:
            records = list(csv.DictReader(io.StringIO(text), fieldnames=header, strict=True))[1:]
        except csv.Error as error:
            raise InputError(f"{path} is not a CSV file: {error}", _HINT) from error
        pairs = [((record.get("voice") or "").strip() or None, (record["text"] or "").strip()) for record in records]
    elif path.suffix.lower() == ".csv":
        raise InputError(f"{path} has no column Text", _HINT)
    else:
        pairs = [(None, line.strip()) for line in lines]
    found = tuple((voice, sentence) for voice, sentence in pairs if sentence)
    if not found:
        raise InputError(f"{path} holds no sentence", _HINT)
    return found
