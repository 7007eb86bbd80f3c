"""The command palette: a few letters of what is wanted, and enter."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from kokoro_tui.tui.formats import printable
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.widgets.steady_list import SteadyList

if TYPE_CHECKING:
    from kokoro_tui.tui.commands import Command

_PAGE = 10
_TITLE_CELLS = 22


class PaletteScreen(Dialog["Command"]):
    """Dismisses with the command that was chosen.

    Textual has a palette, too. It looks for commands in workers and timers that fail when the palette is closed
    meanwhile, and reads what it lists as markup, which names of nodes must not be.

    Args:
        find: Gives the commands for what is typed, the best first.
        placeholder: What is to be typed.
    """

    TITLE_TEXT = "Commands"
    BINDINGS = [
        Binding("enter", "submit", "Run", id="palette.run", tooltip="Run the command", priority=True),
        Binding("down", "move(1)", "Next", id="palette.next", priority=True),
        Binding("up", "move(-1)", "Previous", id="palette.previous", priority=True),
        Binding("pagedown", f"move({_PAGE})", "Page down", id="palette.down", show=False, priority=True),
        Binding("pageup", f"move(-{_PAGE})", "Page up", id="palette.up", show=False, priority=True),
    ]

    def __init__(self, find: Callable[[str], list[Command]], placeholder: str) -> None:
        super().__init__()
        self._find = find
        self._placeholder = placeholder
        self._shown: str | None = None

    def contents(self) -> ComposeResult:
        """What is typed, and what is found."""
        yield Input(placeholder=self._placeholder, id="palette-input", compact=True)
        found = SteadyList(id="palette-list", compact=True)
        found.can_focus = False
        yield found
        yield Label("Nothing is called that.", id="palette-note", classes="dialog-text")

    def on_mount(self) -> None:
        """List what there is."""
        self.query_one(Input).focus()
        self._show()

    @on(Input.Changed)
    def _show(self) -> None:
        typed = self.query_one(Input).value.strip()
        if typed == self._shown:
            return
        self._shown = typed
        found = self._find(typed)
        options = self.query_one(SteadyList)
        options.set_options(map(_Line, found))
        options.highlighted = 0 if found else None
        options.display = bool(found)
        self.query_one("#palette-note").display = not found

    def action_move(self, lines: int) -> None:
        """Go down or up in the list, as far as it goes."""
        options = self.query_one(SteadyList)
        if options.highlighted is not None:
            options.highlighted = min(max(options.highlighted + lines, 0), options.option_count - 1)

    def submit(self) -> None:
        """Run what is highlighted."""
        self._show()  # enter may come before the news of the last letters
        line = self.query_one(SteadyList).highlighted_option
        if line is not None:
            self._run(line)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self._run(event.option)

    def _run(self, line: Option) -> None:
        assert isinstance(line, _Line)
        self.dismiss(line.command)


class _Line(Option):
    """A command in the list: its name and, dimmed, what it does."""

    def __init__(self, command: Command) -> None:
        title, what = printable(command.title), printable(command.help)
        super().__init__(Content.assemble(f"{title:<{_TITLE_CELLS}}", (what, "dim")) if what else Content(title))
        self.command = command
