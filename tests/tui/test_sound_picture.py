"""Which parts of the picture there is room for, and how values become characters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style
from textual.color import Color

from kokoro_tui.tui.drawing import Ramp, bars, heat_map, shade_map
from kokoro_tui.tui.sound_picture import TOKEN_PARTS, allocate
from kokoro_tui.tui.time_axis import column_of, seconds_of

PLAIN = Style()


@given(height=st.integers(0, 80), with_tokens=st.booleans())
def test_the_parts_never_need_more_lines_than_there_are(height: int, with_tokens: bool) -> None:
    heights = allocate(height, with_tokens=with_tokens)
    assert sum(heights.values()) <= height
    for kind in ("wave", "mel", "frames"):
        assert heights.get(f"{kind} a") == heights.get(f"{kind} b")
    assert with_tokens or not TOKEN_PARTS & heights.keys()


def test_what_matters_most_comes_first() -> None:
    assert list(allocate(1, with_tokens=True)) == ["strip"]
    assert set(allocate(5, with_tokens=True)) == {"strip", "wave a", "wave b", "difference"}
    assert len(allocate(13, with_tokens=True)) == 10


def test_room_for_all_is_used() -> None:
    assert sum(allocate(30, with_tokens=True).values()) == 30


def test_bars_show_eighths_of_a_line() -> None:
    upper, lower = bars(np.array([0.0, 1 / 16, 0.5, 9 / 16, 1.0]), 2, [PLAIN] * 5)
    assert upper.text == "   \u2581\u2588"
    assert lower.text == " \u2581\u2588\u2588\u2588"


def test_a_heat_map_shows_two_values_in_a_cell_the_lowest_row_below() -> None:
    ramp = Ramp.through(Color(0, 0, 0), Color(255, 255, 255), steps=3)
    (line,) = heat_map(np.array([[0.0, 1.0], [0.5, 2.0]]), ramp)
    assert line.text == "\u2580\u2580"
    left, right = (segment.style for segment in line)
    assert left is not None and right is not None
    assert left.color is not None and left.color.triplet is not None and left.color.triplet.red in (127, 128)
    assert left.bgcolor is not None and left.bgcolor.triplet == (0, 0, 0)
    assert right.color == right.bgcolor, "beyond the ends colours are clipped"


def test_shades_stand_for_the_mean_of_a_cell() -> None:
    (line,) = shade_map(np.array([[0.0, 1.0, 0.5], [0.0, 1.0, 0.5]]), PLAIN)
    assert line.text == " \u2588\u2592"


@given(column=st.integers(0, 99), start=st.floats(0, 50), length=st.floats(0.5, 60))
def test_a_column_begins_at_its_place(column: int, start: float, length: float) -> None:
    span = (start, start + length)
    middle = seconds_of(column, span, 100) + 0.005 * length
    assert column_of(middle, span, 100) == column


@pytest.mark.parametrize(("seconds", "column"), [(0.9, None), (1.0, 0), (2.0, 9), (2.1, None)])
def test_places_outside_are_not_shown(seconds: float, column: int | None) -> None:
    assert column_of(seconds, (1.0, 2.0), 10) == column
