"""One line: what happened last on the left, what the table lists on the right."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

_LEAST_GAP = 2


class StatusLine(Widget):
    """Shows a message until the next one, and a summary of the table."""

    COMPONENT_CLASSES = {"status-line--warning", "status-line--dim"}

    message: reactive[str] = reactive("")
    """What happened last."""
    warning: reactive[bool] = reactive(False)
    """Whether the message is a refusal or a problem."""
    summary: reactive[str] = reactive("")
    """What the table lists."""

    def say(self, message: str, *, warning: bool = False) -> None:
        """Show a message in place of the last one."""
        self.warning = warning
        self.message = message

    def render(self) -> Text:
        """The line; a message that needs the room goes before the summary."""
        width = self.content_size.width
        style = self.get_component_rich_style("status-line--warning", partial=True) if self.warning else ""
        line = Text(no_wrap=True).append(self.message, style)
        gap = width - cell_len(self.message) - cell_len(self.summary)
        if gap >= _LEAST_GAP or not self.message:
            line.append(" " * max(gap, 0))
            line.append(self.summary, self.get_component_rich_style("status-line--dim", partial=True))
        line.truncate(width, overflow="ellipsis")
        return line
