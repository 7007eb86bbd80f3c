"""Choices under a limit, against every choice there is."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoro_tui.core.sizing import MIB
from kokoro_tui.errors import InputError
from kokoro_tui.planner.limits import Figures, Limit, LimitKind
from kokoro_tui.planner.optimise import (
    Choice,
    Problem,
    best_within_distance,
    best_within_size,
    smallest,
    solve,
    spaced_sizes,
)
from kokoro_tui.planner.quality import Cost, Quality

COSTS = st.builds(
    Cost,
    st.floats(0, 0.02, allow_subnormal=False),
    st.floats(0, 0.4, allow_subnormal=False),
    st.floats(0, 1e-4, allow_subnormal=False),
)
OPTIONS = st.lists(st.tuples(st.integers(-1000, -1), COSTS), min_size=1, max_size=3)


def problem_of(units: list[list[tuple[int, Cost]]]) -> Problem:
    """Units whose first option is FP32."""
    nbytes = tuple((0, *(n for n, _ in unit)) for unit in units)
    return Problem(nbytes, tuple((Cost(), *(c for _, c in unit)) for unit in units), Quality())


def all_choices(problem: Problem) -> list[Choice]:
    return list(product(*(range(len(row)) for row in problem.nbytes)))


@settings(max_examples=40, deadline=None)
@given(st.lists(OPTIONS, min_size=1, max_size=4), st.floats(0, 1))
def test_within_a_size_it_comes_close_to_the_best_of_all(units: list[list[tuple[int, Cost]]], share: float) -> None:
    """The straightened curve may end in a local optimum, but never far from the best, and never over the limit."""
    problem = problem_of(units)
    most = round(share * problem.growth(smallest(problem)))
    found = best_within_size(problem, most)
    assert found is not None
    assert problem.growth(found) <= most + 1e-6
    best = min(problem.score(c) for c in all_choices(problem) if problem.growth(c) <= most + 1e-9)
    assert problem.score(found) <= 1.25 * best + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(-1000, -1), st.floats(1e-4, 0.1)), min_size=1, max_size=7), st.floats(0, 1))
def test_without_pitch_it_is_the_best_of_all(pairs: list[tuple[int, float]], share: float) -> None:
    problem = problem_of([[(nbytes, Cost(square))] for nbytes, square in pairs])
    most = round(share * problem.growth(smallest(problem)))
    found = best_within_size(problem, most)
    assert found is not None
    best = min(problem.score(c) for c in all_choices(problem) if problem.growth(c) <= most + 1e-9)
    assert problem.score(found) == pytest.approx(best, rel=1e-5, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(OPTIONS, min_size=1, max_size=4), st.floats(0.001, 0.6))
def test_within_a_distance_nothing_exceeds_it_and_little_is_given_away(
    units: list[list[tuple[int, Cost]]], most: float
) -> None:
    problem = problem_of(units)
    found = best_within_distance(problem, most)
    assert problem.quality.distance(problem.total(found)) <= most * (1 + 1e-6)
    kept = [c for c in all_choices(problem) if problem.quality.distance(problem.total(c)) <= most]
    best = min(problem.growth(c) for c in kept)
    assert problem.growth(found) <= 0.5 * best


def test_a_size_below_the_smallest_has_no_choice() -> None:
    problem = problem_of([[(-10, Cost(0.1))]])
    assert best_within_size(problem, -11) is None
    assert smallest(problem) == (1,)


def test_noise_is_a_distance_in_other_units() -> None:
    problem = problem_of([[(-10, Cost(0.04))], [(-20, Cost(0.01))]])
    by_distance = solve(problem, LimitKind.DISTANCE, 0.15)
    by_noise = solve(problem, LimitKind.NOISE, 0.15 * problem.quality.noise_per_distance)
    assert by_distance == by_noise == (0, 1)


def test_sizes_lie_closer_together_where_they_are_small() -> None:
    sizes = spaced_sizes(79, 310, 9)
    assert sizes[0] == 79
    assert sizes == sorted(sizes)
    assert 310 > sizes[-1] > 150
    assert sum(size < 110 for size in sizes) >= 5


@pytest.mark.parametrize(("kind", "value"), [("size", 0.0), ("size", -3.0), ("noise", float("nan")), ("distance", -1)])
def test_a_value_that_bounds_nothing_is_refused(kind: str, value: float) -> None:
    with pytest.raises(InputError, match="cannot be a limit"):
        Limit(LimitKind(kind), value)


def test_a_limit_is_kept_to_the_byte() -> None:
    limit = Limit(LimitKind.SIZE, 82.4)
    assert limit.keeps(Figures(int(82.4 * MIB), 1.0, 9.0, None))
    assert not limit.keeps(Figures(int(82.4 * MIB) + 1, 0.0, 0.0, 0.0))
    assert Limit(LimitKind.NOISE, 1.0).keeps(Figures(0, 9.0, 1.0, None))
    assert not Limit(LimitKind.DISTANCE, 0.2).keeps(Figures(0, 0.21, 0.0, 0.0))


def test_a_moved_frame_counts_in_the_score() -> None:
    still, moving = Figures(0, 0.3, 1.0, 0), Figures(0, 0.3, 1.0, 4)
    assert moving.score == pytest.approx(still.score + 0.2**2)
    assert Figures(0, 0.3, 1.0, None).score == still.score
