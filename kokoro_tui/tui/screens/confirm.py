"""A question with named answers."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Button, Label

from kokoro_tui.tui.screens.modal import Dialog


class ConfirmScreen(Dialog[str]):
    """Asks; dismisses with the id of the chosen answer, or None.

    Args:
        question: In one sentence.
        answers: Labels by id; the first is focused.
    """

    TITLE_TEXT = "Sure?"
    BINDINGS = [
        Binding("left", "app.focus_previous", "Previous", id="confirm.previous", show=False),
        Binding("right", "app.focus_next", "Next", id="confirm.next", show=False),
    ]

    def __init__(self, question: str, answers: dict[str, str]) -> None:
        super().__init__()
        self._question = question
        self._answers = answers

    def contents(self) -> ComposeResult:
        """The question over its answers."""
        yield Label(self._question, markup=False, classes="dialog-text")
        with Horizontal(classes="dialog-buttons"):
            for index, (name, label) in enumerate(self._answers.items()):
                yield Button(label, id=name, variant="primary" if index == 0 else "default", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Give the answer."""
        self.dismiss(event.button.id)
