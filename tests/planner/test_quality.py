"""From parts to a whole: the curve of the pitch, the noise, the frames."""

from __future__ import annotations

from math import pi, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoro_tui.core.inventory import Group
from kokoro_tui.core.precision import Precision
from kokoro_tui.planner.quality import (
    DEFAULT_CURVE,
    Cost,
    PitchCurve,
    Quality,
    cost_of,
    fit_pitch_curve,
    noise_per_distance,
)
from kokoro_tui.planner.units import Option, Unit

CURVES = st.builds(PitchCurve, st.floats(0.01, 0.2), st.floats(0.0005, 0.5))


def unit(*, pitch: bool) -> Unit:
    return Unit(Group("n", ("n",)), ("out",), pitch, on_length=True)


@given(CURVES, st.floats(1e-6, 2.0))
def test_the_curve_and_its_inverse(curve: PitchCurve, square: float) -> None:
    assert curve.square(curve.distance(square)) == pytest.approx(square, rel=1e-6)


@given(CURVES, st.floats(1e-4, 2.0))
def test_the_slope_is_that_of_the_squared_distance(curve: PitchCurve, square: float) -> None:
    step = 1e-4 * square
    rise = curve.distance(square + step) ** 2 - curve.distance(square - step) ** 2
    assert curve.slope(square) == pytest.approx(rise / (2 * step), rel=1e-3)


def test_no_error_is_no_distance_and_more_is_always_more() -> None:
    assert DEFAULT_CURVE.distance(0.0) == 0.0
    assert DEFAULT_CURVE.slope(0.0) > 0
    squares = np.geomspace(1e-8, 10, 30)
    assert all(np.diff([DEFAULT_CURVE.distance(float(s)) for s in squares]) > 0)


def test_a_curve_is_found_again() -> None:
    true = PitchCurve(0.07, 0.005 * 1.5**7)
    points = [(float(s), true.distance(float(s))) for s in np.geomspace(1e-5, 0.5, 12)]
    found = fit_pitch_curve(points)
    assert (found.scale, found.knee) == pytest.approx((true.scale, true.knee), rel=1e-9)


def test_few_points_leave_the_usual_curve() -> None:
    assert fit_pitch_curve([(0.1, 0.3), (0.0, 0.0), (0.2, 0.0)]) == DEFAULT_CURVE


def test_expected_frames_agree_with_rounding() -> None:
    """Durations with normal errors, rounded: the formula must tell how many frames move."""
    random = np.random.default_rng(1)
    durations, deviation = random.uniform(1, 8, (400, 50)), 0.03
    moved = np.rint(durations + random.normal(0, deviation, durations.shape)) != np.rint(durations)
    expected = Quality(tokens=50).frames_moved(Cost(length=deviation**2))
    assert expected == pytest.approx(moved.sum(axis=1).mean(), rel=0.1)
    assert expected == pytest.approx(50 * deviation * sqrt(2 / pi))


def test_errors_of_pitch_and_of_the_rest_add_as_squares() -> None:
    quality = Quality(PitchCurve(0.1, 0.01), noise_per_distance=4.0)
    total = Cost(0.03**2, 0.02) + Cost(0.04**2, 0.03)
    assert quality.distance(total) == pytest.approx(sqrt(0.05**2 + quality.curve.distance(0.05) ** 2))
    assert quality.noise(total) == pytest.approx(4 * quality.distance(total))


def test_what_an_option_costs() -> None:
    curve = PitchCurve(0.1, 0.01)
    option = Option(Precision.W8, -100, distance=0.2, pitch=0.04, length=1e-5)
    assert cost_of(unit(pitch=True), option, curve) == Cost(0.0, 0.04, 1e-5)
    assert cost_of(unit(pitch=False), option, curve) == Cost(0.2**2, 0.0, 1e-5)
    assert cost_of(unit(pitch=False), Option(Precision.FP32), curve) == Cost()


def test_an_option_on_the_way_to_the_pitch_that_was_only_tried_is_judged_by_the_curve() -> None:
    curve = PitchCurve(0.1, 0.01)
    cost = cost_of(unit(pitch=True), Option(Precision.W8, -100, distance=0.2), curve)
    assert cost is not None
    assert curve.distance(cost.pitch) == pytest.approx(0.2)


@pytest.mark.parametrize("pitch", [True, False])
def test_an_option_of_which_nothing_is_known_has_no_cost(pitch: bool) -> None:
    assert cost_of(unit(pitch=pitch), Option(Precision.W8, -100, length=1e-5), DEFAULT_CURVE) is None


def test_the_ratio_of_noise_is_that_of_trials_that_can_be_heard() -> None:
    assert noise_per_distance([(0.1, 0.5), (0.2, 1.2), (0.3, 1.2), (0.001, 9.0)]) == pytest.approx(5.0)
    assert noise_per_distance([]) == 5.0


def test_trials_that_add_no_noise_do_not_bring_the_ratio_to_0() -> None:
    assert noise_per_distance([(0.1, 0.0), (0.2, 0.0), (0.3, 1.2)]) == pytest.approx(4.0)
    assert noise_per_distance([(0.1, 0.0), (0.2, 0.0)]) == 5.0
