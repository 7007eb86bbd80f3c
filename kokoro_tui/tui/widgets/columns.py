"""The columns of the node table and how they share the width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from kokoro_tui.tui.formats import ELLIPSIS

GUTTER = 1
"""Cells at the left edge that show marks."""


@dataclass(frozen=True)
class ColumnSpec:
    """One column."""

    key: str
    label: str
    long_label: str
    least: int
    """Width of its content in a narrow table, in cells."""
    most: int
    """Width at which the long label fits, in cells; of names and operators, the largest that is of use."""
    right: bool = False
    """Aligned to the right."""
    trial: bool = False
    """Shown only when trials are loaded."""


NAME, OP = "name", "op"
COLUMNS = (
    ColumnSpec(NAME, "name", "name", 20, 120),
    ColumnSpec(OP, "op", "op", 8, 21),
    ColumnSpec("parameters", "par", "parameters", 5, 11, right=True),
    ColumnSpec("size", "MiB", "size now", 6, 9, right=True),
    ColumnSpec("after", "after", "size after", 6, 11, right=True),
    ColumnSpec("fp16", "FP16", "FP16 dist", 5, 10, right=True, trial=True),
    ColumnSpec("int8", "INT8", "INT8 dist", 5, 10, right=True, trial=True),
    ColumnSpec("w8", "W8", "W8 dist", 5, 8, right=True, trial=True),
    ColumnSpec("precision", "prec", "precision", 5, 10),
    ColumnSpec("lock", "lk", "lock", 3, 5),
)
_GIVEN_UP = (OP, "parameters", "size", "w8", "fp16", "int8")
"""Columns that a very narrow table has no cells for, in the order in which they go."""
_GOOD_NAME = 44
"""Cells of a name that most names of Kokoro can be told apart by."""
_GOOD_OP = 13
"""Cells of ``ConvTranspose``."""


@dataclass(frozen=True)
class Layout:
    """Widths for one table width."""

    widths: Mapping[str, int]
    """Cells of each column's content by key; 0 for one that is not drawn."""
    gap: int
    """Cells after each column."""
    long_labels: bool

    def span(self, key: str) -> int:
        """Cells of a column with its gap."""
        return self.widths[key] + self.gap if self.widths[key] else 0

    @property
    def total(self) -> int:
        """Width of a line in cells."""
        return GUTTER + sum(self.span(key) for key in self.widths)


def layout_for(specs: Sequence[ColumnSpec], available: int, needs: Mapping[str, int]) -> Layout:
    """Share ``available`` cells out.

    Names and operators get what they need to be told apart, then come wider gaps, long labels, and the rest of the
    names and operators.

    Args:
        specs: The columns.
        available: Cells of a line.
        needs: Cells of the longest name and operator.
    """
    widths = {spec.key: spec.least for spec in specs}
    spare = available - GUTTER - sum(widths.values()) - len(specs)
    for key in _GIVEN_UP:
        if spare >= 0:
            break
        if key in widths:
            spare += widths[key] + 1
            widths[key] = 0

    def grow(key: str, width: int) -> None:
        nonlocal spare
        more = max(0, min(spare, width - widths[key])) if widths[key] else 0
        widths[key] += more
        spare -= more

    grow(NAME, min(needs[NAME], _GOOD_NAME))
    grow(OP, min(needs[OP], _GOOD_OP))
    gap = 2 if spare >= len(specs) else 1
    spare -= (gap - 1) * len(specs)
    wider = {spec.key: spec.most for spec in specs if spec.key not in (NAME, OP)}
    long_labels = gap == 2 and spare >= sum(most - widths[key] for key, most in wider.items())
    if long_labels:
        for key, most in wider.items():
            grow(key, most)
    grow(NAME, needs[NAME])
    grow(OP, needs[OP])
    return Layout(widths, gap, long_labels)


def fitted(text: str, width: int, spec: ColumnSpec) -> str:
    """Text in exactly ``width`` cells: names lose their beginning, which many share, everything else its end."""
    if spec.right:
        return text.rjust(width) if len(text) <= width else text[: width - 1] + ELLIPSIS
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    if spec.key != NAME:
        return set_cell_size(text, width - 1) + ELLIPSIS
    kept = text[-(width - 1) :]
    while cell_len(kept) > width - 1:
        kept = kept[1:]
    return set_cell_size(ELLIPSIS + kept, width)
