"""The sentences that users keep for auditions: CSV beside the settings, in the format of evaluation sets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from kokoro_tui.store.atomic import atomic_path
from kokoro_tui.store.paths import config_path, make_folder
from kokoro_tui.store.text_set import read_text_set


def sentences_path() -> Path:
    """The file; it can be given to ``--eval-set`` as well."""
    return config_path().parent / "sentences.csv"


def read_user_sentences() -> tuple[tuple[str | None, str], ...]:
    """Pairs of voice and text; none if none were kept.

    Raises:
        InputError: The file is unreadable, or no CSV.
    """
    path = sentences_path()
    if not path.exists() or path.stat().st_size <= len(_HEADER_LINE):
        return ()
    return read_text_set(path)


def write_user_sentences(pairs: Iterable[tuple[str | None, str]]) -> None:
    """Keep these pairs of voice and text, whole or not at all.

    Raises:
        WriteError: The file cannot be written.
    """
    path = sentences_path()
    make_folder(path.parent)
    content = io.StringIO()
    writer = csv.writer(content, lineterminator="\n")
    writer.writerow(_HEADER)
    writer.writerows((voice or "", text) for voice, text in pairs)
    with atomic_path(path) as partial:
        partial.write_text(content.getvalue(), encoding="utf-8")


_HEADER = ("Voice", "Text")
_HEADER_LINE = ",".join(_HEADER) + "\n"
