"""Choosing the audio device."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from kokoro_tui.tui.formats import printable
from kokoro_tui.tui.screens.modal import Dialog

DEFAULT = ""
"""The answer that stands for the default device."""
_CHOSEN, _OTHER = "\u25cf ", "  "


class DeviceScreen(Dialog[str]):
    """Dismisses with the name of a device, or with `DEFAULT`.

    Args:
        names: The devices there are.
        chosen: The one in use; None for the default device.
    """

    TITLE_TEXT = "Audio device"
    BINDINGS = [Binding("enter", "select", "Choose", id="device.choose", tooltip="Play through the chosen device")]

    def __init__(self, names: Sequence[str], chosen: str | None) -> None:
        super().__init__()
        self._names = tuple(names)
        self._chosen = chosen

    def contents(self) -> ComposeResult:
        """The default device, and all others by name."""
        yield Label("Remembered by its name for the next session", classes="dialog-label")
        options = [Option(self._marked("the system's default device", self._chosen is None), id="default")]
        options += [
            Option(self._marked(printable(name), name == self._chosen), id=f"device-{number}")
            for number, name in enumerate(self._names)
        ]
        yield OptionList(*options, id="device-list", markup=False, compact=True)

    def on_mount(self) -> None:
        """Choose at once."""
        devices = self.query_one(OptionList)
        devices.highlighted = self._names.index(self._chosen) + 1 if self._chosen in self._names else 0
        devices.focus()

    def action_select(self) -> None:
        """Take the highlighted device."""
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(DEFAULT if event.option_index == 0 else self._names[event.option_index - 1])

    @staticmethod
    def _marked(name: str, chosen: bool) -> str:
        return f"{_CHOSEN if chosen else _OTHER}{name}"
