"""What the screens ask of the application."""

from __future__ import annotations

from typing import Any, Protocol

from textual.binding import Binding

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.store.settings import Settings


class Host(Protocol):
    """The application, as the screens know it."""

    settings: Settings
    failed: bool
    """Whether the program ends because of a mistake of its own."""

    def remember(self, **changes: Any) -> None:
        """Keep settings for the next session."""

    def fail(self, error: KokoroTuiError) -> None:
        """End the program with an error for the caller."""

    def effective(self, binding: Binding) -> Binding:
        """A binding with the user's own key, where there is one."""
