"""The filter: a regular expression that decides, while it is typed, which rows are listed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label


class FilterInput(Input):
    """The pattern; enter and the arrow keys go back to the table, escape clears the pattern."""

    BINDINGS = [
        Binding("enter,down", "keep", "Keep filter", id="filter.keep", tooltip="Go to the rows that are listed"),
        Binding("escape", "drop", "Clear filter", id="filter.clear", tooltip="List all rows again"),
    ]

    class Left(Message):
        """The user has gone back to the table."""

    def action_keep(self) -> None:
        """Go back to the table."""
        self.post_message(self.Left())

    def action_drop(self) -> None:
        """Clear the pattern and go back to the table."""
        self.value = ""
        self.post_message(self.Left())


class FilterBar(Horizontal):
    """The pattern with the number of rows that it leaves, or with what is wrong with it."""

    def compose(self) -> ComposeResult:
        """A slash, the input and a note."""
        yield Label("/", id="filter-slash")
        yield FilterInput(id="filter", placeholder="regex, as you type", compact=True, select_on_focus=False)
        yield Label("", id="filter-note", markup=False)

    def open(self) -> None:
        """Show the bar and type into it."""
        self.add_class("-open")
        self.query_one(FilterInput).focus()

    def close_if_empty(self) -> None:
        """Hide the bar unless it filters something."""
        self.set_class(bool(self.query_one(FilterInput).value), "-open")

    def note(self, text: str, *, wrong: bool = False) -> None:
        """Say how many rows are left, or what is wrong with the pattern."""
        label = self.query_one("#filter-note", Label)
        label.update(text)
        self.set_class(wrong, "-wrong")
