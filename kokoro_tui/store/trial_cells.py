"""One row of the trial table as text cells and back.

Text that a spreadsheet would take for a formula gets an apostrophe in front, which reading takes off again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite

from kokoro_tui.core.trials import TrialKind, TrialRow, TrialStatus

COLUMNS = (
    "name", "type", "op_type", "params", "size", "mel_distance", "mel_distance_free", "added_noise_db", "frames_moved",
    "status", "group", "reason", "pinned", "mel_distance_worst", "frames_moved_worst", "seconds",
)  # fmt: skip
"""The header of the files written here; the first ten are fixed."""

UNMEASURED = "N/A"
"""The cell of a missing measurement; kokoro-onnx-export skips it and fails on an empty one."""

_MISSING = frozenset({"", "n/a", "nan", "none"})
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NEUTRALISED = re.compile(r"'+[=+\-@\t\r\n]")


def cells_of(row: TrialRow) -> tuple[str, ...]:
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


def row_of(cells: Mapping[str, str]) -> TrialRow:
    """The row that cells by column say; only name, type and mel_distance are needed.

    Raises:
        ValueError: A cell cannot be read; the message is for the user.
    """
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
