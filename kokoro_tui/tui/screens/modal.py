"""What all dialogs share."""

from __future__ import annotations

from typing import Generic, TypeVar

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen

from kokoro_tui.tui.widgets.key_bar import KeyBar

Answer = TypeVar("Answer")
LOW_LINES = 18
"""Terminals with fewer lines than this get dialogs without empty lines."""


class Dialog(ModalScreen[Answer | None], Generic[Answer]):
    """A titled box over the screen; escape leaves it without an answer."""

    BINDINGS = [Binding("escape", "leave", "Close", id="dialog.close", tooltip="Leave without doing anything")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW_LINES, "-middle")]
    TITLE_TEXT = ""

    def compose(self) -> ComposeResult:
        """The box with what the dialog holds, and the keys that are true in it."""
        box = Vertical(classes="dialog-box")
        box.border_title = self.TITLE_TEXT
        with box:
            yield from self.contents()
        yield KeyBar()

    def contents(self) -> ComposeResult:
        """What the box holds; every dialog says."""
        yield from ()

    def action_leave(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)
