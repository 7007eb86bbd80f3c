"""The columns of the node table and how they share the width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from kokoro_tui.tui.formats import ELLIPSIS

GUTTER = 1
"""Cells at the left edge that show marks."""
SPACIOUS = 110
"""Width from which columns stand two cells apart and have long labels."""


@dataclass(frozen=True)
class ColumnSpec:
    """One column."""

    key: str
    label: str
    long_label: str
    least: int
    """Width of its content in a narrow table, in cells."""
    most: int
    """Width of its content in a wide table, in cells."""
    right: bool = False
    """Aligned to the right."""
    trial: bool = False
    """Shown only when trials are loaded."""


COLUMNS = (
    ColumnSpec("name", "name", "name", 20, 120),
    ColumnSpec("op", "op", "op", 8, 21),
    ColumnSpec("parameters", "par", "parameters", 5, 10, right=True),
    ColumnSpec("size", "MiB", "size now", 6, 8, right=True),
    ColumnSpec("after", "after", "size after", 6, 10, right=True),
    ColumnSpec("fp16", "FP16", "FP16 dist", 5, 9, right=True, trial=True),
    ColumnSpec("int8", "INT8", "INT8 dist", 5, 9, right=True, trial=True),
    ColumnSpec("w8", "W8", "W8 dist", 5, 7, right=True, trial=True),
    ColumnSpec("precision", "prec", "precision", 5, 9),
    ColumnSpec("lock", "lk", "lock", 2, 4),
)
_FLEXIBLE = "name"
_ELASTIC = "op"


@dataclass(frozen=True)
class Layout:
    """Widths for one table width."""

    widths: dict[str, int]
    """Cells of each column's content by key."""
    gap: int
    """Cells between two columns."""
    spacious: bool
    """Whether long labels fit."""

    @property
    def total(self) -> int:
        """Width of a line in cells."""
        return GUTTER + sum(width + self.gap for width in self.widths.values())


def layout_for(specs: Sequence[ColumnSpec], available: int) -> Layout:
    """Share ``available`` cells out: the name takes what the others leave, and never less than its least."""
    spacious = available >= SPACIOUS
    gap = 2 if spacious else 1
    widths = {spec.key: spec.most if spacious else spec.least for spec in specs}
    spare = available - GUTTER - gap * len(specs) - sum(w for key, w in widths.items() if key != _FLEXIBLE)
    by_key = {spec.key: spec for spec in specs}
    if not spacious and spare > 40:
        grown = min(by_key[_ELASTIC].most, widths[_ELASTIC] + spare - 40)
        spare -= grown - widths[_ELASTIC]
        widths[_ELASTIC] = grown
    widths[_FLEXIBLE] = max(by_key[_FLEXIBLE].least, min(spare, by_key[_FLEXIBLE].most))
    return Layout(widths, gap, spacious)


def fitted(text: str, width: int, spec: ColumnSpec) -> str:
    """Text in exactly ``width`` cells: names lose their beginning, which many share, everything else its end."""
    if spec.right:
        return text.rjust(width) if len(text) <= width else text[: width - 1] + ELLIPSIS
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    if spec.key != _FLEXIBLE:
        return set_cell_size(text, width - 1) + ELLIPSIS
    kept = text[-(width - 1) :]
    while cell_len(kept) > width - 1:
        kept = kept[1:]
    return set_cell_size(ELLIPSIS + kept, width)
