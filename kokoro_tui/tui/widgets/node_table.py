"""The node table: a DataTable that draws its own lines, so that a key press redraws one row and not all."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Self

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Size
from textual.strip import Strip
from textual.widgets import DataTable
from textual.widgets.data_table import ColumnKey, RowKey

from kokoro_tui.core.precision import Precision
from kokoro_tui.tui.bindings import TABLE_BINDINGS
from kokoro_tui.tui.formats import distance, node_mib, parameters, printable
from kokoro_tui.tui.rows import NodeRow, View
from kokoro_tui.tui.widgets.columns import COLUMNS, NAME, OP, ColumnSpec, Layout, fitted, layout_for

_PREFIX = "node-table--"
_MARK = "\u258c"
_MEMBERS_CELLS = 4
"""Cells after a name for the number of a group's members."""
_SCREENS_DRAWN = 3
"""Screens of lines that are kept; with what Textual keeps of it each line is 12 KB."""
TRIAL_COLUMNS = ("fp16", "int8", "w8")
"""Keys of the columns that show trial distances, in the order of ``NodeRow.distances``."""
RISK_MARK = "!"
"""Behind a precision that a built-in rule warns of; the node's details say why."""
_DOWN, _UP = "\u25be", "\u25b4"


class NodeTable(DataTable[Text]):
    """One row a node or a group.

    All rows are one line high and all columns have set widths, so nothing is measured. A line is drawn once and kept
    until a cell of its row, its place, the widths or the styles change. The style of a cell is the name of one of
    this widget's component classes.
    """

    COMPONENT_CLASSES = {f"{_PREFIX}{name}" for name in (*Precision, "dim", "locked", "marked", "mixed", "plain")}
    BINDINGS = [*TABLE_BINDINGS]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=0)
        self.listed: list[NodeRow] = []
        """The rows on show, in order."""
        self._place: dict[str, int] = {}
        self._marked_keys: frozenset[str] = frozenset()
        self._view = View()
        self._specs: tuple[ColumnSpec, ...] = ()
        self._layout_now = Layout({}, 1, long_labels=False)
        self._needs = {NAME: 0, OP: 0}
        self._drawn: dict[str, dict[object, Strip]] = {}
        self._component: dict[str, Style] = {}

    def list_rows(self, rows: list[NodeRow], view: View, *, with_trials: bool, keep: str | None = None) -> None:
        """List other rows; the cursor goes to the row ``keep`` if it is among them."""
        with self.prevent(DataTable.RowHighlighted):
            self._set_columns(with_trials)
            self.clear()
            self._view = view
            self.listed = rows
            # Never less than before: columns that move while a filter is typed cannot be read.
            names, ops = (len(row.name) + _MEMBERS_CELLS for row in rows), (len(row.op) for row in rows)
            self._needs = {NAME: max(self._needs[NAME], *names, 0), OP: max(self._needs[OP], *ops, 0)}
            self._place = {row.key: index for index, row in enumerate(rows)}
            for row in rows:
                self.add_row(*self._cells(row), key=row.key)
            self._fit()
            self.move_cursor(row=self._place.get(keep or "", 0))

    def _set_columns(self, with_trials: bool) -> None:
        specs = tuple(spec for spec in COLUMNS if with_trials or not spec.trial)
        if specs != self._specs:
            self._specs = specs
            self.clear(columns=True)
            for spec in specs:
                self.add_column(Text(spec.label), width=spec.least, key=spec.key)
            self._fit()

    def refresh_rows(self, rows: Iterable[NodeRow]) -> None:
        """Show other figures in rows that are listed already; they keep their places."""
        for row in rows:
            index = self._place[row.key]
            before = self.listed[index]
            self.listed[index] = row
            if row.distances != before.distances:
                for key, value in zip(TRIAL_COLUMNS, row.distances, strict=True):
                    self.update_cell(row.key, key, _distance_cell(value))
            if row.after != before.after:
                self.update_cell(row.key, "after", _after_cell(row))
            if row.precision is not before.precision:
                self.update_cell(row.key, "precision", _precision_cell(row))
            if row.locked != before.locked:
                self.update_cell(row.key, "lock", _lock_cell(row))

    def mark(self, keys: frozenset[str]) -> None:
        """Show a mark at the rows with these keys."""
        self._marked_keys = keys
        self.refresh()

    @property
    def current(self) -> NodeRow | None:
        """The row under the cursor."""
        return self.listed[self.cursor_row] if 0 <= self.cursor_row < len(self.listed) else None

    def place_of(self, key: str) -> int | None:
        """The line of a row; None if it is not listed."""
        return self._place.get(key)

    def _cells(self, row: NodeRow) -> list[Text]:
        name = printable(row.name)
        cells = {
            "name": Text(f"{name} \u00d7{len(row.members)}" if len(row.members) > 1 else name),
            "op": _cell(printable(row.op), "dim"),
            "parameters": _cell(parameters(row.parameters), "plain"),
            "size": _cell(node_mib(row.size), "plain"),
            "after": _after_cell(row),
            "precision": _precision_cell(row),
            "lock": _lock_cell(row),
        }
        cells |= zip(TRIAL_COLUMNS, map(_distance_cell, row.distances), strict=True)
        return [cells[spec.key] for spec in self._specs]

    # Drawing

    def update_cell(
        self, row_key: RowKey | str, column_key: ColumnKey | str, value: Text, *, update_width: bool = False
    ) -> None:
        """See ``DataTable.update_cell``; forgets how the row was drawn, too."""
        self._drawn.pop(str(row_key.value if isinstance(row_key, RowKey) else row_key), None)
        super().update_cell(row_key, column_key, value, update_width=update_width)

    def clear(self, columns: bool = False) -> Self:
        """See ``DataTable.clear``."""
        self._drawn.clear()
        return super().clear(columns)

    def notify_style_update(self) -> None:
        """Draw everything anew: the theme or the focus has changed."""
        super().notify_style_update()
        self._drawn.clear()
        self._component.clear()

    def on_mount(self) -> None:
        """Start with the columns that need no trials."""
        self._set_columns(with_trials=False)

    def on_resize(self, event: events.Resize) -> None:
        """Share the new width out among the columns."""
        self._fit()

    def render_line(self, y: int) -> Strip:
        """One line of the widget: the header, or the row that is scrolled there."""
        width = self.size.width
        scroll_x, scroll_y = self.scroll_offset
        index = y - 1 + scroll_y if y else -1
        if index >= len(self.listed):
            return Strip.blank(width, self.rich_style)
        strip = self._strip(index, width)
        if scroll_x == 0 and strip.cell_length == width:
            return strip
        return strip.crop_extend(scroll_x, scroll_x + width, self.rich_style)

    def _fit(self) -> None:
        if not self._specs:
            return
        self._layout_now = layout_for(self._specs, self.scrollable_content_region.width, self._needs)
        for spec in self._specs:
            self.columns[ColumnKey(spec.key)].width = self._layout_now.span(spec.key)
        self._drawn.clear()
        self._update_dimensions(())
        self.refresh()

    def _update_dimensions(self, new_rows: Iterable[RowKey]) -> None:
        # The base class measures every cell of new rows (0.3 s for 2,280 of them); nothing here depends on that.
        self.virtual_size = Size(self._layout_now.total, len(self.rows) + 1)

    def _strip(self, index: int, width: int) -> Strip:
        """A whole line, drawn now or before; the header is line -1."""
        row = self.listed[index] if index >= 0 else None
        at_cursor = self.show_cursor and index == self.cursor_row
        hover = self.mouse_hover and index == self.hover_row
        marked = row is not None and row.key in self._marked_keys
        variant = (index, width, at_cursor, hover, marked)
        if len(self._drawn) > _SCREENS_DRAWN * self.size.height:
            self._drawn.clear()
        drawn = self._drawn.setdefault("" if row is None else row.key, {})
        if variant not in drawn:
            segments = self._header_segments() if row is None else self._row_segments(row, *variant[2:])
            base = self._row_style(at_cursor, hover) if row is not None else self._style("datatable--header")
            meta = Style.from_meta({"row": index, "column": 0})
            if row is not None:
                segments = [Segment(text, style + meta if style else meta) for text, style, _ in segments]
            line = Strip(segments).adjust_cell_length(max(width, self._layout_now.total), base + meta)
            drawn[variant] = line
        return drawn[variant]

    def _row_style(self, at_cursor: bool, hover: bool) -> Style:
        style = self.rich_style
        if hover:
            style += self._style("datatable--hover")
        return style + self._style("datatable--cursor") if at_cursor else style

    def _row_segments(self, row: NodeRow, at_cursor: bool, hover: bool, marked: bool) -> list[Segment]:
        base = self._row_style(at_cursor, hover)
        ground = Style(bgcolor=base.bgcolor)
        segments = [Segment(_MARK if marked else " ", base + self._style(f"{_PREFIX}marked") + ground)]
        layout = self._layout_now
        for spec, cell in zip(self._specs, self.get_row(row.key), strict=True):
            if not layout.widths[spec.key]:
                continue
            style = base + self._style(str(cell.style)) + ground if cell.style else base
            text = fitted(cell.plain, layout.widths[spec.key], spec)
            segments.append(Segment(text + " " * layout.gap, style))
        return segments

    def _header_segments(self) -> list[Segment]:
        base, layout = self._style("datatable--header"), self._layout_now
        segments = [Segment(" ", base)]
        for column, spec in enumerate(self._specs):
            if not layout.widths[spec.key]:
                continue
            label = spec.long_label if layout.long_labels else spec.label
            if spec.key == self._view.sort_column:
                label += _DOWN if self._view.descending else _UP
            style = base + Style.from_meta({"row": -1, "column": column})
            segments.append(Segment(fitted(label, layout.widths[spec.key], spec) + " " * layout.gap, style))
        return segments

    def _style(self, component: str) -> Style:
        if component not in self._component:
            self._component[component] = self.get_component_rich_style(component, partial=True)
        return self._component[component]


@lru_cache(maxsize=4096)
def _cell(text: str, style: str) -> Text:
    """A cell; one for all rows that say the same, of which there are thousands."""
    return Text(text, style=f"{_PREFIX}{style}")


def _distance_cell(value: float | None) -> Text:
    return _cell(distance(value), "dim" if value is None else "plain")


def _after_cell(row: NodeRow) -> Text:
    return _cell(node_mib(row.after), "dim" if row.after == row.size else "plain")


def _precision_cell(row: NodeRow) -> Text:
    if row.precision is None:
        return _cell("mixed", "mixed")
    return _cell(f"{row.precision.label}{RISK_MARK if row.risky else ''}", row.precision)


def _lock_cell(row: NodeRow) -> Text:
    return _cell("\u2716" if row.locked else "", "locked")
