"""The solver against every choice there is."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoro_tui.planner.solver import choose

NUMBERS = st.integers(-50, 50).map(float)
PAIRS = st.lists(
    st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4),
    min_size=1,
    max_size=5,
)


def best_of_all(pairs: list[list[tuple[float, float]]], most: float) -> float | None:
    """The smallest objective of all choices that keep the bound."""
    totals = (
        (sum(p[i][0] for p, i in zip(pairs, c, strict=True)), sum(p[i][1] for p, i in zip(pairs, c, strict=True)))
        for c in product(*(range(len(row)) for row in pairs))
    )
    return min((objective for objective, weight in totals if weight <= most), default=None)


@settings(max_examples=60, deadline=None)
@given(PAIRS, st.integers(-150, 150).map(float))
def test_it_is_the_best_of_all_choices(pairs: list[list[tuple[float, float]]], most: float) -> None:
    objective = [[a for a, _ in row] for row in pairs]
    weights = [[b for _, b in row] for row in pairs]
    found = choose(objective, weights, most)
    wanted = best_of_all(pairs, most)
    if wanted is None:
        assert found is None
        return
    assert found is not None
    assert sum(row[i] for row, i in zip(weights, found, strict=True)) <= most + 1e-6
    assert sum(row[i] for row, i in zip(objective, found, strict=True)) == pytest.approx(wanted, abs=1e-6)


def test_bytes_and_squared_distances_do_not_drown_each_other() -> None:
    """HiGHS works with absolute tolerances: unscaled, a squared distance of 1e-9 would be nothing to it."""
    costs = [[0.0, 1e-9], [0.0, 3e-9], [0.0, 2e-9]]
    nbytes = [[0.0, -3e7], [0.0, -3e7], [0.0, -3e7]]
    assert choose(costs, nbytes, -6e7) == (1, 0, 1)


def test_nothing_to_choose() -> None:
    assert choose([], [], 0.0) == ()
    assert choose([], [], -1.0) is None


def test_a_bound_that_the_smallest_choice_meets_exactly() -> None:
    assert choose([[0.0, 5.0]] * 3, [[0.0, -1 / 3]] * 3, sum([-1 / 3] * 3)) == (1, 1, 1)
