"""What all dialogs share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from textual.app import App, ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding
from textual.containers import Vertical
from textual.events import Event, Mount
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widgets import Input

from kokoro_tui.tui.caches import forget_drawings
from kokoro_tui.tui.widgets.key_bar import KeyBar

if TYPE_CHECKING:
    _Screen = Screen[Any]
else:
    _Screen = object  # the styles of a screen come from its first base that is one

Answer = TypeVar("Answer")
LOW_LINES = 18
"""Terminals with fewer lines than this get dialogs without empty lines."""


class DismissedOnce(_Screen):
    """A screen that can be told several times to leave.

    Two clicks or keys may be on their way to it at once, and the second one must not take away what lies below. It may
    be told before it is filled, too, and while its widgets are taken away: it looks for none of them then.
    """

    @property
    def is_open(self) -> bool:
        """Whether it has not left; any thread may ask."""
        app = self.parent  # self.app would not be known in threads that are not Textual's
        return isinstance(app, App) and self in app.screen_stack

    async def on_event(self, event: Event) -> None:
        """See Textual; a screen that has left, or the program, before it was filled does not start."""
        if not isinstance(event, Mount) or (self.is_open and self.children):
            await super().on_event(event)

    def check_message_enabled(self, message: Message) -> bool:
        """See Textual; a screen that has left hears nothing more from its widgets, workers and keys."""
        return (not message.bubble or self.is_open) and super().check_message_enabled(message)

    def on_unmount(self) -> None:
        """Let go of what the widgets have drawn."""
        forget_drawings()

    def dismiss(self, result: Any = None) -> AwaitComplete:
        """Leave, with whatever lies over it; nothing happens if it has left already."""
        if not self.is_open:
            return AwaitComplete()
        while self.app.screen is not self:  # pop_until_active would do it later, and take this one away first
            self.app.screen.dismiss()
        return super().dismiss(result)


class Dialog(DismissedOnce, ModalScreen[Answer | None], Generic[Answer]):
    """A titled box over the screen; escape leaves it without an answer."""

    BINDINGS = [Binding("escape", "leave", "Close", id="dialog.close", tooltip="Leave without doing anything")]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (LOW_LINES, "-middle")]
    TITLE_TEXT = ""
    _submitted: tuple[str, ...] = ()

    def compose(self) -> ComposeResult:
        """The box with what the dialog holds, and the keys that are true in it."""
        box = Vertical(classes="dialog-box")
        box.border_title = self.TITLE_TEXT
        with box:
            yield from self.contents()
        yield KeyBar()

    def contents(self) -> ComposeResult:
        """What the box holds; every dialog says."""
        yield from ()

    def owner_changed(self) -> None:
        """What the screen below holds has changed; dialogs that show some of it draw it anew.

        The screen tells those that are open, because Textual's ``watch`` would keep every dialog that ever asked.
        """

    def submit(self) -> None:
        """What enter does in dialogs that bind it to ``submit``."""

    def action_submit(self) -> None:
        """See `submit`."""
        self.after_typing(self._submit)

    def _submit(self) -> None:
        self._submitted = self._typed
        self.submit()

    def after_typing(self, call: Callable[[], None]) -> None:
        """Call, once the field that has the focus has taken the keys before: they come in one burst over SSH."""

        def call_if_open() -> None:
            if self.is_open:  # enter may come twice
                call()

        (self.focused or self).call_later(call_if_open)

    @property
    def typed_on(self) -> bool:
        """Whether fields have changed since `submit` was called, which may be before they have told so."""
        return self._typed != self._submitted

    @property
    def _typed(self) -> tuple[str, ...]:
        return tuple(field.value for field in self.query(Input))

    def action_leave(self) -> None:
        """Leave without an answer."""
        self.dismiss(None)
