"""Two renderings to look at: waveforms, spectrograms, their difference and the phonemes, over one time axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from kokoro_tui.tui.time_axis import Span, column_of, seconds_of

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis
    from kokoro_tui.tui.sound_picture import Line

GUTTER = 5
"""Columns at the left that say what a line shows."""
ZOOM_SECONDS = 1.5
"""What is on show when zoomed in."""
_HEAD = "\u2502"
_TOO_FEW_COLOURS = ("standard", "windows")
_LABELS = {"wave a": "A", "wave b": "B", "mel a": "A", "mel b": "B", "difference": "B\u2212A", "strip": "diff"}
_LABELS |= {"frames a": "A", "frames b": "B"}
_HEARD = {"wave a": 0, "wave b": 1, "mel a": 0, "mel b": 1, "difference": 2}


class SoundView(Widget):
    """Draws once; a moving playhead repaints two columns."""

    COMPONENT_CLASSES = {
        f"sound-view--{name}"
        for name in ("dim", "on", "wave-a", "wave-b", "head", "loop", "small", "large", "worst", "moved", "plain")
    }

    analysis: reactive[Analysis | None] = reactive(None)
    position: reactive[float] = reactive(0.0, repaint=False)
    """Seconds on the original's time axis."""
    heard: reactive[int] = reactive(0)
    """0 for A, 1 for B, 2 for the difference."""
    loop: reactive[Span | None] = reactive(None)
    zoomed: reactive[bool] = reactive(False)

    class SeekAsked(Message):
        """Another place is to be heard.

        Args:
            seconds: Where to, from the start.
        """

        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.seconds = seconds

    class RepeatAsked(Message):
        """A stretch is to be heard over and over.

        Args:
            span: Its start and end in seconds; None to play on to the end again.
        """

        def __init__(self, span: Span | None) -> None:
            super().__init__()
            self.span = span

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] | None = None
        self._span: Span = (0.0, 1.0)
        self._drag: tuple[int, int] | None = None

    @property
    def span(self) -> Span:
        """Start and end in seconds of what is on show."""
        return self._span

    # Changes

    def watch_analysis(self) -> None:
        """Show other renderings from their start."""
        self.zoomed = False
        self._turn_to(0.0)

    def watch_zoomed(self) -> None:
        """Show all, or the place that is heard."""
        self._turn_to(self.position)

    def watch_loop(self) -> None:
        """Mark what is repeated."""
        self._redraw()

    def watch_position(self, before: float, after: float) -> None:
        """Move the playhead, and turn the page with it."""
        if self.zoomed and not self._span[0] <= after < self._span[1]:
            self._turn_to(after)
            return
        columns = {column_of(place, self._span, self._columns) for place in (before, after)}
        if len(columns) > 1:
            height = self.size.height
            self.refresh(*(Region(GUTTER + column, 0, 1, height) for column in columns if column is not None))

    def notify_style_update(self) -> None:
        """Draw anew in the colours of another theme."""
        super().notify_style_update()
        self._lines = None

    def on_resize(self, event: events.Resize) -> None:
        """Draw anew."""
        self._redraw()

    def _turn_to(self, seconds: float) -> None:
        if self.analysis is None:
            return
        whole = self.analysis.seconds
        if self.zoomed:
            start = min(max(0.0, seconds - 0.25 * ZOOM_SECONDS), max(0.0, whole - ZOOM_SECONDS))
            self._span = (start, min(whole, start + ZOOM_SECONDS))
        else:
            self._span = (0.0, whole)
        self._redraw()

    def _redraw(self) -> None:
        self._lines = None
        self.refresh()

    # Mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Go to a place, or begin to select a stretch."""
        if self.analysis is None:
            return
        column = event.x - GUTTER
        self.post_message(self.SeekAsked(self._seconds(column)))
        # A view that is about to grow under the pointer is nothing to drag over.
        if self.has_class("-grown"):
            self._drag = (column, column)
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Select."""
        if self._drag is not None:
            self._drag = (self._drag[0], event.x - GUTTER)
            if self._has_dragged:
                self.loop = self._dragged

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Repeat what was selected."""
        if self._drag is not None:
            self.release_mouse()
            if self._has_dragged:
                self.post_message(self.RepeatAsked(self._dragged))
            self._drag = None

    @property
    def _has_dragged(self) -> bool:
        return self._drag is not None and abs(self._drag[1] - self._drag[0]) > 1

    @property
    def _dragged(self) -> Span:
        assert self._drag is not None
        return self._seconds(min(self._drag)), self._seconds(max(self._drag))

    def _seconds(self, column: int) -> float:
        return seconds_of(column, self._span, self._columns)

    # Drawing

    @property
    def _columns(self) -> int:
        return max(1, self.size.width - GUTTER)

    def render_line(self, y: int) -> Strip:
        """One line: what it shows, the picture, and the playhead over it."""
        if self._lines is None:
            self._lines = self._draw()
        if y >= len(self._lines):
            return Strip.blank(self.size.width, self.rich_style)
        line = self._lines[y]
        strip = line.strip
        head = column_of(self.position, self._span, self._columns)
        if head is not None and line.has_head:
            playhead = Strip([Segment(_HEAD, self._style("head"))])
            strip = Strip.join([strip.crop(0, head), playhead, strip.crop(head + 1)])
        label = _LABELS.get(line.part, "") if line.is_first else ""
        style = self._style("on" if _HEARD.get(line.part) == self.heard else "dim")
        whole = Strip.join([Strip([Segment(f"{label:<{GUTTER}}", style)]), strip])
        return whole.apply_style(Style(bgcolor=self.rich_style.bgcolor))

    def _draw(self) -> list[Line]:
        if self.analysis is None or self.size.width <= GUTTER:
            return []
        # numpy loads only once there is something to draw.
        from kokoro_tui.tui.sound_picture import Palette, SoundPicture

        colours = not self.app.no_color and self.app.console.color_system not in _TOO_FEW_COLOURS
        palette = Palette.of_theme(self.background_colors[1], dark=self.app.current_theme.dark, colours=colours)
        picture = SoundPicture(self.analysis, self._span, self.loop, self._columns, palette, self._style)
        return picture.lines(self.size.height)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"sound-view--{name}", partial=True)
