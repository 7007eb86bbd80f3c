"""Places in a sentence and columns on the screen."""

from __future__ import annotations

Span = tuple[float, float]
"""Start and end in seconds."""


def column_of(seconds: float, span: Span, columns: int) -> int | None:
    """The column of a place where a span fills so many; None outside the span."""
    start, end = span
    if not start <= seconds <= end or start == end:
        return None
    return min(int((seconds - start) / (end - start) * columns), columns - 1)


def seconds_of(column: int, span: Span, columns: int) -> float:
    """The place at the left edge of a column; columns beyond the edges are clipped."""
    start, end = span
    return start + (end - start) * min(max(0, column), columns) / columns
