"""What FP16 can hold is told of magnitudes and of whole weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from kokoro_tui.core.half import HALF_MAX, HALF_VANISHING, MOST_VANISHING, weight_fault

FloatArray = npt.NDArray[np.float32]


def weight(share: float, small: float = 1e-9, rest: float = 1.0) -> FloatArray:
    """A thousand equal numbers, of which a share is small."""
    values = np.full((10, 100), rest, np.float32)
    values.reshape(-1)[: round(1000 * share)] = small
    return values


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.array([1, -7e4]), "holds 70000, more than FP16 can"),
        (np.array([np.nan, 1]), "holds NaN or infinity"),
        (np.array([1, -np.inf]), "holds NaN or infinity"),
        (np.array([0, -1e-9]), "holds nothing larger than 1e-09, which FP16 rounds to zero"),
        (weight(0.5, 2.5e-8, 5e-8), "loses 33% of its magnitude to numbers that FP16 rounds to zero"),
        (weight(0.5, -HALF_VANISHING, 6e-8), "loses 33% of its magnitude to numbers that FP16 rounds to zero"),
    ],
)
def test_a_weight_that_half_precision_cannot_hold(values: FloatArray, words: str) -> None:
    fault = weight_fault(values.astype(np.float32))
    assert fault is not None
    assert fault.startswith(words)


@pytest.mark.parametrize(
    "values",
    [
        np.zeros(9),
        np.empty(0),
        np.array([HALF_MAX]),
        weight(0.01),
        weight(0.9),  # a window's sine of pi, 1e-16 beside 1, does no harm by becoming zero
        weight(0.5, 0.0),
        weight(0.5, 1.01 * HALF_VANISHING),
    ],
)
def test_a_weight_that_half_precision_can_hold(values: FloatArray) -> None:
    assert weight_fault(values.astype(np.float32)) is None


NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 3e-8, -2e-8, 1e-9, 65504.0, 6e-8])


@given(arrays(np.float32, st.integers(0, 60), elements=NUMBERS))
def test_the_share_is_that_of_the_converted_weight(values: FloatArray) -> None:
    gone = (values.astype(np.float16) == 0) & (values != 0)
    magnitudes = np.abs(values, dtype=np.float64)
    assert (weight_fault(values) is not None) is bool(magnitudes[gone].sum() > MOST_VANISHING * magnitudes.sum())
