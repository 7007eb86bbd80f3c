"""The footer: the keys that are true for what has the focus, as many as fit."""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual import events
from textual.screen import Screen
from textual.widget import Widget

_ALWAYS = ("help", "app.command_palette", "command_palette")
"""Actions that stand at the right edge and are never left out."""
_MORE = "\u2026"


class KeyBar(Widget):
    """One line, drawn as one text: a widget for each key would cost the start and every change of focus 25 ms."""

    COMPONENT_CLASSES = {"key-bar--key", "key-bar--label", "key-bar--off"}

    _shown: tuple[list[Text], list[Text]] = ([], [])

    def on_mount(self) -> None:
        """Follow the focus and whatever else changes what can be done."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if screen is self.screen and self.app.app_focus:
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Do what the key under the pointer does."""
        key = event.style.meta.get("key")
        if isinstance(key, str):
            self.app.simulate_key(key)

    def render(self) -> Text:
        """Keys from the left as far as they fit, and the way to all others at the right."""
        if self.app.screen is self.screen:
            # Behind a dialog the actions of this screen cannot be asked whether they are possible.
            self._shown = self._hints()
        hints, always = self._shown
        right = Text("  ").join(always)
        room = self.content_size.width - cell_len(right.plain) - 2
        line = Text(no_wrap=True)
        for index, hint in enumerate(hints):
            length = cell_len(hint.plain) + (2 if index else 0)
            is_last = index == len(hints) - 1
            if length > room - (0 if is_last else cell_len(_MORE) + 1):
                line.append(f" {_MORE}", self._style("off"))
                break
            line.append("  " if index else "")
            line.append_text(hint)
            room -= length
        line.append(" " * max(0, self.content_size.width - cell_len(line.plain) - cell_len(right.plain)))
        return line.append_text(right)

    def _hints(self) -> tuple[list[Text], list[Text]]:
        hints: list[Text] = []
        always: list[Text] = []
        seen: set[str] = set()
        for _, binding, enabled, _ in self.screen.active_bindings.values():
            is_fixed = binding.action in _ALWAYS
            if binding.action in seen or not (binding.show or is_fixed):
                continue
            seen.add(binding.action)
            meta = Style.from_meta({"key": binding.key})
            text = Text()
            text.append(self.app.get_key_display(binding), self._style("key" if enabled else "off") + meta)
            text.append(f" {binding.description}", self._style("label" if enabled else "off") + meta)
            (always if is_fixed else hints).append(text)
        return hints, always

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"key-bar--{name}", partial=True)
