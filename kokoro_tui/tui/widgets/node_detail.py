"""All there is to know about the node under the cursor."""

from __future__ import annotations

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Static

from kokoro_tui.tui.describe import Part, Role

_PREFIX = "node-detail--"


class NodeDetail(VerticalScroll, can_focus=False):
    """A text of parts, each in the colour of its role."""

    COMPONENT_CLASSES = {f"{_PREFIX}{role}" for role in Role}

    def compose(self) -> ComposeResult:
        """The text."""
        yield Static(id="node-detail-text", markup=False)

    def show_parts(self, parts: tuple[Part, ...]) -> None:
        """Show another text."""
        text = Text()
        for part in parts:
            text.append(part.text, self._style(part.role))
        self.query_one(Static).update(text)
        self.scroll_home(animate=False)

    def _style(self, role: Role) -> Style:
        return self.get_component_rich_style(f"{_PREFIX}{role}", partial=True)
