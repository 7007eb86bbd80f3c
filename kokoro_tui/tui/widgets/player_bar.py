"""The player: what the last build gave, and playing it against the original."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual import events
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from kokoro_tui.tui.audition import AuditionResult
from kokoro_tui.tui.bindings import PLAYER_BINDINGS
from kokoro_tui.tui.formats import count, distance, duration, mib, short_path

if TYPE_CHECKING:
    from kokoro_tui.audio.player import PlayerState

_FULL, _REST, _HEAD = "\u2501", "\u2500", "\u25cf"
_REFRESH_SECONDS = 1 / 15


@dataclass(frozen=True)
class Building:
    """A build that is going on."""

    stage: str = "starting"
    share: float = 0.0
    """From 0 to 1."""
    started: float = field(default_factory=monotonic)
    """Clock reading in seconds."""


class PlayerBar(Widget, can_focus=True):
    """Three faces: nothing built yet, a build going on, and two renderings to be heard."""

    COMPONENT_CLASSES = {f"player-bar--{name}" for name in ("dim", "key", "on", "done", "rest", "warning")}
    BINDINGS = [*PLAYER_BINDINGS]

    building: reactive[Building | None] = reactive(None, layout=True)
    result: reactive[AuditionResult | None] = reactive(None, layout=True)
    stale: reactive[bool] = reactive(False, layout=True)
    """Whether the plan has changed since the build."""
    silence: reactive[str] = reactive("", layout=True)
    """Why nothing can be heard."""
    played: reactive[PlayerState | None] = reactive(None)
    """What the player does."""

    class SwitchAsked(Message):
        """The other rendering is to be heard."""

    class SeekAsked(Message):
        """Another place is to be heard.

        Args:
            seconds: Where to, from the start.
        """

        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.seconds = seconds

    class Left(Message):
        """The user has gone back to the table."""

    class Ticked(Message):
        """Time to ask the player where it is."""

    def on_mount(self) -> None:
        """Follow the clock only while something moves."""
        self._clock = self.set_interval(_REFRESH_SECONDS, self._tick, pause=True)

    def _tick(self) -> None:
        if self.building is not None:
            self.refresh()
        else:
            self.post_message(self.Ticked())

    def watch_building(self, building: Building | None) -> None:
        """Keep the elapsed time going."""
        self.set_class(building is not None or self.result is not None, "-busy")
        self._follow()

    def watch_played(self, played: PlayerState | None) -> None:
        """Keep the position going."""
        self._follow()

    def _follow(self) -> None:
        if self.building is not None or (self.played is not None and self.played.playing):
            self._clock.resume()
        else:
            self._clock.pause()

    # Keys and mouse

    def action_switch(self) -> None:
        """Hear the other rendering."""
        self.post_message(self.SwitchAsked())

    def action_leave(self) -> None:
        """Go back to the table."""
        self.post_message(self.Left())

    def action_escape(self) -> None:
        """Go back to the table."""
        self.action_leave()

    def action_seek(self, seconds: float) -> None:
        """Go on or back by a time span."""
        if self.played is not None:
            self.post_message(self.SeekAsked(self.played.position_seconds + seconds))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Switching and seeking need something to hear, and escape stops a build first."""
        if action in ("switch", "seek"):
            return self.result is not None and self.result.measurement is not None and self.building is None
        if action == "escape":
            return self.building is None
        return True

    def on_click(self, event: events.Click) -> None:
        """Seek with a click on the position line, switch with one on the letter."""
        content = event.get_content_offset(self)
        if content is None or content.y != 0 or self.played is None:
            return
        start, cells = self._line_span()
        if content.x < start:
            self.post_message(self.SwitchAsked())
        elif content.x < start + cells:
            self.post_message(self.SeekAsked((content.x - start) / cells * self.played.duration_seconds))

    # Drawing

    def render(self) -> Text:
        """The face of the moment."""
        if self.building is not None:
            return self._render_building(self.building)
        if self.result is None:
            text = Text().append("b", self._style("key"))
            return text.append(" builds this plan and plays it against the original", self._style("dim"))
        return self._render_result(self.result)

    def _render_building(self, building: Building) -> Text:
        elapsed = duration(monotonic() - building.started)
        tail = f" {building.share:4.0%}  {elapsed}"
        cells = max(6, self.content_size.width - len(tail))
        text = self._bar(building.share, min(cells, 40), head=False)
        text.append(tail)
        text.append(f"\n{building.stage}  ")
        text.append("esc", self._style("key"))
        return text.append(" stops it", self._style("dim"))

    def _render_result(self, result: AuditionResult) -> Text:
        lines = [
            *([self._position_line(self.played)] if self.played is not None and not self.silence else []),
            Text(self._figures(result)),
            *(Text(line, self._style("dim")) for line in _paths(result)),
        ]
        found = result.measurement
        if found is not None:
            factors = f"real-time factor A {found.reference_factor:.2f}  B {found.candidate_factor:.2f}"
            lines.append(Text(f"{factors}  voice {result.voice}", self._style("dim")))
        stale = "the plan has changed since; b builds it again" if self.stale else ""
        unpaired = "the noise could not be paired: 0.13 to 0.18 of the distance is noise"
        warnings = (stale, unpaired if found is not None and not found.paired else "", self.silence, *result.notes)
        lines += [Text(line, self._style("warning")) for line in warnings if line]
        return Text("\n").join(lines)

    def _figures(self, result: AuditionResult) -> str:
        figures = [f"{mib(result.original_bytes)} \u2192 {mib(result.final_bytes)} MiB"]
        found = result.measurement
        if found is not None:
            figures += [f"mel {distance(found.mel_distance)}", f"noise {found.added_noise_db:+.1f} dB"]
            if found.frames_moved is not None:
                figures.append(f"{count(found.frames_moved, 'frame')} moved")
        return "  ".join(figures)

    def _position_line(self, played: PlayerState) -> Text:
        start, cells = self._line_span()
        text = Text().append("\u25b6 " if played.playing else "\u2016 ", self._style("on" if played.playing else "dim"))
        for index, letter in enumerate("AB"):
            text.append(f" {letter} ", self._style("on" if index == played.which else "dim"))
        text.append(" " * (start - len(text)))
        share = played.position_seconds / played.duration_seconds if played.duration_seconds else 0.0
        text.append_text(self._bar(share, cells, head=True))
        return text.append(f" {played.position_seconds:.1f} / {played.duration_seconds:.1f} s")

    def _line_span(self) -> tuple[int, int]:
        """Where the position line starts, and its length in cells."""
        return 9, max(6, min(60, self.content_size.width - 9 - 14))

    def _bar(self, share: float, cells: int, *, head: bool) -> Text:
        done = min(cells, round(share * cells))
        text = Text().append(_FULL * done, self._style("done"))
        if head and done < cells:
            return text.append(_HEAD, self._style("on")).append(_REST * (cells - done - 1), self._style("rest"))
        return text.append(_REST * (cells - done), self._style("rest"))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"player-bar--{name}", partial=True)


def _paths(result: AuditionResult) -> list[str]:
    """Where both renderings lie; their file names say which is which."""
    return [short_path(path) for path in (result.original_wav, result.candidate_wav) if path is not None]
