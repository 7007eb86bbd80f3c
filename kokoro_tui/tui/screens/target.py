"""Choosing the runtime that plans are checked against."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.widgets import Label, OptionList
from textual.widgets.option_list import Option

from kokoro_tui.lint.targets import TARGET_NAMES
from kokoro_tui.tui.screens.modal import Dialog

NONE = "none"
_WHAT = {
    NONE: "no warnings",
    "cpu": "onnxruntime on any computer",
    "cuda": "NVIDIA graphics cards",
    "coreml": "Macs, iPhones and iPads",
    "webgpu": "browsers and desktops with a GPU",
    "wasm": "any browser",
    "nnapi": "Android",
}


class TargetScreen(Dialog[str]):
    """Dismisses with the name of a target, or with ``none``.

    Args:
        current: The target that is chosen now; None if there is none.
    """

    TITLE_TEXT = "Where the plan is to run"

    def __init__(self, current: str | None) -> None:
        super().__init__()
        self._names = list(dict.fromkeys((NONE, *TARGET_NAMES, current or NONE)))
        self._current = current or NONE

    def contents(self) -> ComposeResult:
        """The targets, and what the choice does."""
        yield Label(
            "What has no kernel there is named while you choose precisions; `kokoro-tui lint` says the same.",
            classes="dialog-text",
            markup=False,
        )
        options = (Option(f"{name:<9} {_WHAT.get(name, '')}", id=name) for name in self._names)
        yield OptionList(*options, id="target-list", markup=False, compact=True)

    def on_mount(self) -> None:
        """Start at the present choice."""
        options = self.query_one(OptionList)
        options.highlighted = self._names.index(self._current)
        options.focus()

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)
