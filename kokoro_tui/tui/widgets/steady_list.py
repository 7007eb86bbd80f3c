"""A list whose options change while somebody clicks on them."""

from __future__ import annotations

from textual.events import Click
from textual.widgets import OptionList


class SteadyList(OptionList):
    """A list that may be clicked on while its options change; Textual's own raises `IndexError` then."""

    async def _on_click(self, event: Click) -> None:
        """Ignore a click on a line that is still painted but no longer in the list."""
        clicked: int | None = event.style.meta.get("option")
        if clicked is not None and clicked >= self.option_count:
            event.prevent_default()
