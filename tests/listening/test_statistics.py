"""Exact tests against SciPy, which only tests may use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from kokoro_tui.listening.statistics import at_least, least_right, sign_test


@given(st.integers(1, 200), st.data())
def test_the_p_value_is_scipys(trials: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, trials))
    assert at_least(right, trials) == pytest.approx(binomtest(right, trials, alternative="greater").pvalue, rel=1e-12)


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_scipys(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue if first + second else 1.0
    assert sign_test(first, second) == pytest.approx(expected, rel=1e-12)


def test_figures_that_everybody_knows() -> None:
    assert at_least(10, 10) == 1 / 1024
    assert f"{at_least(10, 10):.5f}" == "0.00098"
    assert at_least(0, 7) == 1.0
    assert sign_test(5, 5) == 1.0
    assert at_least(1000, 1000) > 0.0, "no underflow in a long test"


def test_what_it_takes_to_be_convincing() -> None:
    assert least_right(10, 0.05) == 9
    assert least_right(16, 0.05) == 12
    assert least_right(4, 0.05) is None


@pytest.mark.parametrize(("right", "trials"), [(-1, 3), (4, 3)])
def test_impossible_counts_are_refused(right: int, trials: int) -> None:
    with pytest.raises(ValueError, match="is not a count"):
        at_least(right, trials)
