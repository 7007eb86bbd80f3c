"""The size bar: what the plan's file will weigh, how much that saves, and of which precisions it is made."""

from __future__ import annotations

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text
from textual.reactive import reactive
from textual.widget import Widget

from kokoro_tui.core.precision import Precision
from kokoro_tui.tui.formats import ALMOST, distance, mib, saved_percent
from kokoro_tui.tui.state import WorkState
from kokoro_tui.tui.wording import TargetNote

_PREFIX = "size-bar--"
_FULL = "\u2584"


class SizeBar(Widget):
    """Two lines: figures, and a stacked bar over the size of the source model."""

    COMPONENT_CLASSES = {
        f"{_PREFIX}{name}" for name in (*Precision, "saved", "dim", "strong", "predicted", "measured", "target")
    }

    work: reactive[WorkState | None] = reactive(None)
    target: reactive[TargetNote | None] = reactive(None)
    """What the plan brings to the chosen target."""

    @property
    def text(self) -> str:
        """The figures on show, as plain text."""
        return self._figures().plain.strip()

    def render(self) -> Text:
        """Both lines."""
        width = self.content_size.width
        figures, counts = self._figures(), self._counts()
        room = width - cell_len(figures.plain)
        line = figures
        if cell_len(counts.plain) + 2 <= room:
            line.append(" " * (room - cell_len(counts.plain)))
            line.append_text(counts)
        line.truncate(width, overflow="ellipsis")
        return Text("\n", no_wrap=True).join([line, self._bar(width)])

    def _figures(self) -> Text:
        work = self.work
        if work is None:
            return Text("")
        estimate = work.estimate
        line = Text(no_wrap=True)
        line.append(f"{mib(estimate.estimated_bytes)} MiB", self._style("strong"))
        line.append(f"  {saved_percent(estimate.saved)}", self._style("strong"))
        line.append(f"  of {mib(estimate.original_bytes)}", self._style("dim"))
        if work.measured is not None:
            line.append(f"   mel {distance(work.measured.mel_distance)} measured", self._style("measured"))
        elif work.predicted is not None:
            line.append(f"   mel {ALMOST} {distance(work.predicted.mel_distance)} predicted", self._style("predicted"))
            if work.predicted.untried:
                line.append(f" +{work.predicted.untried} untried", self._style("dim"))
        if self.target is not None:
            line.append(f"   {self.target.text}", self._style("target" if self.target.warns else "dim"))
        return line

    def _counts(self) -> Text:
        counts = Text(no_wrap=True)
        if self.work is None:
            return counts
        for precision, number in self.work.counts.items():
            style = self._style(precision if number else "dim")
            counts.append("  \u25a0 ", style)
            counts.append(f"{precision.label} {number}", self._style("dim" if not number else "plain"))
        return counts

    def _bar(self, width: int) -> Text:
        """One cell stands for the same share of the source model throughout; the rest is what is saved."""
        bar = Text(no_wrap=True)
        if self.work is None:
            return bar
        estimate = self.work.estimate
        whole = max(estimate.original_bytes, estimate.estimated_bytes, 1)
        stored = dict(estimate.stored)
        # Names, nodes and shapes belong to no precision; they are drawn with FP32, which they stay with.
        stored[Precision.FP32] += max(0, estimate.estimated_bytes - sum(stored.values()))
        end = 0.0
        drawn = 0
        for precision in reversed(Precision):
            end += stored[precision] / whole * width
            cells = round(end) - drawn
            if stored[precision] and not cells and drawn < width:
                cells = 1
            bar.append(_FULL * cells, self._style(precision))
            drawn += cells
        bar.append(_FULL * max(0, width - drawn), self._style("saved"))
        return bar

    def _style(self, name: str) -> Style:
        if name == "plain":
            return Style.null()
        return self.get_component_rich_style(f"{_PREFIX}{name}", partial=True)
