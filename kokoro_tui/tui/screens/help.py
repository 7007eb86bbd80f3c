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
    COMPONENT_CLASSES = {"help--title", "help--key", "help--dim"}

    def __init__(self, sections: Iterable[Section]) -> None:
        super().__init__()
        self._sections = tuple(sections)

    def contents(self) -> ComposeResult:
        """A scrolling list."""
        with VerticalScroll(id="help-scroll"):
            for section in self._sections:
                yield Label(section.title, classes="help-title")
                yield Static(self._keys(section.bindings), classes="help-keys")
            yield Label("Precisions", classes="help-title")
            yield Static(_pairs((p.label, p.describe) for p in Precision), classes="help-keys")
            yield Label(
                "ctrl+p finds every action by name; keys can be changed in the settings file", classes="help-note"
            )

    def _keys(self, bindings: tuple[Binding, ...]) -> Table:
        return _pairs((self.app.get_key_display(b), b.tooltip or b.description) for b in bindings)


def _pairs(pairs: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="bold", min_width=10)
    table.add_column()
    for left, right in pairs:
        table.add_row(Text(left), Text(right))
    return table
