"""Quantized weights: onnxruntime's bytes for dynamic INT8, the smaller error for W8, refusals for the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kokoro_tui.core.half import HALF_MAX
from kokoro_tui.core.inventory import TensorInfo
from kokoro_tui.core.quantize import derive, per_channel_int8, per_tensor
from kokoro_tui.core.specs import FormKind, WeightForm
from tests.graph.single_ops import initializers, normal, quantize_dynamic, single_op

Array = npt.NDArray[Any]
Float = npt.NDArray[np.float32]

WEIGHTS = {
    "normal": normal(4, 6, 3),
    "positive": np.abs(normal(4, 6, 3, seed=1)) + np.float32(0.5),
    "negative": -np.abs(normal(4, 6, 3, seed=2)),
    "zero": np.zeros((4, 6, 3), np.float32),
    "constant": np.full((4, 6, 3), -0.75, np.float32),
    "outlier": np.where(np.arange(72).reshape(4, 6, 3) == 40, np.float32(50), normal(4, 6, 3, seed=3)),
    "tiny": normal(4, 6, 3, scale=1e-20),
    "subnormal": normal(4, 6, 3, scale=1e-40),
    "huge": normal(4, 6, 3, scale=1e37),
}
FLOATS = hnp.arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=st.floats(-8, 8, width=32))
ANY_FLOATS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 12)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("weight_type", ["QInt8", "QUInt8"])
def test_per_tensor_equals_onnxruntime(name: str, weight_type: str, tmp_path: Path) -> None:
    model = quantize_dynamic(single_op("Conv", {"w": WEIGHTS[name]}), tmp_path, weight_type=weight_type)
    expected = initializers(model)
    dtype = np.dtype(np.int8 if weight_type == "QInt8" else np.uint8)
    found = per_tensor(WEIGHTS[name], dtype)
    assert_same((expected["w_quantized"], expected["w_scale"], expected["w_zero_point"]), found)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(weight=FLOATS, weight_type=st.sampled_from(["QInt8", "QUInt8"]))
def test_per_tensor_equals_onnxruntime_on_any_weight(weight: Float, weight_type: str, tmp_path: Path) -> None:
    expected = initializers(quantize_dynamic(single_op("MatMul", {"w": weight}), tmp_path, weight_type=weight_type))
    dtype = np.dtype(np.int8 if weight_type == "QInt8" else np.uint8)
    assert_same((expected["w_quantized"], expected["w_scale"], expected["w_zero_point"]), per_tensor(weight, dtype))


@pytest.mark.parametrize("weight_type", ["QInt8", "QUInt8"])
def test_transposed_gemm_equals_onnxruntime(weight_type: str, tmp_path: Path) -> None:
    weight = normal(5, 7)
    model = single_op("Gemm", {"w": weight, "b": normal(5)}, transB=1)
    quantized = initializers(quantize_dynamic(model, tmp_path, weight_type=weight_type))
    # onnxruntime 1.32 calls the weight w_Transposed once it is.
    expected = {name.replace("_Transposed", ""): value for name, value in quantized.items()}
    kind = FormKind.TENSOR_INT8 if weight_type == "QInt8" else FormKind.TENSOR_UINT8
    found = derive(WeightForm(kind, "w", transposed=True), weight)
    assert_same((expected["w_quantized"], expected["w_scale"], expected["w_zero_point"]), found)


@pytest.mark.parametrize("weight_type", ["QInt8", "QUInt8"])
def test_lstm_equals_onnxruntime(weight_type: str, tmp_path: Path) -> None:
    weights = {"w": normal(2, 16, 6), "r": normal(2, 16, 4, seed=1), "b": normal(2, 32, seed=2)}
    weights["w"][0] *= 10  # every direction has a scale of its own
    model = single_op("LSTM", weights, hidden_size=4, direction="bidirectional")
    expected = initializers(quantize_dynamic(model, tmp_path, weight_type=weight_type))
    for name in ("w", "r"):
        found = derive(WeightForm(FormKind.DIRECTION_INT8, name), weights[name])
        assert_same(tuple(expected[f"{name}_{part}"] for part in ("quantized", "scale", "zero_point")), found)


@pytest.mark.parametrize("name", WEIGHTS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_per_channel_is_never_worse_than_the_largest_magnitude(name: str, axis: int) -> None:
    assert_better_than_largest_magnitude(WEIGHTS[name], axis)


@given(FLOATS, st.sampled_from([0, 1]))
def test_per_channel_is_never_worse_on_any_weight(weight: Float, axis: int) -> None:
    assert_better_than_largest_magnitude(weight, axis)


@given(ANY_FLOATS, st.sampled_from([0, 1]))
def test_per_channel_gives_usable_numbers_for_any_finite_weight(weight: Float, axis: int) -> None:
    quantized, scale = per_channel(weight, axis)
    assert (quantized.dtype, scale.dtype) == (np.dtype(np.int8), np.dtype(np.float32))
    assert quantized.shape == weight.shape
    assert scale.shape == (weight.shape[axis],)
    assert np.isfinite(scale).all()
    assert (scale > 0).all()
    assert quantized.min() >= -127
    sides = tuple(i for i in range(weight.ndim) if i != axis)
    restored = dequantize(quantized, scale, axis)
    half_step = 0.53 * np.expand_dims(np.maximum(scale, np.abs(weight).max(sides) / 127), sides).astype(np.float64)
    error = np.abs(restored - weight.astype(np.float64))
    # Clipping by 6 % moves the largest magnitudes by up to 8 steps; nothing is further off.
    assert (error <= 17 * half_step).all()


def test_a_clip_is_taken_where_it_is_the_better_choice() -> None:
    # One outlier sets the unclipped scale; all the rest lies on the grid of a slightly smaller one.
    rest = np.tile(0.94 * np.arange(-120, 120) / 127, 400)
    weight = np.array([[1.0, *rest]], np.float32)
    quantized, scale = per_channel(weight, 0)
    assert scale[0] == pytest.approx(0.94 / 127, rel=1e-3)
    assert quantized[0, 0] == 127


def test_the_better_clip_is_found_in_wide_rows() -> None:
    weight = np.random.default_rng(0).standard_normal((200, 6000)).astype(np.float32)
    assert_better_than_largest_magnitude(weight, 0)


def test_zero_channels_stay_zero_beside_others() -> None:
    weight = normal(3, 8)
    weight[1] = 0
    quantized, scale = per_channel(weight, 0)
    assert (quantized[1] == 0).all()
    assert scale[1] == 1.0
    assert np.abs(dequantize(quantized, scale, 0) - weight).max() < 0.01


@pytest.mark.parametrize("form", [FormKind.CHANNEL_INT8, FormKind.TENSOR_INT8, FormKind.TENSOR_UINT8])
def test_every_value_is_within_the_step_of_its_scale(form: FormKind) -> None:
    weight = normal(6, 10)
    arrays: tuple[Array, ...] = derive(WeightForm(form, "w"), weight)
    quantized, scale, *zero_point = arrays
    zero = zero_point[0].astype(np.float64) if zero_point else 0.0
    steps = scale.reshape(-1, 1) if form is FormKind.CHANNEL_INT8 else scale
    restored = (quantized.astype(np.float64) - zero) * steps
    assert np.abs(restored - weight).max() <= (8 if form is FormKind.CHANNEL_INT8 else 0.51) * float(np.max(steps))


def test_lstm_rows_have_a_scale_each() -> None:
    weight = normal(2, 8, 5)
    weight[1, 3] *= 100
    arrays: tuple[Array, ...] = derive(WeightForm(FormKind.ROW_INT8, "w"), weight)
    quantized, scale, shape = arrays
    assert (quantized.shape, scale.shape, shape.tolist()) == ((16, 5), (16,), [2, 8, 5])
    restored = (quantized * scale[:, None]).reshape(shape)
    step = np.abs(weight).max(axis=2, keepdims=True) / 127
    assert (np.abs(restored - weight) <= 8 * step).all()
    assert scale[11] > 10 * np.delete(scale, 11).max()


def test_half_is_rounded_to_nearest() -> None:
    weight = np.array([1 / 3, -65504.0, 1e-7, 0.0], np.float32)
    assert_same((weight.astype(np.float16),), derive(WeightForm(FormKind.HALF, "w"), weight))


def test_a_bias_is_shaped_to_broadcast_over_a_convolution() -> None:
    bias = normal(4)
    (shaped,) = derive(WeightForm(FormKind.BROADCAST, "b", 4), bias)
    assert_same((bias.reshape(1, 4, 1, 1),), (shaped,))


@pytest.mark.parametrize("kind", FormKind)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(kind: FormKind, bad: float) -> None:
    weight = normal(2, 4, 3)
    weight[1, 2, 1] = bad
    with pytest.raises(ValueError, match="w holds NaN or infinity"):
        derive(WeightForm(kind, "w"), weight)


def test_what_fp16_cannot_hold_is_refused() -> None:
    at_the_limit = np.array([HALF_MAX, -HALF_MAX], np.float32)
    assert np.isfinite(derive(WeightForm(FormKind.HALF, "w"), at_the_limit)[0]).all()
    with pytest.raises(ValueError, match="w holds 70000, more than FP16 can"):
        derive(WeightForm(FormKind.HALF, "w"), np.array([1.0, -70000.0], np.float32))


def test_what_vanishes_in_fp16_is_refused() -> None:
    with pytest.raises(ValueError, match="w holds nothing larger than 1e-08, which FP16 rounds to zero"):
        derive(WeightForm(FormKind.HALF, "w"), np.array([1e-8, 0.0], np.float32))
    (zeros,) = derive(WeightForm(FormKind.HALF, "w"), np.zeros(2, np.float32))
    assert not zeros.any()


@pytest.mark.parametrize(
    ("kind", "axis", "dims"),
    [
        (FormKind.HALF, 0, (4, 6, 3)),
        (FormKind.TENSOR_UINT8, 0, (4, 6, 3)),
        (FormKind.TENSOR_INT8, 0, (4, 6)),
        (FormKind.CHANNEL_INT8, 1, (4, 6, 3)),
        (FormKind.ROW_INT8, 0, (2, 16, 6)),
        (FormKind.DIRECTION_INT8, 0, (2, 16, 6)),
        (FormKind.BROADCAST, 3, (6,)),
    ],
)
def test_values_have_the_shapes_and_types_that_the_estimate_counts(
    kind: FormKind, axis: int, dims: tuple[int, ...]
) -> None:
    weight = normal(*dims)
    form = WeightForm(kind, "w", axis)
    info = TensorInfo("w", "FLOAT", dims, weight.size, weight.nbytes, weight.nbytes + 20)
    specs, values = form.tensors(info, "__"), derive(form, weight)
    assert [(s.dims, s.nbytes) for s in specs] == [(v.shape, v.nbytes) for v in values]


def assert_same(expected: tuple[Array, ...], found: tuple[Array, ...]) -> None:
    """Equal to the bit, types and shapes included."""
    assert [(a.dtype, a.shape) for a in found] == [(a.dtype, a.shape) for a in expected]
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def per_channel(weight: Float, axis: int) -> tuple[Array, Array]:
    """``per_channel_int8`` with arrays that mypy lets do arithmetic."""
    return per_channel_int8(weight, axis)


def dequantize(quantized: Array, scale: Array, axis: int) -> Array:
    """q * scale along an axis, in float64."""
    dims = [1] * quantized.ndim
    dims[axis] = -1
    return quantized.astype(np.float64) * scale.astype(np.float64).reshape(dims)


def assert_better_than_largest_magnitude(weight: Float, axis: int) -> None:
    """Compare the squared error of every channel with that of the grid whose end is the largest magnitude."""
    quantized, scale = per_channel(weight, axis)
    exact = np.moveaxis(weight.astype(np.float64), axis, 0).reshape(weight.shape[axis], -1)
    largest = np.abs(exact).max(axis=1, keepdims=True)
    step = np.where(largest > 0, largest / 127, 1)
    plain = ((np.rint(exact / step) * step - exact) ** 2).sum(axis=1)
    restored = np.moveaxis(dequantize(quantized, scale, axis), axis, 0).reshape(exact.shape)
    mine = ((restored - exact) ** 2).sum(axis=1)
    # Below the smallest normal number the grid itself is coarser than the weights.
    assert (mine <= plain * (1 + 1e-5) + (1e-6 * largest[:, 0]) ** 2 + np.where(largest[:, 0] < 2e-36, 1e-70, 0)).all()
