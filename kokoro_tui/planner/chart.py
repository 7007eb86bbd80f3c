"""The size-quality frontier as characters, for the command line and the screen."""

from __future__ import annotations

from collections.abc import Sequence

from kokoro_tui.core.sizing import MIB
from kokoro_tui.planner.limits import MeasuredPlan

LEAST_COLUMNS, LEAST_LINES = 24, 6
TICKS = 5
"""Sizes written below the chart."""


def frontier_chart(plans: Sequence[MeasuredPlan], columns: int, lines: int, *, marked: int | None = None) -> str:
    """Mel distance over size, one numbered point a plan, without colours.

    Args:
        plans: In the order of their numbers, which begin with 1.
        columns: Width in characters.
        lines: Height in lines.
        marked: Position of a plan to set off from the others.
    """
    import plotext  # 0.1 s: only where something is drawn

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plot_size(max(columns, LEAST_COLUMNS), max(lines, LEAST_LINES))
    sizes = [plan.measured.nbytes / MIB for plan in plans]
    distances = [plan.measured.mel_distance for plan in plans]
    plotext.plot(sizes, distances, marker="dot")
    for index, (size, distance) in enumerate(zip(sizes, distances, strict=True)):
        label = str((index + 1) % 10)
        plotext.text(f"[{label}]" if index == marked else label, size, distance, alignment="center")
    plotext.xscale("log")  # most plans are small
    ticks = [min(sizes) * (max(sizes) / min(sizes)) ** (step / (TICKS - 1)) for step in range(TICKS)]
    plotext.xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    plotext.xlabel("MiB")
    plotext.ylabel("mel distance")
    return str(plotext.uncolorize(plotext.build())).rstrip()
