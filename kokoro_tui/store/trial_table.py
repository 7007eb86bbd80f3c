"""The trial table as a CSV file: written a trial at a time, read back whatever happened in between.

Every row ends with a line feed and is written in one piece, so a last line without one is what a crash left. Cells
that a spreadsheet would take for a formula get an apostrophe in front, which reading takes off again.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from kokoro_tui.core.trials import TrialKind, TrialRow, TrialStatus, TrialTable
from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import WriteError
from kokoro_tui.store.text_file import MAX_FILE_BYTES, decode_text, read_bytes
from kokoro_tui.store.trial_meta import meta_path

COLUMNS = (
    "name", "type", "op_type", "params", "size", "mel_distance", "mel_distance_free", "added_noise_db", "frames_moved",
    "status", "group", "reason", "pinned", "mel_distance_worst", "frames_moved_worst", "seconds",
)  # fmt: skip
"""The header of the files written here; the first ten are fixed."""

UNMEASURED = ""
"""The cell of a missing measurement."""

TABLE_NAMES = ("quantization-trials.csv", "quantization_trials.csv")
"""File names that are looked for, our own first, then kokoro-onnx-export's."""

_HEADER = f"{','.join(COLUMNS)}\n"
_NEEDED_COLUMNS = ("name", "type", "mel_distance")
_SHORT_HEADER = ("name", "type", "op_type", "mel_distance")
_LONG_ROW = ("name", "type", "op_type", "params", "size", "mel_distance")
_MISSING = frozenset({"", "n/a", "nan", "none"})
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NEUTRALISED = re.compile(r"'+[=+\-@\t\r\n]")
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
        torn = int(bool(content))
        return LoadedTrials(TrialTable(), (f"{path.name} holds no trials yet",), torn_rows=torn)
    complete = _complete_bytes(content)
    if not _is_ours(content) and complete < len(content) and content[-1:] not in b"\r\n":
        complete = len(content)  # other programs may leave out the last line's end
    lines = _read_lines(decode_text(content[:complete], path), path)
    loaded = _load(lines, path)
    if complete == len(content):
        return loaded
    note = f"the last line of {path.name} was cut off and is left out; its trial counts as not run"
    return LoadedTrials(
        loaded.table, (*loaded.notes, note), 1, loaded.bad_rows, loaded.foreign_columns, loaded.older_format
    )


def append_rows(path: Path, rows: Sequence[TrialRow]) -> None:
    """Append rows in one write that is on the disk when this returns.

    A new or empty file gets its header; a last line that a crash has cut off is removed first.

    Raises:
        InputError: The file exists and is not a table with our columns.
        WriteError: It cannot be written or the disk is full; the file is then as it was.
    """
    if not rows:
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(_cells(row) for row in rows)
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
            added = ((_HEADER if header else "") + text.getvalue()).encode()
            _append_at(handle, start, added)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
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


def _read_lines(text: str, path: Path) -> list[tuple[int, list[str]]]:
    """The records of a CSV file with the number of their last line; empty ones are left out."""
    # A file from elsewhere may hold longer names than the module's 128 kB.
    csv.field_size_limit(MAX_FILE_BYTES)
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        return [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}", _NOT_A_TABLE_HINT) from error


def _load(lines: list[tuple[int, list[str]]], path: Path) -> LoadedTrials:
    header = tuple(cell.strip() for cell in lines[0][1]) if lines else ()
    lacking = [name for name in _NEEDED_COLUMNS if name not in header]
    if lacking:
        raise InputError(
            f"{path} is not a trial table: it has no column {' and no column '.join(lacking)}", _NOT_A_TABLE_HINT
        )
    older = "status" not in header
    rows: list[TrialRow] = []
    faults: list[str] = []
    for number, cells in lines[1:]:
        try:
            rows.append(_row(_named(header, cells)))
        except ValueError as error:
            faults.append(f"line {number}: {error}")
    if faults and not rows:
        raise InputError(f"{path} holds no row that can be read; {faults[0]}", _NOT_A_TABLE_HINT)
    foreign = tuple(name for name in header if name not in COLUMNS)
    notes = _notes(path.name, older, foreign, faults)
    table = TrialTable.of(rows)
    return LoadedTrials(table, notes, 0, len(faults), foreign, older)


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


def _row(cells: Mapping[str, str]) -> TrialRow:
    distance = _number(cells, "mel_distance", least=0.0)
    status = TrialStatus.OK if distance is not None else TrialStatus.SKIPPED
    if "status" in cells:
        status = _status(cells["status"])
    if status is TrialStatus.OK and distance is None:
        raise ValueError("the trial is ok but has no mel_distance")
    if not cells["name"]:
        raise ValueError("the name is empty")
    return TrialRow(
        name=_plain(cells["name"]),
        kind=_kind(cells["type"]),
        op_type=_plain(cells.get("op_type", "")),
        params=_whole(cells, "params"),
        size=_whole(cells, "size"),
        mel_distance=distance,
        mel_distance_free=_number(cells, "mel_distance_free", least=0.0),
        added_noise_db=_number(cells, "added_noise_db"),
        frames_moved=_number(cells, "frames_moved", least=0.0),
        status=status,
        group=_plain(cells.get("group", "")),
        reason=_plain(cells.get("reason", "")),
        pinned=_flag(cells.get("pinned", "")),
        mel_distance_worst=_number(cells, "mel_distance_worst", least=0.0),
        frames_moved_worst=_number(cells, "frames_moved_worst", least=0.0),
        seconds=_number(cells, "seconds", least=0.0),
    )


def _kind(cell: str) -> TrialKind:
    try:
        return TrialKind(cell.strip())
    except ValueError as error:
        raise ValueError(f"{cell!r} is not a type of trial ({', '.join(TrialKind)})") from error


def _status(cell: str) -> TrialStatus:
    try:
        return TrialStatus(cell.strip())
    except ValueError as error:
        raise ValueError(f"{cell!r} is not a status ({', '.join(TrialStatus)})") from error


def _number(cells: Mapping[str, str], column: str, least: float | None = None) -> float | None:
    cell = cells.get(column, "").strip()
    if cell.lower() in _MISSING:
        return None
    try:
        value = float(cell)
    except ValueError as error:
        raise ValueError(f"{column} {cell[:40]!r} is not a number") from error
    if not isfinite(value) or (least is not None and value < least):
        raise ValueError(f"{column} is {cell[:40]}")
    return value


def _whole(cells: Mapping[str, str], column: str) -> int | None:
    value = _number(cells, column, least=0.0)
    return None if value is None else int(value)


def _flag(cell: str) -> bool | None:
    return {"true": True, "false": False}.get(cell.strip().lower())


def _cells(row: TrialRow) -> tuple[str, ...]:
    """The cells of a row in the order of ``COLUMNS``."""
    return (
        _neutral(row.name),
        row.kind.value,
        _neutral(row.op_type),
        _figure(row.params),
        _figure(row.size),
        _figure(row.mel_distance),
        _figure(row.mel_distance_free),
        _figure(row.added_noise_db),
        _figure(row.frames_moved),
        row.status.value,
        _neutral(row.group),
        _neutral(row.reason),
        "" if row.pinned is None else str(row.pinned).lower(),
        _figure(row.mel_distance_worst),
        _figure(row.frames_moved_worst),
        _figure(row.seconds),
    )


def _figure(value: float | None) -> str:
    if value is None:
        return UNMEASURED
    if not isfinite(value):
        raise ValueError(f"a trial row holds the figure {value}; a missing one is None")
    return repr(value)


def _neutral(text: str) -> str:
    """Text that no spreadsheet takes for a formula; `_plain` gives it back."""
    return f"'{text}" if _FORMULA.match(text) else text


def _plain(cell: str) -> str:
    return cell[1:] if _NEUTRALISED.match(cell) else cell
