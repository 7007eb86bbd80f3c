"""One line over everything that offers something and is in nobody's way."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget


class Banner(Widget):
    """Hidden while it has nothing to say."""

    COMPONENT_CLASSES = {"banner--key"}

    message: reactive[tuple[tuple[str, bool], ...]] = reactive((), layout=True)
    """Pieces of text, each with whether it names a key."""

    def watch_message(self, message: tuple[tuple[str, bool], ...]) -> None:
        """Appear, or go."""
        self.set_class(bool(message), "-shown")

    def render(self) -> Text:
        """The line."""
        text = Text(no_wrap=True, overflow="ellipsis")
        for piece, is_key in self.message:
            text.append(piece, self.get_component_rich_style("banner--key", partial=True) if is_key else Style())
        return text
