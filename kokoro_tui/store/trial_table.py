"""The trial table as a CSV file: written a trial at a time, read back whatever happened in between.

Every row ends with a line feed and is written in one piece, so a last line without one is what a crash left.
"""

from __future__ import annotations

import csv
import errno
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kokoro_tui.core.trials import TrialRow, TrialTable
from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import WriteError, is_full
from kokoro_tui.store.text_file import MAX_FILE_BYTES, decode_text, read_bytes
from kokoro_tui.store.trial_cells import COLUMNS, cells_of, row_of
from kokoro_tui.store.trial_meta import meta_path

TABLE_NAMES = ("quantization-trials.csv", "quantization_trials.csv")
"""File names that are looked for, our own first, then kokoro-onnx-export's."""

_HEADER = f"{','.join(COLUMNS)}\n"
_NEEDED_COLUMNS = ("name", "type", "mel_distance")
_SHORT_HEADER = ("name", "type", "op_type", "mel_distance")
_LONG_ROW = ("name", "type", "op_type", "params", "size", "mel_distance")
_TRIALS_HINT = "run kokoro-tui trial-quantization first, or name a trial table"
_NOT_A_TABLE_HINT = "name a CSV file with the columns name, type and mel_distance"


@dataclass(frozen=True)
class LoadedTrials:
    """What a file held."""

    table: TrialTable
    notes: tuple[str, ...] = ()
    """What the user should know of the file, one sentence each."""
    torn_rows: int = 0
    """Rows at the end of the file that a crash cut off and that were dropped: 0 or 1."""
    bad_rows: int = 0
    """Other rows that could not be read."""
    foreign_columns: tuple[str, ...] = ()
    """Columns that are not ours and were passed over."""
    older_format: bool = False
    """Written by kokoro-onnx-export: its distances are neither paired nor pinned."""


def read_trials(path: Path) -> LoadedTrials:
    """Read a trial table of ours or of kokoro-onnx-export.

    Raises:
        InputError: The file is missing, unreadable or no trial table.
    """
    content = read_bytes(path, _TRIALS_HINT)
    if _is_cut_header(content):
        return LoadedTrials(TrialTable(), (f"{path.name} holds no trials yet",), torn_rows=int(bool(content)))
    complete = _complete_bytes(content)
    records = _read_records(decode_text(content[:complete], path), path)
    if complete == len(content):
        return _load(records, path)
    tail = _read_records(content[complete:].decode(errors="replace"), path)
    if not _is_ours(content) and (not records or (tail and len(tail[0]) == len(records[-1]))):
        # Other programs may leave out the end of the last line.
        loaded = _load(records + tail, path)
        note = f"the last line of {path.name} has no line end; it is taken as complete"
        return replace(loaded, notes=(*loaded.notes, note))
    loaded = _load(records, path)
    note = f"the last line of {path.name} was cut off and is left out"
    return replace(loaded, notes=(*loaded.notes, note), torn_rows=1)


def append_rows(path: Path, rows: Sequence[TrialRow]) -> None:
    """Append rows in one write that is on the disk when this returns.

    A new or empty file gets its header; a last line that a crash has cut off is removed first.

    Raises:
        InputError: The file exists and is not a table with our columns.
        WriteError: It cannot be written or the disk is full; the file is then as it was.
    """
    if not rows:
        return
    records = "".join(_record(row) for row in rows)
    try:
        # Unbuffered, so that the rows of a group reach the file in one write.
        with path.open("a+b", buffering=0) as handle:
            handle.seek(0)
            content = handle.read()
            header = _is_cut_header(content)
            if not header and not _is_ours(content):
                raise InputError(
                    f"{path} is not a trial table with this program's columns",
                    "name another file, or use --fresh to move it aside",
                )
            start = 0 if header else _complete_bytes(content)
            added = ((_HEADER if header else "") + records).encode()
            _append_at(handle, start, added)
    except OSError as error:
        if is_full(error):
            raise WriteError(f"the disk is full, {path} keeps its earlier rows", "free some space") from error
        raise WriteError(
            f"{path} cannot be written: {error.strerror}", "name a file in a folder that you may write to"
        ) from error


def move_aside(path: Path) -> Path | None:
    """Give a table and its meta file another name beside it.

    Returns:
        The table's new path; None if there was no table.

    Raises:
        WriteError: The folder cannot be written.
    """
    if not path.exists():
        return None
    number = 1
    while (target := path.with_name(f"{path.stem}.old-{number}{path.suffix}")).exists():
        number += 1
    try:
        path.rename(target)
        if meta_path(path).exists():
            meta_path(path).replace(meta_path(target))
    except OSError as error:
        raise WriteError(f"{path} cannot be moved aside: {error.strerror}", "rename it by hand") from error
    return target


def find_trials(model: Path, working_folder: Path) -> Path | None:
    """The trial table beside a model, else in the working folder; None if there is none."""
    candidates = (folder / name for folder in (model.parent, working_folder) for name in TABLE_NAMES)
    return next((path for path in candidates if path.is_file()), None)


def _record(row: TrialRow) -> str:
    text = io.StringIO()
    # With this line terminator the module also quotes cells that hold a lone carriage return.
    csv.writer(text, lineterminator="\r\n").writerow(cells_of(row))
    return text.getvalue().removesuffix("\r\n") + "\n"


def _append_at(handle: io.FileIO, start: int, added: bytes) -> None:
    """Write ``added`` at ``start``, where the file ends from then on, or leave nothing of it."""
    handle.truncate(start)
    try:
        written = handle.write(added)
        if written != len(added):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle.fileno())
    except OSError:
        handle.truncate(start)
        raise


def _complete_bytes(content: bytes) -> int:
    """Bytes up to the end of the last complete record; a quoted cell may hold line ends."""
    complete = position = quotes = 0
    for line in content.splitlines(keepends=True):
        position += len(line)
        quotes += line.count(b'"')
        if line.endswith((b"\n", b"\r")) and quotes % 2 == 0:
            complete = position
    return complete


def _is_cut_header(content: bytes) -> bool:
    """Whether a file is empty or holds nothing but a piece of our header."""
    return len(content) < len(_HEADER) and _HEADER.encode().startswith(content)


def _is_ours(content: bytes) -> bool:
    first_line = content.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    return first_line.rstrip(b"\r") == _HEADER.rstrip().encode()


def _read_records(text: str, path: Path) -> list[list[str]]:
    """The records of a CSV text; empty lines are left out."""
    # A file from elsewhere may hold longer names than the module's 128 kB.
    csv.field_size_limit(MAX_FILE_BYTES)
    try:
        return [cells for cells in csv.reader(io.StringIO(text, newline="")) if cells]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}", _NOT_A_TABLE_HINT) from error


def _load(records: list[list[str]], path: Path) -> LoadedTrials:
    header = tuple(cell.strip() for cell in records[0]) if records else ()
    lacking = [name for name in _NEEDED_COLUMNS if name not in header]
    if lacking:
        raise InputError(f"{path} is not a trial table: it has no column {', '.join(lacking)}", _NOT_A_TABLE_HINT)
    older = "status" not in header
    rows: list[TrialRow] = []
    faults: list[str] = []
    for number, cells in enumerate(records[1:], start=1):
        try:
            rows.append(row_of(_named(header, cells)))
        except ValueError as error:
            faults.append(f"row {number}: {error}")
    if faults and not rows:
        raise InputError(f"{path} holds no row that can be read; {faults[0]}", _NOT_A_TABLE_HINT)
    foreign = tuple(name for name in header if name not in COLUMNS)
    notes = _notes(path.name, older, foreign, faults)
    return LoadedTrials(TrialTable.of(rows), notes, 0, len(faults), foreign, older)


def _notes(name: str, older: bool, foreign: tuple[str, ...], faults: list[str]) -> tuple[str, ...]:
    notes: list[str] = []
    if older:
        notes.append(
            f"{name} is in the format of kokoro-onnx-export, whose distances are not paired: "
            "up to 0.18 of each may be noise"
        )
    if foreign:
        notes.append(f"columns of {name} that were passed over: {', '.join(foreign)}")
    if faults:
        count = "1 row" if len(faults) == 1 else f"{len(faults)} rows"
        notes.append(f"{count} of {name} could not be read and were left out; {faults[0]}")
    return tuple(notes)


def _named(header: tuple[str, ...], cells: list[str]) -> Mapping[str, str]:
    """The cells of a record by column.

    Raises:
        ValueError: There are too many or too few of them.
    """
    if header == _SHORT_HEADER and len(cells) == len(_LONG_ROW):
        header = _LONG_ROW  # kokoro-onnx-export appends such rows to its earlier files
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} cells under {len(header)} columns")
    return dict(zip(header, cells, strict=True))
