"""Pictures made of characters: bars, and heat maps of two pixels a cell.

Plain Segments rather than an image library: graphics protocols need the terminal to be asked before the app starts
and redraw the whole picture for every step of a playhead, while these cells work over SSH, in any size, and
without colours too, where shades of grey characters take over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color, Gradient
from textual.strip import Strip

BARS = " \u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588"
"""Bars of no to eight eighths of a cell, from below."""
_SHADES = " \u2591\u2592\u2593\u2588"
_UPPER_HALF = "\u2580"
Cell = tuple[str, Style]


@dataclass(frozen=True)
class Ramp:
    """Colours for values from 0 to 1, in steps, so that few styles are in use."""

    colours: tuple[RichColor, ...]

    @classmethod
    def through(cls, *stops: Color, steps: int = 32) -> Ramp:
        """Colours that pass evenly through some."""
        gradient = Gradient.from_colors(*stops, quality=steps)
        return cls(tuple(gradient.get_rich_color(step / (steps - 1)) for step in range(steps)))

    def indices(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """The colour of each value; beyond the ends they are clipped."""
        top = len(self.colours) - 1
        return np.clip(np.rint(values * top), 0, top).astype(np.int64)


def strip_of(cells: Iterable[Cell]) -> Strip:
    """One line; neighbours of one style become one segment."""
    return Strip(
        [
            Segment("".join(character for character, _ in run), style)
            for style, run in groupby(cells, key=lambda cell: cell[1])
        ]
    )


def heat_map(values: NDArray[np.float64], ramp: Ramp) -> list[Strip]:
    """Lines of cells that show two pixels each, one over the other.

    Args:
        values: From 0 to 1, shape [2 · lines, columns], the lowest row first.
        ramp: Their colours.
    """
    rows = ramp.indices(values)[::-1]
    colours = ramp.colours
    return [
        strip_of((_UPPER_HALF, _pair(colours[high], colours[low])) for high, low in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[0::2].tolist(), rows[1::2].tolist(), strict=True)
    ]


def shade_map(values: NDArray[np.float64], style: Style) -> list[Strip]:
    """The same without colours: characters that are the darker the larger the value; one pixel a cell."""
    means = (values[0::2] + values[1::2]) / 2
    levels = np.clip(np.rint(means * (len(_SHADES) - 1)), 0, len(_SHADES) - 1).astype(np.int64)[::-1]
    return [strip_of((_SHADES[level], style) for level in row) for row in levels.tolist()]


def bars(values: NDArray[np.float64], lines: int, styles: Sequence[Style]) -> list[Strip]:
    """Bars that stand on the last line.

    Args:
        values: From 0 to 1, shape [columns].
        lines: How high a full bar is.
        styles: One for each column.
    """
    return [
        strip_of((BARS[n], style) for n, style in zip(row.tolist(), styles, strict=True))
        for row in _eighths(values, lines)[::-1]
    ]


def _eighths(values: NDArray[np.float64], lines: int) -> NDArray[np.int64]:
    """How many eighths of its cell a bar fills on each line, the line at its foot first, shape [lines, columns]."""
    heights = np.ceil(np.clip(values, 0.0, 1.0) * 8 * lines - 0.25).astype(np.int64)
    return np.asarray(np.clip(heights - 8 * np.arange(lines)[:, np.newaxis], 0, 8))


@lru_cache(maxsize=4096)
def _pair(upper: RichColor, lower: RichColor) -> Style:
    return Style(color=upper, bgcolor=lower)
