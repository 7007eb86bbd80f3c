"""Lists whose options change while somebody clicks on them."""

from __future__ import annotations

from textual.command import CommandList
from textual.events import Click
from textual.widgets import OptionList


def _is_stale(options: OptionList, event: Click) -> bool:
    """Whether a click is on a line that is still painted but no longer in the list."""
    clicked: int | None = event.style.meta.get("option")
    return clicked is not None and clicked >= options.option_count


class SteadyList(OptionList):
    """A list that may be clicked on while its options change; Textual's own raises `IndexError` then."""

    async def _on_click(self, event: Click) -> None:
        if _is_stale(self, event):
            event.prevent_default()


class SteadyCommandList(CommandList):
    """The palette's list with the protection of `SteadyList`."""

    async def _on_click(self, event: Click) -> None:
        if _is_stale(self, event):
            event.prevent_default()
