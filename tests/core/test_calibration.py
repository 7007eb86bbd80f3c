"""Ranges, and the scales and zero points that follow from them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision

UINT8, INT8 = WeightType.QUINT8, WeightType.QINT8


@pytest.mark.parametrize(
    ("low", "high", "activation_type", "scale", "zero_point"),
    [
        (-1.0, 1.55, UINT8, 2.55 / 255, 100),
        (-1.0, 1.55, INT8, 2.55 / 255, -28),
        (0.5, 5.1, UINT8, 5.1 / 255, 0),
        (-5.1, -0.5, UINT8, 5.1 / 255, 255),
        (-5.1, -0.5, INT8, 5.1 / 255, 127),
        (0.0, 0.0, UINT8, 1.0, 0),
        (0.0, 0.0, INT8, 1.0, 0),
        (-3e38, 3e38, UINT8, 6e38 / 255, 128),
    ],
)
def test_the_range_is_widened_to_zero_and_spread_over_all_steps(
    low: float, high: float, activation_type: WeightType, scale: float, zero_point: int
) -> None:
    found = Calibration(activation_type, {"x": (low, high)}).quantization("x")
    assert found[0].dtype == np.float32
    assert found[1].dtype == (np.uint8 if activation_type is UINT8 else np.int8)
    assert float(found[0]) == pytest.approx(scale, rel=1e-6)
    assert int(found[1]) == zero_point


def test_scales_are_bit_for_bit_those_of_onnxruntime() -> None:
    from onnxruntime.quantization.quant_utils import compute_scale_zp

    random = np.random.default_rng(3)
    for activation_type, limits in ((UINT8, np.iinfo(np.uint8)), (INT8, np.iinfo(np.int8))):
        dtype = limits.dtype.type
        for low, high in random.normal(scale=10.0, size=(200, 2)).astype(np.float32):
            pair = np.array(min(low, high)), np.array(max(low, high))
            zero_point, scale = compute_scale_zp(*pair, np.array(limits.min, dtype), np.array(limits.max, dtype))
            found = Calibration(activation_type, {"x": (float(pair[0]), float(pair[1]))}).quantization("x")
            assert (found[0].tobytes(), int(found[1])) == (scale.tobytes(), int(zero_point))


def test_what_is_missing_and_what_is_left_out() -> None:
    known = Calibration(ranges={"a": (0.0, 1.0), "b": (-1.0, 1.0)}, samples=2)
    assert known.missing(["b", "c", "a", "d"]) == ("c", "d")
    assert known.restricted_to(["b", "c"]) == Calibration(ranges={"b": (-1.0, 1.0)}, samples=2)


def test_the_digest_follows_what_shapes_the_file() -> None:
    base = Calibration(ranges={"a": (0.0, 1.0), "b": (-1.0, 1.0)})
    same = Calibration(ranges={"b": (-1.0, 1.0), "a": (0.0, 1.0)}, samples=3)
    others = [Calibration(INT8, base.ranges), Calibration(ranges={"a": (0.0, 1.0)}), Calibration()]
    assert base.digest == same.digest
    assert len({base.digest, *(other.digest for other in others)}) == 4
    plan = PrecisionPlan({"n": Precision.INT8})
    digests = {PrecisionPlan(plan.choices, calibration=c).digest for c in (None, base, *others)}
    assert len(digests) == 5


def test_a_static_plan_can_be_sent_to_another_process() -> None:
    plan = PrecisionPlan({"n": Precision.INT8}, frozenset({"m"}), UINT8, Calibration(INT8, {"a": (0.0, 1.0)}, 2))
    again = pickle.loads(pickle.dumps(plan))
    assert again == plan
    assert again.static
    assert not PrecisionPlan().static
