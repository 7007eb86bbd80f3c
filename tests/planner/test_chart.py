"""The frontier as characters."""

from __future__ import annotations

import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.sizing import MIB
from kokoro_tui.planner.chart import LEAST_COLUMNS, frontier_chart
from kokoro_tui.planner.limits import Figures, MeasuredPlan


def point(size_mib: float, distance: float) -> MeasuredPlan:
    figures = Figures(round(size_mib * MIB), distance, 0.0, 0.0)
    return MeasuredPlan(PrecisionPlan(), figures, figures)


PLANS = [point(79.06, 0.33), point(84.2, 0.28), point(102.9, 0.09), point(310.4, 0.0)]


def place(lines: list[str], mark: str) -> tuple[int, int]:
    """Line and column of a mark inside the frame."""
    inside = [line.split("┤")[-1].split("│", 1)[-1] if "┤" not in line else line.split("┤")[1] for line in lines]
    return next((row, line.index(mark)) for row, line in enumerate(inside) if mark in line)


def test_every_plan_has_its_number_smaller_ones_to_the_left_and_worse_ones_above() -> None:
    lines = frontier_chart(PLANS, 72, 16).splitlines()[1:-2]
    places = [place(lines[:-1], str(number)) for number in range(1, 5)]
    rows, columns = [row for row, _ in places], [column for _, column in places]
    assert rows == sorted(rows)
    assert columns == sorted(columns)
    assert rows[0] < rows[-1]
    assert columns[0] < columns[-1]


@pytest.mark.parametrize(("columns", "lines"), [(72, 16), (40, 10), (3, 1)])
def test_it_keeps_its_size_and_has_no_colours(columns: int, lines: int) -> None:
    chart = frontier_chart(PLANS, columns, lines)
    assert "\x1b" not in chart
    assert max(map(len, chart.splitlines())) <= max(columns, LEAST_COLUMNS)


def test_the_plan_under_the_cursor_is_set_off() -> None:
    assert "[3]" in frontier_chart(PLANS, 72, 16, marked=2)
    assert "[" not in frontier_chart(PLANS, 72, 16)


@pytest.mark.parametrize("plans", [PLANS[:1], [point(0.1, 0.2), point(0.3, 0.0)], [PLANS[0], PLANS[0]]])
def test_one_plan_or_tiny_ones_can_be_drawn(plans: list[MeasuredPlan]) -> None:
    assert "MiB" in frontier_chart(plans, 60, 12)


def test_two_charts_do_not_mix() -> None:
    first = frontier_chart(PLANS, 60, 12)
    frontier_chart(PLANS[:2], 40, 8)
    assert frontier_chart(PLANS, 60, 12) == first
