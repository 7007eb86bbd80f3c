"""The last screen of a program that has failed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Label

from kokoro_tui.tui.screens.modal import Dialog


class FailureScreen(Dialog[str]):
    """Says what has happened and where everything is; any way out of it ends the program.

    Args:
        what: The failure in one line.
        log: Where its traceback is.
        journal: Where the session is kept; empty if it has none.
    """

    TITLE_TEXT = "kokoro-tui has failed"
    BINDINGS = [Binding("enter,q", "leave", "End", id="failure.end", tooltip="End the program")]

    def __init__(self, what: str, log: str, journal: str) -> None:
        super().__init__()
        self._what = what
        self._log = log
        self._journal = journal

    def contents(self) -> ComposeResult:
        """What happened, the log, and what is saved."""
        kept = f"Your plan is kept in {self._journal}\nThe next start offers it again." if self._journal else ""
        told = (self._what, f"The log has the details: {self._log}", kept, "enter ends the program.")
        for line in filter(None, told):
            yield Label(line, markup=False, classes="dialog-text")
