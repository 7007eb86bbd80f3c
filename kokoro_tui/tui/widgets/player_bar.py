"""The player: what the last build gave, how it sounds and how it looks."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.message import Message
from textual.reactive import var
from textual.widget import Widget
from textual.widgets import Static

from kokoro_tui.tui.audition import AuditionResult
from kokoro_tui.tui.bindings import PLAYER_BINDINGS
from kokoro_tui.tui.formats import duration
from kokoro_tui.tui.widgets import player_text
from kokoro_tui.tui.widgets.sound_view import SoundView

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis
    from kokoro_tui.audio.player import PlayerState

_FULL, _REST, _HEAD = "\u2501", "\u2500", "\u25cf"
_REFRESH_SECONDS = 1 / 15
_TALL = 30
_WIDE, _LONG_TAIL, _SHORT_TAIL = 70, 32, 14


@dataclass(frozen=True)
class Building:
    """A build that is going on."""

    stage: str = "starting"
    share: float = 0.0
    """From 0 to 1."""
    started: float = field(default_factory=monotonic)
    """Clock reading in seconds."""


class PlayerBar(Widget, can_focus=True):
    """Three faces: nothing built yet, a build going on, and two renderings to be heard and seen."""

    COMPONENT_CLASSES = {f"player-bar--{name}" for name in ("dim", "key", "on", "done", "rest", "warning")}
    BINDINGS = [*PLAYER_BINDINGS]

    building: var[Building | None] = var(None)
    result: var[AuditionResult | None] = var(None)
    index: var[int] = var(0)
    """Which of the sentences is loaded."""
    analysis: var[Analysis | None] = var(None)
    """The loaded sentence; None until it is computed."""
    stale: var[bool] = var(False)
    """Whether the plan has changed since the build."""
    differs: var[str] = var("")
    """How else what is heard differs from what was chosen."""
    silence: var[str] = var("")
    """Why nothing can be heard."""
    note: var[str] = var("")
    """What else the user should know about the sound."""
    played: var[PlayerState | None] = var(None)
    """What the player does."""
    gain: var[float] = var(0.0)
    """How much the difference is raised, in dB."""

    class TrackAsked(Message):
        """Another track is to be heard.

        Args:
            which: 0 for A, 1 for B, 2 for the difference.
        """

        def __init__(self, which: int) -> None:
            super().__init__()
            self.which = which

    class StepAsked(Message):
        """A place further on, or back, is to be heard.

        Args:
            seconds: How far on.
        """

        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.seconds = seconds

    class BoundAsked(Message):
        """The place that is heard is to be an end of what is repeated.

        Args:
            is_start: Whether it is the first one.
        """

        def __init__(self, *, is_start: bool) -> None:
            super().__init__()
            self.is_start = is_start

    class SentenceAsked(Message):
        """Another sentence is to be heard.

        Args:
            index: Which one.
        """

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    class LoudnessAsked(Message):
        """Everything, or the difference, is to be louder or softer.

        Args:
            volume_db: Change of the volume in dB.
            gain_db: Change of the gain of the difference in dB.
        """

        def __init__(self, volume_db: float = 0.0, gain_db: float = 0.0) -> None:
            super().__init__()
            self.volume_db = volume_db
            self.gain_db = gain_db

    class Left(Message):
        """The user has gone back to the table."""

    class Ticked(Message):
        """Time to ask the player where it is."""

    def compose(self) -> ComposeResult:
        """Where it is, what it is, and what it looks like."""
        yield Static(id="player-position", markup=False)
        yield Static(id="player-figures", markup=False)
        yield SoundView(id="player-view")

    def on_mount(self) -> None:
        """Follow the clock only while something moves."""
        self._clock = self.set_interval(_REFRESH_SECONDS, self._tick, pause=True)
        self._show()

    @property
    def view(self) -> SoundView:
        """The picture."""
        return self.query_one(SoundView)

    @property
    def text(self) -> str:
        """The plain text on show."""
        position = self._position_text()
        return "\n".join([*([position.plain] if position is not None else []), self._figures_text().plain])

    @property
    def can_be_heard(self) -> bool:
        """Whether two renderings are loaded and no build goes on."""
        return self.analysis is not None and self.played is not None and self.building is None

    # Changes

    def _tick(self) -> None:
        if self.building is not None:
            self._show_position()
        else:
            self.post_message(self.Ticked())

    def watch_building(self, building: Building | None) -> None:
        """Keep the elapsed time going."""
        self.set_class(building is not None or self.result is not None, "-busy")
        self._follow()
        self._show()

    def watch_played(self, before: PlayerState | None, played: PlayerState | None) -> None:
        """Keep the position going."""
        self._follow()
        self._show_position()
        if played is None:
            return
        view = self.view
        view.position, view.heard = played.position_seconds, played.which
        view.loop = played.loop
        if before is None or (before.loop, before.volume) != (played.loop, played.volume):
            self._show_figures()

    def watch_analysis(self, analysis: Analysis | None) -> None:
        """Show another sentence."""
        self.view.analysis = analysis
        self._show()

    def watch_result(self) -> None:
        """Show another build."""
        self.set_class(self.building is not None or self.result is not None, "-busy")
        self._show()

    def watch_index(self) -> None:
        """Name another sentence."""
        self._show()

    def watch_stale(self) -> None:
        """Warn, or stop warning."""
        self._show_figures()

    watch_silence = watch_note = watch_gain = watch_differs = watch_stale

    def watch_has_focus(self, has_focus: bool) -> None:
        """Say more while there is room."""
        super().watch_has_focus(has_focus)
        self._show()

    def on_resize(self) -> None:
        """Fit the lines to the width."""
        self._show()

    def _follow(self) -> None:
        if self.building is not None or (self.played is not None and self.played.playing):
            self._clock.resume()
        else:
            self._clock.pause()

    # Keys and mouse

    def action_switch(self) -> None:
        """Hear the other rendering; from the difference go back to A."""
        if self.played is not None:
            self.post_message(self.TrackAsked(1 if self.played.which == 0 else 0))

    def action_difference(self) -> None:
        """Hear the difference, or A again."""
        if self.played is not None:
            self.post_message(self.TrackAsked(0 if self.played.which == 2 else 2))

    def action_leave(self) -> None:
        """Go back to the table."""
        self.post_message(self.Left())

    def action_escape(self) -> None:
        """Go back to the table."""
        self.action_leave()

    def action_seek(self, seconds: float) -> None:
        """Go on or back by a time span."""
        self.post_message(self.StepAsked(seconds))

    def action_volume(self, decibels: float) -> None:
        """Make everything louder or softer."""
        self.post_message(self.LoudnessAsked(volume_db=decibels))

    def action_gain(self, decibels: float) -> None:
        """Make the difference louder or softer."""
        self.post_message(self.LoudnessAsked(gain_db=decibels))

    def action_sentence(self, step: int) -> None:
        """Go to another sentence."""
        if self.result is not None and 0 <= self.index + step < len(self.result.clips):
            self.post_message(self.SentenceAsked(self.index + step))

    def action_loop_from(self) -> None:
        """Repeat from here to the end, or to where the loop ended."""
        self.post_message(self.BoundAsked(is_start=True))

    def action_loop_to(self) -> None:
        """Repeat up to here from the start, or from where the loop began."""
        self.post_message(self.BoundAsked(is_start=False))

    def action_unloop(self) -> None:
        """Play on to the end again."""
        self.post_message(SoundView.RepeatAsked(None))

    def action_zoom(self) -> None:
        """Show the place that is heard more closely, or all."""
        self.view.zoomed = not self.view.zoomed

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Everything but leaving needs something to hear, and escape stops a build first."""
        if action == "escape":
            return self.building is None
        if action == "sentence":
            return self.can_be_heard and self.result is not None and len(self.result.clips) > 1
        if action == "unloop":
            return self.played is not None and self.played.loop is not None
        own = ("switch", "difference", "seek", "volume", "gain", "loop_from", "loop_to", "zoom")
        return self.can_be_heard if action in own else True

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Seek on the position line, choose a track on its letter."""
        line = self.query_one("#player-position", Static)
        content = event.get_content_offset(line)
        if content is None or content.y != 0 or self.played is None or not self.can_be_heard:
            return
        start, cells = self._line_span()
        if content.x < start:
            which = event.style.meta.get("track")
            self.action_switch() if which is None else self.post_message(self.TrackAsked(which))
        elif content.x < start + cells:
            seconds = (content.x - start) / cells * self.played.duration_seconds
            self.post_message(SoundView.SeekAsked(seconds))

    # Drawing

    def _show(self) -> None:
        """Both the line that moves and the lines that do not."""
        self._show_position()
        self._show_figures()

    def _show_position(self) -> None:
        line = self.query_one("#player-position", Static)
        text = self._position_text()
        line.display = text is not None
        if text is not None:
            line.update(text, layout=False)

    def _show_figures(self) -> None:
        self.query_one("#player-figures", Static).update(self._figures_text())
        self.view.set_class(self.analysis is not None and self.building is None, "-drawn")

    def _position_text(self) -> Text | None:
        if self.building is not None:
            return self._building_line(self.building)
        if self.played is None or self.result is None:
            return None
        return self._position_line(self.played)

    def _figures_text(self) -> Text:
        if self.building is not None:
            text = Text(f"{self.building.stage}  ").append("esc", self._style("key"))
            return text.append(" stops it", self._style("dim"))
        if self.result is None:
            text = Text().append("b", self._style("key"))
            return text.append(" builds this plan and plays it against the original", self._style("dim"))
        return self._result_lines(self.result)

    def _building_line(self, building: Building) -> Text:
        tail = f" {building.share:4.0%}  {duration(monotonic() - building.started)}"
        cells = max(6, self.content_size.width - len(tail))
        return self._bar(building.share, min(cells, 40), head=False).append(tail)

    def _result_lines(self, result: AuditionResult) -> Text:
        lines = [player_text.figures(result, self.index)]
        if self.has_focus and self.analysis is not None:
            lines.append(player_text.sentence(result, self.index))
            lines.append(player_text.hearing(self.analysis, self.played, self.gain))
            lines += [player_text.folder(result, self.index)] if self.size.height >= _TALL else []
        else:
            lines += player_text.files(result, self.index) if self.silence or self.analysis is None else []
            lines += player_text.times(result, self.index)
        texts = [Text(line, self._style("dim") if number else "") for number, line in enumerate(lines)]
        if self.has_focus:
            # Here every line below this one costs the picture one.
            for text in texts:
                text.truncate(max(1, self.content_size.width), overflow="ellipsis")
        texts += [Text(line, self._style("warning")) for line in self._warnings(result) if line]
        return Text("\n").join(texts)

    def _warnings(self, result: AuditionResult) -> tuple[str, ...]:
        found = result.figures
        unpaired = found is not None and not found.paired
        return (
            "the plan has changed since; b builds it again" if self.stale else "",
            self.differs,
            "the noise could not be paired: 0.13 to 0.18 of the distance is noise" if unpaired else "",
            self.silence,
            self.note,
            *result.notes,
        )

    def _position_line(self, played: PlayerState) -> Text:
        start, cells = self._line_span()
        text = Text(no_wrap=True)
        text.append("\u25b6 " if played.playing else "\u2016 ", self._style("on" if played.playing else "dim"))
        for index, name in enumerate(player_text.TRACKS):
            style = self._style("on" if index == played.which else "dim") + Style.from_meta({"track": index})
            text.append(f" {name} ", style)
        text.append(" " * (start - len(text)))
        share = played.position_seconds / played.duration_seconds if played.duration_seconds else 0.0
        text.append_text(self._bar(share, cells, head=True))
        text.append(f" {played.position_seconds:.1f} / {played.duration_seconds:.1f} s")
        token = self.analysis.token_at(played.position_seconds) if self.analysis is not None else None
        if token is not None and token.symbol.strip() and self._is_wide:
            text.append(f"  {player_text.phoneme(token)}", self._style("warning" if token.moved else "dim"))
        return text

    def _line_span(self) -> tuple[int, int]:
        """Where the position line starts, and its length in cells."""
        tail = _LONG_TAIL if self._is_wide else _SHORT_TAIL
        return 14, max(6, min(60, self.content_size.width - 14 - tail))

    @property
    def _is_wide(self) -> bool:
        """Whether there is room for the phoneme behind the position."""
        return self.content_size.width >= _WIDE

    def _bar(self, share: float, cells: int, *, head: bool) -> Text:
        done = min(cells, round(share * cells))
        text = Text().append(_FULL * done, self._style("done"))
        if head and done < cells:
            return text.append(_HEAD, self._style("on")).append(_REST * (cells - done - 1), self._style("rest"))
        return text.append(_REST * (cells - done), self._style("rest"))

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"player-bar--{name}", partial=True)
