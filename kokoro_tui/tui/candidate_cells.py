"""What the table of candidates says, cell by cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from kokoro_tui.core.precision import Precision
from kokoro_tui.tui.candidates import Candidate, Stage
from kokoro_tui.tui.formats import NOTHING, distance, mib, printable, saved_percent
from kokoro_tui.tui.screens.blind_result import abx_figures, preference_figures

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.listening.records import RecipeSummary

ORIGINAL_NUMBER = 0
"""The key of the original."""
COLUMNS = ("#", "candidate", "nodes", "MiB", "size", "time", "mel", "noise dB", "moved", "ABX", "preferred", "")
_FIGURES = frozenset({"MiB", "size", "time", "mel", "noise dB", "moved"})
"""Columns that are set flush right."""


def cell(label: str, text: str) -> Text:
    """A text as it stands in the column with a label."""
    return Text(text, justify="right" if label in _FIGURES else "left")


def original_cells(size: int, heard: int) -> list[str]:
    """The row of the original.

    Args:
        size: Of its file, in bytes.
        heard: The number that is heard.
    """
    mark = _mark(ORIGINAL_NUMBER, heard)
    return [mark, "original", "", mib(size), "", _times(1.0), distance(0.0), "0.0", "0", "", "", ""]


def candidate_cells(
    number: int,
    candidate: Candidate,
    summary: RecipeSummary | None,
    original_bytes: int,
    heard: int,
    *,
    waits: bool,
) -> list[str]:
    """The row of a candidate.

    Args:
        number: Its key.
        candidate: What is known of it.
        summary: What blind tests of it against the original have given; None without any.
        original_bytes: Size of the source model.
        heard: The number that is heard.
        waits: Whether it has not said the sentences yet that are chosen.
    """
    found = candidate.result.figures if candidate.result is not None else None
    size = candidate.result.final_bytes if candidate.result is not None else candidate.estimated_bytes
    return [
        _mark(number, heard),
        printable(candidate.name),
        _nodes(candidate.plan),
        mib(size),
        saved_percent(1 - size / original_bytes),
        _times(candidate.latency),
        distance(None if found is None else found.mel_distance),
        NOTHING if found is None else f"{found.added_noise_db:+.1f}",
        NOTHING if found is None or found.frames_moved is None else str(found.frames_moved),
        NOTHING if summary is None else abx_figures(summary),
        NOTHING if summary is None else preference_figures(summary),
        _stage(candidate, waits=waits),
    ]


def _stage(candidate: Candidate, *, waits: bool) -> str:
    if candidate.stage is Stage.RENDERING:
        return f"{candidate.share:.0%} {candidate.doing}".rstrip()
    if candidate.stage is Stage.READY:
        return "other sentences" if waits else ""
    return str(candidate.stage.value)


def _mark(number: int, heard: int) -> str:
    return f"\u25b8{number}" if number == heard else f" {number}"


def _times(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}\u00d7"


def _nodes(plan: PrecisionPlan) -> str:
    """Such as ``FP16 6, INT8 240``."""
    counts = plan.count(plan.choices)
    told = [f"{p.label} {counts[p]}" for p in Precision if p is not Precision.FP32 and counts[p]]
    return ", ".join(told) or "all FP32"
