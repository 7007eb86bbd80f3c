"""Exact binomial tests, for counts as small as those of listening tests."""

from __future__ import annotations

from math import comb


def at_least(right: int, trials: int) -> float:
    """Probability of ``right`` or more right answers out of ``trials`` by guessing: the one-sided exact p-value.

    That is the sum of C(n, k) / 2ⁿ over k from ``right`` to n = ``trials``, taken in whole numbers.

    Raises:
        ValueError: Not 0 ≤ right ≤ trials.
    """
    if not 0 <= right <= trials:
        raise ValueError(f"{right} of {trials} is not a count")
    return sum(comb(trials, hits) for hits in range(right, trials + 1)) / (1 << trials)


def sign_test(first: int, second: int) -> float:
    """Probability of a split at least as uneven as this one if neither were preferred: the two-sided exact p-value.

    Ties are left out beforehand, as the sign test wants it.

    Args:
        first: Trials in which the one was preferred.
        second: Trials in which the other was.
    """
    return min(1.0, 2 * at_least(max(first, second), first + second))


def least_right(trials: int, alpha: float) -> int | None:
    """The fewest right answers whose p-value is at most ``alpha``; None if not even all of them are enough."""
    return next((right for right in range(trials + 1) if at_least(right, trials) <= alpha), None)
