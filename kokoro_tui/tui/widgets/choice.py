"""A row of answers of which one is chosen."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style
from rich.text import Text
from textual import events
from textual.binding import Binding
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from kokoro_tui.core.precision import Precision

_PREFIX = "choice--"


class Choice(Widget, can_focus=True):
    """One line; arrow keys and clicks choose. An answer that is a precision has its colour.

    Args:
        answers: Labels by value, in order.
        id: Of the widget.
    """

    COMPONENT_CLASSES = {f"{_PREFIX}{name}" for name in (*Precision, "other", "rest")}
    BINDINGS = [
        Binding("left", "step(-1)", "Previous", show=False),
        Binding("right", "step(1)", "Next", show=False),
    ]

    value: reactive[str] = reactive("")
    """The answer that is chosen."""

    @dataclass
    class Changed(Message):
        """Another answer is chosen."""

        value: str

    def __init__(self, answers: dict[str, str], *, id: str) -> None:
        super().__init__(id=id)
        self._answers = answers
        self.set_reactive(Choice.value, next(iter(answers)))

    def watch_value(self, value: str) -> None:
        """Tell of the choice."""
        self.post_message(self.Changed(value))

    def action_step(self, step: int) -> None:
        """Choose the next or the previous answer."""
        values = list(self._answers)
        self.value = values[(values.index(self.value) + step) % len(values)]

    def on_click(self, event: events.Click) -> None:
        """Choose the answer under the pointer."""
        value = event.style.meta.get("answer")
        if isinstance(value, str):
            self.value = value

    def render(self) -> Text:
        """All answers, the chosen one on the colour of what it stands for."""
        line = Text(no_wrap=True)
        for value, label in self._answers.items():
            chosen = value == self.value
            name = (value if value in {*Precision} else "other") if chosen else "rest"
            style = self.get_component_rich_style(f"{_PREFIX}{name}", partial=True)
            line.append(f" {label} ", style + Style(reverse=chosen) + Style.from_meta({"answer": value}))
        return line
