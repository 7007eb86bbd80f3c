"""The journal of a session: what was done to the plan, step by step, so that a crash loses none of it.

One JSON record a line, appended as things happen. A session that is closed as it should be removes its journal;
what lies there without a living owner was cut off and can be taken up again. A torn last line is left out.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from time import time
from typing import Any

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PlanHistory, PrecisionPlan
from kokoro_tui.core.precision import Precision, WeightType
from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.store.lock import holding, owner_of
from kokoro_tui.store.paths import make_folder, state_folder

_VERSION = 1
_KEEP_SECONDS = 30 * 24 * 3600
"""Journals that nobody has asked for in this time are removed."""
_CLOSE_SECONDS = 5.0
_LARGEST_JOURNAL = 64 << 20

Record = Mapping[str, Any]


@dataclass(frozen=True)
class CutOffSession:
    """A session that ended without being closed."""

    path: Path
    """Its journal."""
    ended: float
    """Unix time of its last record, in seconds."""
    history: PlanHistory
    kept: str
    """Identity of the plan that was last saved or loaded; empty if none was."""
    marked: frozenset[str]
    text: str | None
    voice: str | None
    changes: int
    """Steps that were recorded: changes, undone and redone ones."""


class Journal:
    """Writes the journal of one session on a thread of its own, since nobody should wait for a disk.

    Args:
        model: The open model.

    Raises:
        KokoroTuiError: The state folder cannot be written.
    """

    def __init__(self, model: Path) -> None:
        folder = make_folder(_folder())
        self.path = folder / f"{int(time() * 1000)}-{os.getpid()}.jsonl"
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        with ExitStack() as stack:
            stack.enter_context(holding(self.path, "editing a plan"))
            self._locks = stack.pop_all()
        self._thread = threading.Thread(target=self._write, daemon=True, name="journal")
        self._thread.start()
        self.record({"version": _VERSION, **_identity(model)})

    def record(self, record: Record) -> None:
        """Add one record; returns at once."""
        self._queue.put(json.dumps(record, ensure_ascii=True, separators=(",", ":")) + "\n")

    def step(self, before: PlanHistory, after: PlanHistory) -> None:
        """Record how one history became another."""
        if (record := _step(before, after)) is not None:
            self.record(record)

    def close(self, *, keep: bool) -> None:
        """End the journal; ``keep`` leaves it for the next start."""
        self._queue.put(None)
        self._thread.join(_CLOSE_SECONDS)
        if not keep:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
        self._locks.close()

    def _write(self) -> None:
        # A full disk must not end the session; the next record may find room again.
        while (line := self._queue.get()) is not None:
            with suppress(OSError):
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    os.write(descriptor, line.encode())
                finally:
                    os.close(descriptor)


def find_cut_off(model: Path) -> tuple[CutOffSession, ...]:
    """Sessions on this very model that ended without being closed, the latest first; those of long ago are removed."""
    found = []
    for path in _folder().glob("*.jsonl") if _folder().is_dir() else ():
        with suppress(OSError, KokoroTuiError):
            if owner_of(path) is not None:
                continue
            if path.stat().st_mtime < time() - _KEEP_SECONDS:
                path.unlink()
            elif (session := _read(path, model)) is not None:
                found.append(session)
    return tuple(sorted(found, key=lambda session: session.ended, reverse=True))


def discard(session: CutOffSession) -> None:
    """Forget a session that was taken up again, or is not wanted."""
    with suppress(OSError):
        session.path.unlink(missing_ok=True)


def _folder() -> Path:
    return state_folder() / "sessions"


def _identity(model: Path) -> dict[str, object]:
    """What a model file must agree in for a plan to be offered again; its digest would take too long at the start."""
    stat = model.stat()
    return {"model": str(model.resolve()), "bytes": stat.st_size, "modified": stat.st_mtime_ns}


def _step(before: PlanHistory, after: PlanHistory) -> Record | None:
    if after == before:
        return None
    if after == before.undo():
        return {"step": "undo"}
    if after == before.redo():
        return {"step": "redo"}
    old, new = before.current, after.current
    either = old.choices.keys() | new.choices.keys()
    moved = {key for key in either if old.precision_of(key) is not new.precision_of(key)}
    record: dict[str, object] = {
        "step": "change",
        "choices": {key: new.precision_of(key).value for key in sorted(moved)},
        "lock": sorted(new.locked - old.locked),
        "unlock": sorted(old.locked - new.locked),
    }
    if new.weight_type is not old.weight_type:
        record["weight_type"] = new.weight_type.value
    if new.calibration != old.calibration:
        record["calibration"] = None if new.calibration is None else _calibration_cells(new.calibration)
    return record


def _read(path: Path, model: Path) -> CutOffSession | None:
    """A journal of ``model`` in which something was done; None for others and for what cannot be read."""
    if path.stat().st_size > _LARGEST_JOURNAL:
        return None
    records = _records(path)
    head = next(records, {})
    if head.get("version") != _VERSION or any(head.get(key) != value for key, value in _identity(model).items()):
        return None
    history, kept, changes = PlanHistory(PrecisionPlan()), "", 0
    marked: frozenset[str] = frozenset()
    speech: dict[str, str | None] = {}
    try:
        for record in records:
            if "step" in record:
                history = _replay(history, record)
                changes += 1
            elif "marked" in record:
                marked = frozenset(map(str, record["marked"]))
            elif "kept" in record:
                kept = str(record["kept"])
            elif "text" in record:
                speech = {key: None if record[key] is None else str(record[key]) for key in ("text", "voice")}
    except (KeyError, TypeError, ValueError):
        return None
    if not changes:
        return None
    ended = path.stat().st_mtime
    return CutOffSession(path, ended, history, kept, marked, speech.get("text"), speech.get("voice"), changes)


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        try:
            record = json.loads(line) if line.endswith("\n") else None
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            yield record


def _replay(history: PlanHistory, record: Record) -> PlanHistory:
    if record["step"] == "undo":
        return history.undo()
    if record["step"] == "redo":
        return history.redo()
    old = history.current
    calibration = old.calibration
    if "calibration" in record:
        calibration = None if record["calibration"] is None else _calibration_of(record["calibration"])
    plan = PrecisionPlan(
        {**old.choices, **{str(key): Precision(value) for key, value in record["choices"].items()}},
        (old.locked | _texts(record["lock"])) - _texts(record["unlock"]),
        WeightType(record.get("weight_type", old.weight_type.value)),
        calibration,
    )
    return history.push(plan)


def _texts(values: Iterable[object]) -> frozenset[str]:
    return frozenset(map(str, values))


def _calibration_cells(calibration: Calibration) -> dict[str, object]:
    return {"activation_type": calibration.activation_type.value, "samples": calibration.samples}


def _calibration_of(cells: Mapping[str, Any]) -> Calibration:
    """How a static plan is calibrated; its ranges are measured again when it is built."""
    return Calibration(activation_type=WeightType(cells["activation_type"]), samples=int(cells["samples"]))
