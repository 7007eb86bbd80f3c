"""Shows the headless command that rebuilds the plan."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.widgets import Label, Static

from kokoro_tui.tui.formats import short_path
from kokoro_tui.tui.screens.modal import Dialog


class CommandScreen(Dialog[None]):
    """The command, which is on the clipboard already where the terminal allows it.

    Args:
        command: What to show.
        recipe_path: The recipe that it reads.
    """

    TITLE_TEXT = "Command that builds this plan"

    def __init__(self, command: str, recipe_path: Path) -> None:
        super().__init__()
        self._command = command
        self._recipe_path = recipe_path

    def contents(self) -> ComposeResult:
        """The command and where its recipe lies."""
        yield Static(self._command, id="command", markup=False)
        yield Label(
            f"copied to the clipboard, where the terminal allows it; the recipe is {short_path(self._recipe_path)}",
            markup=False,
            classes="dialog-text",
        )
