"""The best choice under a limit, by what its parts are predicted to do together."""

from __future__ import annotations

from dataclasses import dataclass

from kokoro_tui.planner.limits import LimitKind
from kokoro_tui.planner.quality import Cost, Quality
from kokoro_tui.planner.solver import choose

Choice = tuple[int, ...]
"""The position of an option per unit."""

_STARTS = (1e-3, 0.3, 10.0, 100.0, 1000.0)
"""Mean square errors of the phase in (Hz · frames)² around which the curve is first taken as straight."""
_ROUNDS = 6
_SHARES = (0.05, 0.3, 0.6, 0.85, 0.97)
"""Shares of the allowed squared distance that the pitch is first given."""


@dataclass(frozen=True)
class Problem:
    """Bytes and costs of every option of every unit; plain numbers, so that a child process can solve it."""

    nbytes: tuple[tuple[int, ...], ...]
    """What the file grows by, negative."""
    costs: tuple[tuple[Cost, ...], ...]
    quality: Quality

    def total(self, choice: Choice) -> Cost:
        """The sum of the costs of a choice."""
        return sum((row[i] for row, i in zip(self.costs, choice, strict=True)), Cost())

    def growth(self, choice: Choice) -> int:
        """The sum of the bytes of a choice."""
        return sum(row[i] for row, i in zip(self.nbytes, choice, strict=True))

    def score(self, choice: Choice) -> float:
        """The predicted score of a choice."""
        total = self.total(choice)
        return self.quality.distance(total) ** 2 + self.quality.length_price() * total.length

    def straight(self, slope: float, length_price: float) -> list[list[float]]:
        """The costs as one number each, with the curve of the pitch taken as a straight line."""
        return [[cost.spectral + slope * cost.pitch + length_price * cost.length for cost in row] for row in self.costs]


def smallest(problem: Problem) -> Choice:
    """The choice with the fewest bytes."""
    return tuple(min(range(len(row)), key=row.__getitem__) for row in problem.nbytes)


def best_within_size(problem: Problem, most_growth: float) -> Choice | None:
    """The choice with the least predicted score whose bytes grow by at most ``most_growth``.

    The squared distance is a concave function of the pitch error, so a tangent never lies below it: every solution of
    the straightened problem is at least as good as the one before. Several starts, since the end may be a local one.
    """
    price = problem.quality.length_price()
    found: list[Choice] = []
    for start in _STARTS:
        square, last = start, None
        for _ in range(_ROUNDS):
            slope = problem.quality.curve.slope(square)
            choice = choose(problem.straight(slope, price), problem.nbytes, most_growth)
            if choice is None:
                return None
            if choice == last:
                break
            last, square = choice, problem.total(choice).pitch
        if last is not None:
            found.append(last)
    return min(found, key=problem.score)


def best_within_distance(problem: Problem, most_distance: float) -> Choice:
    """The choice with the fewest bytes whose predicted mel distance is at most ``most_distance``.

    The tangent lies above the squared distance, so what keeps the straightened limit keeps the real one.
    """
    allowed = most_distance**2
    sizes = [[float(n) for n in row] for row in problem.nbytes]
    curve = problem.quality.curve
    best: Choice = (0,) * len(problem.nbytes)  # FP32
    for share in _SHARES:
        square = curve.square((share * allowed) ** 0.5)
        for _ in range(_ROUNDS):
            slope = curve.slope(square)
            bound = allowed - curve.distance(square) ** 2 + slope * square
            choice = choose(sizes, problem.straight(slope, 0.0), bound)
            if choice is None:
                break
            if problem.quality.distance(problem.total(choice)) <= most_distance * (1 + 1e-9):
                best = min(best, choice, key=problem.growth)
            after = problem.total(choice).pitch
            if abs(after - square) <= 1e-3 * square:
                break
            square = after
    return best


def solve(problem: Problem, kind: LimitKind, bound: float) -> Choice | None:
    """The best choice under a limit; None if no choice keeps it.

    Args:
        problem: What can be chosen.
        kind: What is bounded.
        bound: Most bytes that the file may grow by (a negative number), or most mel distance, or most noise in dB.
    """
    if kind is LimitKind.SIZE:
        return best_within_size(problem, bound)
    return best_within_distance(
        problem, bound if kind is LimitKind.DISTANCE else bound / problem.quality.noise_per_distance
    )


def spaced_sizes(least: int, most: int, count: int) -> list[int]:
    """Sizes from ``least`` on, at least one, closer together where they are small: there quality changes fast.

    Args:
        least: The smallest plan.
        most: The original, which is not among them.
        count: How many.
    """
    return [least + round((most - least) * (LARGEST_STEP * step / max(1, count - 1)) ** 3) for step in range(count)]


LARGEST_STEP = 0.75
"""Cube root of the share of the way to the original at which the largest of the sizes lies."""
