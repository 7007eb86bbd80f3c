"""What is on screen until the model is: the stage, how far it is, and how long it has taken."""

from __future__ import annotations

from time import monotonic

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from kokoro_tui.tui.formats import duration

_BAR_CELLS = 40
_FULL, _REST = "\u2501", "\u2500"


class LoadingPanel(Widget):
    """A title, a stage with its bar and the elapsed time, and which key stops it."""

    COMPONENT_CLASSES = {f"loading-panel--{name}" for name in ("title", "dim", "done", "rest")}

    title: reactive[str] = reactive("")
    stage: reactive[str] = reactive("")
    share: reactive[float | None] = reactive(None)
    """From 0 to 1; None while that is not known."""
    hint: reactive[str] = reactive("")

    def on_mount(self) -> None:
        """Count the time from now on."""
        self._started = monotonic()
        self.set_interval(1.0, self.refresh)

    def render(self) -> Text:
        """The lines, each centred by the style sheet."""
        text = Text(justify="center")
        text.append(f"{self.title}\n\n", self._style("title"))
        if self.share is not None:
            done = round(self.share * _BAR_CELLS)
            text.append(_FULL * done, self._style("done"))
            text.append(_REST * (_BAR_CELLS - done), self._style("rest"))
            text.append(f" {self.share:4.0%}\n\n")
        text.append(self.stage)
        elapsed = monotonic() - self._started
        if elapsed >= 1:
            text.append(f"  {duration(elapsed)}", self._style("dim"))
        if self.hint:
            text.append(f"\n\n{self.hint}", self._style("dim"))
        return text

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"loading-panel--{name}", partial=True)
