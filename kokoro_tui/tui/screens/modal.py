"""What all dialogs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.command import CommandList, CommandPalette
from textual.containers import Vertical
from textual.events import Mount
from textual.screen import ModalScreen, Screen

from kokoro_tui.tui.widgets.key_bar import KeyBar
from kokoro_tui.tui.widgets.steady_list import SteadyCommandList

if TYPE_CHECKING:
    _Screen = Screen[Any]
else:
    _Screen = object  # the styles of a screen come from its first base that is one

Answer = TypeVar("Answer")
LOW_LINES = 18
"""Terminals with fewer lines than this get dialogs without empty lines."""


class DismissedOnce(_Screen):
    """A screen that can be told several times to leave.

    Two clicks or keys may be on their way to it at once, and the second one must not take away what lies below.
    """

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Leave, with whatever lies over it; nothing happens if it has left already."""
        if self not in self.app.screen_stack:
            return AwaitComplete()
        while self.app.screen is not self:  # pop_until_active would do it later, and take this one away first
            self.app.screen.dismiss()
        return super().dismiss(result)


class Palette(DismissedOnce, CommandPalette):
    """Textual's palette of commands."""

    def _on_mount(self, event: Mount) -> None:
        """Look for commands, unless the dialog below has left meanwhile and taken this one along."""
        if self not in self.app.screen_stack:
            event.prevent_default()  # Textual's own handler takes for granted that a screen lies below

    def compose(self) -> ComposeResult:
        """Textual's widgets, with a list that may be clicked on while somebody types."""
        for widget in super().compose():
            yield SteadyCommandList() if isinstance(widget, CommandList) else widget

    def _action_command_list(self, action: str) -> None:
        """Move in the list once it is laid out; Textual takes for granted that it has a line to go from."""
        if self.query_one(CommandList).scrollable_content_region.area:
            super()._action_command_list(action)


class Dialog(DismissedOnce, ModalScreen[Answer | None], Generic[Answer]):
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

    def submit(self) -> None:
        """What enter does in dialogs that bind it to ``submit``."""

    def action_submit(self) -> None:
        """Submit, once the field that has the focus has taken the keys before: they come in one burst over SSH."""
        (self.focused or self).call_later(self.submit)

    def action_leave(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)
