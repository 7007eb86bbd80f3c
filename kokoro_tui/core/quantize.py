"""Weight values in the forms that the precisions store.

Per-tensor and per-direction INT8 follow onnxruntime's ``quantize_dynamic`` bit for bit: r = scale * (q - zero_point),
with the range widened to include zero and the division done in float64. Per-channel INT8 is symmetric and keeps,
channel by channel, the better of two scales.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kokoro_tui.core.half import weight_fault
from kokoro_tui.core.specs import FormKind, WeightForm

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]


def derive(form: WeightForm, weight: FloatArray) -> tuple[Array, ...]:
    """The arrays of ``form.tensors`` in the same order; ``bias_int32`` gives those of BIAS_INT32.

    Args:
        form: The form to make.
        weight: The float32 weight, in the shape of the source model.

    Raises:
        ValueError: The weight holds NaN or infinity, or numbers that FP16 cannot hold.
    """
    # NaN comes first, where max() keeps it; without a copy of the magnitudes.
    largest = max(float(weight.max(initial=0.0)), -float(weight.min(initial=0.0)))
    if not np.isfinite(largest):
        raise ValueError(f"{form.weight} holds NaN or infinity")
    if form.kind is FormKind.HALF:
        if fault := weight_fault(weight):
            raise ValueError(f"{form.weight} {fault}")
        return (weight.astype(np.float16),)
    if form.kind is FormKind.BROADCAST:
        return (weight.reshape(1, -1, *(1,) * (form.axis - 2)),)
    if form.kind is FormKind.CHANNEL_INT8:
        return per_channel_int8(weight, form.axis)
    if form.kind is FormKind.SHARED_INT8:
        return (*per_channel_int8(weight, form.axis), np.array(weight.shape, dtype=np.int64))
    if form.kind is FormKind.ROW_INT8:
        rows = weight.reshape(-1, weight.shape[2])
        return (*per_channel_int8(rows, 0), np.array(weight.shape, dtype=np.int64))
    if form.kind is FormKind.DIRECTION_INT8:
        parts = [per_tensor(direction, np.dtype(np.int8)) for direction in weight]
        quantized = np.stack([part[0] for part in parts]).transpose(0, 2, 1)
        return quantized, np.stack([p[1] for p in parts]), np.stack([p[2] for p in parts])
    return per_tensor(weight.T if form.transposed else weight, _integer(form.kind))


def per_tensor(weight: FloatArray, dtype: np.dtype[np.generic]) -> tuple[Array, Array, Array]:
    """Quantize with one scale: asymmetric for uint8, symmetric in [-127, 127] for int8.

    Returns:
        The quantized weight, the float32 scale [] and the zero point [].
    """
    scale32, zero = _weight_step(weight, dtype)
    limits = np.iinfo(np.int8 if dtype == np.int8 else np.uint8)
    quantized = np.asarray(weight / scale32)  # a scalar operand would become a bare number
    np.round(quantized, out=quantized)
    quantized += np.float32(zero)
    np.clip(quantized, limits.min, limits.max, out=quantized)
    return quantized.astype(dtype), scale32, np.array(zero, dtype=dtype)


def bias_int32(bias: FloatArray, data_scale: np.float32, weight: FloatArray, form: WeightForm) -> Array:
    """A bias in units of input scale times weight scale, as an integer operator adds it to its sums.

    Args:
        bias: The float32 bias.
        data_scale: Scale of the operator's quantized input.
        weight: The operator's float32 weight.
        form: How that weight is stored: TENSOR_INT8 or TENSOR_UINT8.

    Raises:
        ValueError: The bias holds NaN or infinity.
    """
    if not np.isfinite(bias).all():
        raise ValueError(f"the bias that belongs to {form.weight} holds NaN or infinity")
    weight_scale, _ = _weight_step(weight, _integer(form.kind))
    step = data_scale * np.float32(weight_scale)
    limits = np.iinfo(np.int32)
    return np.clip(np.round(bias.astype(np.float64) / np.float64(step)), limits.min, limits.max).astype(np.int32)


def scale_zero_point(
    low: float, high: float, dtype: np.dtype[np.generic], *, symmetric: bool = False
) -> tuple[float, int]:
    """Scale and zero point of a range, widened to include zero, as onnxruntime's ``compute_scale_zp`` gives them.

    Args:
        low: Smallest number.
        high: Largest number.
        dtype: int8 or uint8.
        symmetric: Use [-127, 127] and a zero point of 0; int8 only.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    limits = np.iinfo(np.int8 if dtype == np.int8 else np.uint8)
    first, last = (-limits.max if symmetric else limits.min), limits.max
    if symmetric:
        high = max(-low, high)
        low = -high
    scale = (high - low) / (last - first)
    if scale < np.finfo(np.float32).tiny:
        return 1.0, 0
    return scale, 0 if symmetric else round(first - low / scale)


def _weight_step(weight: FloatArray, dtype: np.dtype[np.generic]) -> tuple[FloatArray, int]:
    symmetric = dtype == np.int8
    scale, zero = scale_zero_point(float(weight.min()), float(weight.max()), dtype, symmetric=symmetric)
    return np.array(scale, dtype=np.float32), zero


def _integer(kind: FormKind) -> np.dtype[np.generic]:
    return np.dtype(np.uint8 if kind is FormKind.TENSOR_UINT8 else np.int8)


def per_channel_int8(weight: FloatArray, axis: int) -> tuple[Array, Array]:
    """Symmetric INT8 in [-127, 127] with one scale per slice along ``axis``, without zero point.

    For every slice two scales are compared and the one with the smaller squared error is kept: the one that
    maps the largest magnitude to 127, and the least-squares scale <w, q> / <q, q> of a grid that clips it slightly.

    Returns:
        The quantized weight in the shape of ``weight`` and the float32 scales [channels].
    """
    moved = np.moveaxis(weight, axis, 0)
    flat = np.ascontiguousarray(moved).reshape(moved.shape[0], -1)
    step = np.abs(flat).max(axis=1) / np.float32(MAX_INT8)
    # Channels of zeros, or so small that their step is not a normal number, are stored as zeros.
    full_scale = np.where(step >= np.finfo(np.float32).tiny, step, 1.0).astype(np.float32)
    # In steps, no square below over- or underflows, however large or small the weights are.
    steps = flat / full_scale[:, None]
    best, best_scale, best_error = _quantize_rows(steps, 1.0)
    for ratio in CLIP_RATIOS:
        rows, scale, error = _quantize_rows(steps, ratio)
        better = error < best_error
        best[better], best_scale[better], best_error[better] = rows[better], scale[better], error[better]
    shaped = np.moveaxis(best.reshape(moved.shape), 0, axis)
    return np.ascontiguousarray(shaped), best_scale * full_scale


MAX_INT8 = 127
"""Largest magnitude that symmetric INT8 uses."""
CLIP_RATIOS = (0.94,)
"""Candidate clips, as shares of the largest magnitude, that are compared with no clip at all."""


def _quantize_rows(flat: FloatArray, step: float) -> tuple[npt.NDArray[np.int8], FloatArray, FloatArray]:
    """Round to multiples of ``step``, refit it by least squares, and measure the squared error per row."""
    grid = flat / np.float32(step)
    np.rint(grid, out=grid)
    np.clip(grid, -MAX_INT8, MAX_INT8, out=grid)
    energy = np.einsum("ij,ij->i", grid, grid)
    overlap = np.einsum("ij,ij->i", flat, grid)
    fitted = np.divide(overlap, energy, out=np.full_like(energy, step), where=energy > 0)
    rounded = grid.astype(np.int8)
    # Measured, not derived from the sums above: in wide rows the candidates differ by less than those round.
    grid *= -fitted[:, None]
    grid += flat
    return rounded, fitted, np.einsum("ij,ij->i", grid, grid)
