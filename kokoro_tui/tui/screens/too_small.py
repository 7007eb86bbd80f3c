"""Takes the screen while the terminal is too small for anything else."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Label

LEAST = Size(30, 7)
"""Smallest terminal that the table is of use in."""


def is_too_small(size: Size) -> bool:
    """Whether nothing sensible fits."""
    return size.width < LEAST.width or size.height < LEAST.height


class TooSmallScreen(ModalScreen[None]):
    """One line; it goes away by itself."""

    def on_screen_resume(self) -> None:
        """Go away where something else lay over it when the terminal grew."""
        if not is_too_small(self.app.size):
            self.dismiss()

    def compose(self) -> ComposeResult:
        """The line."""
        yield Label(f"at least {LEAST.width}\u00d7{LEAST.height} please", markup=False)
