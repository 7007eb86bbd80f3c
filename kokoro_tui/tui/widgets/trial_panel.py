"""The trials panel: which trial table is loaded, and how a run of trials goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from kokoro_tui.core.trials import TrialStatus
from kokoro_tui.tui.formats import count, distance, duration, printable

if TYPE_CHECKING:
    from kokoro_tui.core.trials import TrialRow, TrialTable
    from kokoro_tui.trials.run import TrialProgress

_FULL, _EMPTY = "\u2501", "\u2500"
_LEAST_NAME = 10


@dataclass(frozen=True)
class TrialsView:
    """The table that is loaded."""

    path: Path | None = None
    """None if there is none."""
    measured: int = 0
    """Trials in it that gave a figure."""
    passed_over: int = 0
    """Trials in it that were skipped or failed."""
    notes: tuple[str, ...] = ()
    writer: str = ""
    """Which other process writes it, in one phrase; empty if none does."""


def trials_view(path: Path, table: TrialTable, notes: tuple[str, ...] = (), writer: str = "") -> TrialsView:
    """What is shown of a table."""
    measured = sum(row.status is TrialStatus.OK for row in table.rows.values())
    return TrialsView(path, measured, len(table.rows) - measured, notes, writer)


@dataclass(frozen=True)
class RunningTrials:
    """A run that goes on."""

    stage: str = ""
    """What is prepared; empty once trials run."""
    share: float = 0.0
    """Of the preparation, from 0 to 1."""
    progress: TrialProgress | None = None
    noise_floor: float = 0.0
    """Distance of the reference to itself; anything but 0 is in every figure."""
    worst: tuple[TrialRow, ...] = ()
    """The rows of the largest distances so far."""


class TrialPanel(Widget):
    """A few lines about the trial table, or about the run that fills it."""

    COMPONENT_CLASSES = {"trial-panel--dim", "trial-panel--key", "trial-panel--bar", "trial-panel--warning"}

    view: reactive[TrialsView] = reactive(TrialsView(), layout=True)
    running: reactive[RunningTrials | None] = reactive(None, layout=True)

    def render(self) -> Text:
        """The lines."""
        return self._loaded() if self.running is None else self._going(self.running)

    def _style(self, name: str) -> Style:
        return self.get_component_rich_style(f"trial-panel--{name}", partial=True)

    def _loaded(self) -> Text:
        view, text = self.view, Text()
        if view.path is None:
            text.append("no trials yet; ", self._style("dim"))
            text.append("t", self._style("key"))
            text.append(" runs them", self._style("dim"))
            return text
        text.append(printable(view.path.name))
        text.append(f"  {count(view.measured, 'figure')}", self._style("dim"))
        if view.passed_over:
            text.append(f", {view.passed_over:,} skipped or failed", self._style("dim"))
        if view.writer:
            text.append(f"\n{view.writer}", self._style("warning"))
        for note in view.notes:
            text.append(f"\n{printable(note)}", self._style("dim"))
        return text

    def _going(self, running: RunningTrials) -> Text:
        text, progress = Text(no_wrap=True, overflow="ellipsis"), running.progress
        if progress is None or running.stage == "stopping":
            text.append(f"{running.stage}\n")
            text.append_text(self._bar(running.share))
            return text
        head = f"{progress.finished:,} of {progress.total:,}"
        if progress.failed:
            head += f", {progress.failed:,} failed"
        text.append("paused  " if progress.paused else "")
        text.append(head)
        if progress.seconds_left is not None and not progress.paused:
            text.append(f"  {duration(progress.seconds_left)} left", self._style("dim"))
        text.append("\n")
        text.append_text(self._bar(progress.finished / max(1, progress.total)))
        if running.noise_floor:
            text.append(f"\nnoise floor {running.noise_floor:.4f}", self._style("warning"))
        for trial in progress.running[:1]:
            text.append(
                f"\n{trial.kind.value} {self._short(trial.keys[0], 1 + len(trial.kind.value))}", self._style("dim")
            )
        for row in running.worst:
            figure = f"{distance(row.mel_distance)} {row.kind.value:<6} "
            text.append(f"\n{figure}")
            text.append(self._short(row.name, len(figure)), self._style("dim"))
        return text

    def _bar(self, share: float) -> Text:
        width = max(8, self.content_size.width or 30)
        full = round(width * min(1.0, max(0.0, share)))
        bar = Text(_FULL * full, self._style("bar"))
        bar.append(_EMPTY * (width - full), self._style("dim"))
        return bar

    def _short(self, name: str, taken: int) -> str:
        """The telling end of a node name, in the cells that a line has left."""
        shown = printable(name)
        room = max(_LEAST_NAME, self.content_size.width - taken)
        return shown if len(shown) <= room else f"\u2026{shown[1 - room :]}"
