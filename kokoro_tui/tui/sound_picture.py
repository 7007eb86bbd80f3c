"""The lines that show two renderings: which parts there is room for, and what each looks like."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.cells import cell_len
from rich.style import Style
from textual.color import Color
from textual.strip import Strip

from kokoro_tui.tui.drawing import Cell, Ramp, bars, heat_map, shade_map, strip_of
from kokoro_tui.tui.time_axis import Span, column_of

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis, Token

DYNAMIC_RANGE_DB = 60.0
"""Between the loudest cell of a spectrogram and the darkest colour."""
DIFFERENCE_DB = 15.0
"""Difference of level at which its colour is full."""
_LARGE = 0.8
"""Share of the largest difference from which on a difference counts as large."""
_DIFFERENCE_POWER = 0.7
"""Less than 1, so that small differences show."""
STRIP_DB = 3.0
"""Least difference at which the strip is full; larger ones fill it where they are largest."""

TOKEN_PARTS = frozenset({"symbols", "frames a", "frames b"})
"""Parts that need durations."""
_LEAST_LINES = (
    (("strip",), 1), (("wave a", "wave b"), 1), (("difference",), 2), (("ruler",), 1), (("mel a", "mel b"), 2),
    (("symbols",), 1), (("frames a", "frames b"), 1),
)  # fmt: skip
"""What is shown first where there is little room, with its least height; what belongs together comes together."""
_FROM_ABOVE = (
    "ruler", "wave a", "wave b", "mel a", "mel b", "difference", "strip", "symbols", "frames a", "frames b",
)  # fmt: skip
_GROWING = ((("difference",), 12), (("mel a", "mel b"), 10), (("wave a", "wave b"), 4), (("strip",), 2))
"""What grows with the height, up to how many lines each."""
_SHARE = {"wave a": 2, "strip": 4}
"""How many lines of a spectrogram one line of these is worth."""
_TICK_SECONDS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 600)
_TICK_COLUMNS = 7


_ON_DARK = ("#3a2a6a", "#8c3a86", "#e2605c", "#f9b65c", "#fdf4c4")
_ON_LIGHT = ("#b7cdec", "#5c8fd0", "#3a4fa0", "#221b52")
"""From quiet to loud."""
_CHANGE_ON_DARK = ("#5aa9ff", "#ff8f4a")
_CHANGE_ON_LIGHT = ("#1f5fc4", "#c2500a")
"""Less energy, and more."""


@dataclass(frozen=True)
class Palette:
    """The colours of one theme."""

    level: Ramp
    """Of spectrograms, from quiet to loud."""
    change: Ramp
    """Of differences, from less energy over none to more."""
    colours: bool
    """Whether the terminal shows colours well enough for two pixels a cell."""

    @classmethod
    def of_theme(cls, background: Color, *, dark: bool, colours: bool) -> Palette:
        """Colours whose brightness rises, or falls on light ground, so that they can be told apart without hue too."""
        above = (
            ("#3a2a6a", "#8c3a86", "#e2605c", "#f9b65c", "#fdf4c4")
            if dark
            else ("#b7cdec", "#5c8fd0", "#3a4fa0", "#221b52")
        )
        less, more = ("#5aa9ff", "#ff8f4a") if dark else ("#1f5fc4", "#c2500a")
        return cls(
            Ramp.through(background, *map(Color.parse, above)),
            Ramp.through(Color.parse(less), background, Color.parse(more), steps=33),
            colours,
        )


@dataclass(frozen=True)
class Line:
    """One line of the picture."""

    part: str
    is_first: bool
    """Whether it is the uppermost of its part."""
    has_head: bool
    """Whether the playhead passes over it."""
    strip: Strip


@dataclass(frozen=True)
class SoundPicture:
    """A stretch of two renderings in a grid of cells."""

    analysis: Analysis
    span: Span
    """Start and end in seconds of what is on show."""
    loop: Span | None
    """What is repeated."""
    columns: int
    palette: Palette
    style: Callable[[str], Style]
    """Styles by name."""

    def column(self, seconds: float) -> int | None:
        """Where a place is on show; None if it is not."""
        return column_of(seconds, self.span, self.columns)

    def lines(self, height: int) -> list[Line]:
        """All there is room for."""
        heights = allocate(height, with_tokens=bool(self.analysis.tokens))
        return [
            Line(part, index == 0, part not in TOKEN_PARTS, strip)
            for part in _FROM_ABOVE
            if part in heights
            for index, strip in enumerate(self._part(part, heights[part]))
        ]

    def _part(self, part: str, lines: int) -> list[Strip]:
        kind, _, which = part.partition(" ")
        if kind == "wave":
            return self._wave("ab".index(which), lines)
        if kind == "mel":
            return self._levels(which, lines)
        if part == "difference":
            return self._difference(lines)
        if part == "strip":
            return self._strip(lines)
        return [self._ruler() if part == "ruler" else self._tokens(part)]

    def _wave(self, which: int, lines: int) -> list[Strip]:
        tracks = self.analysis.tracks
        loudest = max(float(np.abs(track).max()) for track in (tracks.a, tracks.b)) or 1.0
        peaks = self.analysis.peaks(which, self.span, self.columns) / loudest
        return bars(_visible(peaks), lines, [self.style(("wave-a", "wave-b")[which])] * self.columns)

    def _levels(self, which: str, lines: int) -> list[Strip]:
        levels = self.analysis.image(which, self.span, 2 * lines, self.columns)
        values = 1.0 + (levels - float(self.analysis.levels_a.max())) / DYNAMIC_RANGE_DB
        return heat_map(values, self.palette.level) if self.palette.colours else shade_map(values, self.style("plain"))

    def _difference(self, lines: int) -> list[Strip]:
        levels = self.analysis.image("difference", self.span, 2 * lines, self.columns) / DIFFERENCE_DB
        values = np.sign(levels) * np.abs(levels) ** _DIFFERENCE_POWER
        if self.palette.colours:
            return heat_map(0.5 + 0.5 * values, self.palette.change)
        return shade_map(np.abs(levels), self.style("plain"))

    def _strip(self, lines: int) -> list[Strip]:
        """How large the difference is, and the half second where it is largest."""
        full = max(float(self.analysis.curve.max()), STRIP_DB)
        values = self.analysis.strip(self.span, self.columns) / full
        styles = [self.style("large" if value >= _LARGE else "small") for value in values]
        for column in self._covered(self.analysis.worst):
            styles[column] = self.style("worst")
        return bars(_visible(values), lines, styles)

    def _ruler(self) -> Strip:
        """Seconds, and what is repeated."""
        dim, loop = self.style("dim"), self.style("loop")
        cells: list[Cell] = [(" ", dim)] * self.columns
        start, end = self.span
        step = next(
            s for s in _TICK_SECONDS if s * self.columns > _TICK_COLUMNS * (end - start) or s == _TICK_SECONDS[-1]
        )
        for number in range(int(np.ceil(start / step)), int(end / step) + 1):
            column = self.column(number * step)
            text = f"\u2575{number * step:g}"
            if column is not None and column + len(text) <= self.columns:
                cells[column : column + len(text)] = [(character, dim) for character in text]
        for column in self._covered(self.loop):
            cells[column] = (cells[column][0] if cells[column][0] != " " else "\u2501", loop)
        return strip_of(cells)

    def _tokens(self, part: str) -> Strip:
        """Phonemes, or their durations in A or B; those that have moved come first where there is little room."""
        plain = self.style("plain" if part == "symbols" else "dim")
        cells: list[Cell] = [(" ", plain)] * self.columns
        taken = np.zeros(self.columns + 2, dtype=bool)
        # A figure needs a space to the next one, or two of them would read as one.
        gap = 0 if part == "symbols" else 1
        for token in sorted(self.analysis.tokens, key=lambda token: not token.moved):
            text, column = _text(token, part), self.column(token.start_seconds)
            end = (column or 0) + len(text)
            if (
                column is None
                or not text.strip()
                or end > self.columns
                or taken[max(0, column - gap) : end + gap].any()
            ):
                continue
            taken[column:end] = True
            style = self.style("moved") if token.moved else plain
            cells[column:end] = [(character, style) for character in text]
        return strip_of(cells)

    def _covered(self, span: Span | None) -> range:
        """The columns of a stretch, as far as they are on show."""
        start, end = self.span
        if span is None or span[1] <= start or span[0] >= end:
            return range(0)
        first, last = self.column(max(span[0], start)), self.column(min(span[1], end))
        return range(first or 0, (last or 0) + 1)


def allocate(height: int, *, with_tokens: bool) -> dict[str, int]:
    """Lines for each part; what does not fit is left out.

    Args:
        height: Lines there are.
        with_tokens: Whether there are phonemes to show.
    """
    heights: dict[str, int] = {}
    for parts, least in _LEAST_LINES:
        if (with_tokens or parts[0] not in TOKEN_PARTS) and sum(heights.values()) + least * len(parts) <= height:
            heights |= dict.fromkeys(parts, least)
    while growing := [parts for parts, most in _GROWING if _can_grow(heights, parts, most, height)]:
        for part in min(growing, key=lambda parts: heights[parts[0]] * _SHARE.get(parts[0], 1)):
            heights[part] += 1
    return heights


def _can_grow(heights: dict[str, int], parts: tuple[str, ...], most: int, height: int) -> bool:
    return all(heights.get(part, most) < most for part in parts) and sum(heights.values()) + len(parts) <= height


def _text(token: Token, part: str) -> str:
    if part == "symbols":
        # A combining mark would take the cell of its neighbour.
        return token.symbol if cell_len(token.symbol) == 1 else "\u00b7" if token.symbol else ""
    return str(token.frames_a if part == "frames a" else token.frames_b)


def _visible(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values of which even a small one shows."""
    return np.where(values > 0.003, np.maximum(values, 0.05), 0.0)
