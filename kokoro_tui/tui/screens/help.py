"""All keys, generated from the bindings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.widgets import Label, Static

from kokoro_tui.core.precision import Precision
from kokoro_tui.store.paths import config_path
from kokoro_tui.tui.formats import short_path
from kokoro_tui.tui.screens.modal import Dialog


@dataclass(frozen=True)
class Section:
    """Keys that hold in one place."""

    title: str
    bindings: tuple[Binding, ...]


class HelpScreen(Dialog[None]):
    """Lists sections of keys, as they are after the user's own keymap, and says what the precisions mean.

    Args:
        sections: What to list.
    """

    TITLE_TEXT = "Keys"
    COMPONENT_CLASSES = {"help--dim"}

    def __init__(self, sections: Iterable[Section]) -> None:
        super().__init__()
        self._sections = tuple(sections)

    def contents(self) -> ComposeResult:
        """A scrolling list."""
        with VerticalScroll(id="help-scroll"):
            for section in self._sections:
                yield Label(section.title, classes="help-title")
                rows = ((self.app.get_key_display(b), b.tooltip, b.id or "") for b in section.bindings)
                yield Static(self._table(rows), classes="help-keys")
            yield Label("Precisions", classes="help-title")
            yield Static(self._table((p.label, p.describe, "") for p in Precision), classes="help-keys")
            yield Label(
                "In the table, ctrl+p finds every action and every node by name. Other keys can be set by the names on "
                f'the right, as in [keys] "{self._sections[0].bindings[0].id}" = "F", in {short_path(config_path())}',
                classes="help-note",
                markup=False,
            )

    def _table(self, rows: Iterable[tuple[str, str, str]]) -> Table:
        dim = self.get_component_rich_style("help--dim", partial=True)
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(justify="right", style="bold", min_width=10)
        table.add_column(ratio=1)
        table.add_column(justify="right")
        for key, text, name in rows:
            table.add_row(Text(key), Text(text), Text(name, dim))
        return table
