"""Choosing the sentence and the voice of the audition."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label

from kokoro_tui.tui.audition import Speech
from kokoro_tui.tui.screens.modal import Dialog


class SpeechScreen(Dialog[Speech]):
    """Dismisses with the text and voice, or None.

    Args:
        speech: What to start with.
        voices: Names to suggest.
    """

    TITLE_TEXT = "Text and voice"
    BINDINGS = [Binding("enter", "submit", "Take", id="speech.take", tooltip="Use them from now on", priority=True)]

    def __init__(self, speech: Speech, voices: tuple[str, ...]) -> None:
        super().__init__()
        self._speech = speech
        self._voices = voices

    def contents(self) -> ComposeResult:
        """A line for each."""
        yield Label("Text", classes="dialog-label")
        yield Input(self._speech.text, id="speech-text", compact=True, select_on_focus=False)
        yield Label("Voice (a name or a file; empty for the default)", classes="dialog-label")
        yield Input(
            self._speech.voice or "",
            id="speech-voice",
            compact=True,
            placeholder=", ".join(self._voices[:6]),
            suggester=SuggestFromList(self._voices),
        )

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one("#speech-text", Input).focus()

    def action_submit(self) -> None:
        """Give both; an empty text is not taken."""
        text = self.query_one("#speech-text", Input).value.strip()
        voice = self.query_one("#speech-voice", Input).value.strip()
        if text:
            self.dismiss(Speech(text, voice or None))
        else:
            self.app.bell()
