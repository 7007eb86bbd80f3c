"""One line: what can be heard, what is heard, and where in the sentence it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

if TYPE_CHECKING:
    from kokoro_tui.audio.player import PlayerState

_FULL, _REST, _HEAD = "\u2501", "\u2500", "\u25cf"
_PLAYING, _PAUSED = "\u25b6", "\u2016"
_REFRESH_SECONDS = 1 / 15
_LEAST_CELLS, _MOST_CELLS = 6, 60


class PlayLine(Widget):
    """Asks a player where it is while it plays. A click on a label chooses it, one on the line seeks.

    Args:
        id: Of the widget.
    """

    COMPONENT_CLASSES = {f"play-line--{name}" for name in ("dim", "on", "done", "rest")}

    labels: reactive[tuple[str, ...]] = reactive(())
    """What can be heard, in the order of the player's tracks."""
    played: reactive[PlayerState | None] = reactive(None)
    """What the player does; None while it holds nothing."""

    @dataclass
    class Chosen(Message):
        """Another track is to be heard."""

        which: int

    @dataclass
    class SeekAsked(Message):
        """Another place is to be heard."""

        seconds: float

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._ask: Callable[[], PlayerState] | None = None

    def on_mount(self) -> None:
        """Follow the clock only while something plays."""
        self._clock = self.set_interval(_REFRESH_SECONDS, self.look, pause=True)

    def follow(self, ask: Callable[[], PlayerState] | None) -> None:
        """Show what ``ask`` tells from now on; None shows nothing."""
        self._ask = ask
        self.look()

    def look(self) -> None:
        """Ask once, and go on asking while something plays."""
        self.played = self._ask() if self._ask is not None else None
        if self.played is not None and self.played.playing:
            self._clock.resume()
        else:
            self._clock.pause()

    def on_click(self, event: events.Click) -> None:
        """Choose a label, or seek."""
        which = event.style.meta.get("which")
        content = event.get_content_offset(self)
        if isinstance(which, int):
            self.post_message(self.Chosen(which))
        elif content is not None and self.played is not None:
            start, cells = self._line_span()
            if start <= content.x < start + cells:
                self.post_message(self.SeekAsked((content.x - start) / cells * self.played.duration_seconds))

    def render(self) -> Text:
        """The line."""
        text, played = Text(no_wrap=True), self.played
        playing = played is not None and played.playing
        text.append(f"{_PLAYING if playing else _PAUSED} ", self._style("on" if playing else "dim"))
        for index, label in enumerate(self.labels):
            heard = played is not None and index == played.which
            text.append(f" {label} ", self._style("on" if heard else "dim") + Style.from_meta({"which": index}))
        if played is None:
            return text
        _, cells = self._line_span()
        share = played.position_seconds / played.duration_seconds if played.duration_seconds else 0.0
        done = min(cells - 1, round(share * cells))
        text.append("  ").append(_FULL * done, self._style("done")).append(_HEAD, self._style("on"))
        text.append(_REST * (cells - done - 1), self._style("rest"))
        return text.append(f" {played.position_seconds:.1f} / {played.duration_seconds:.1f} s")

    def _line_span(self) -> tuple[int, int]:
        """Where the position line starts, and its length in cells."""
        start = 4 + sum(len(label) + 2 for label in self.labels)
        return start, max(_LEAST_CELLS, min(_MOST_CELLS, self.content_size.width - start - 14))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"play-line--{name}", partial=True)
