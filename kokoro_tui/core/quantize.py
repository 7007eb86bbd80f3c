"""Weight values in the forms that the precisions store.

Per-tensor and per-direction INT8 follow onnxruntime's ``quantize_dynamic`` bit for bit: r = scale * (q - zero_point),
with the range widened to include zero and the division done in float64. Per-channel INT8 is symmetric and keeps,
channel by channel, the better of two scales.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kokoro_tui.core.specs import FormKind, WeightForm

Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]

HALF_MAX = 65504.0
"""Largest finite FP16 number (IEEE 754 binary16)."""


def derive(form: WeightForm, weight: FloatArray) -> tuple[Array, ...]:
    """The arrays of ``form.tensors`` in the same order.

    Args:
        form: The form to make.
        weight: The float32 weight, in the shape of the source model.

    Raises:
        ValueError: The weight holds NaN or infinity, or numbers that FP16 cannot hold.
    """
    if not np.isfinite(weight).all():
        raise ValueError(f"{form.weight} holds NaN or infinity")
    if form.kind is FormKind.HALF:
        largest = float(np.abs(weight).max(initial=0.0))
        if largest > HALF_MAX:
            raise ValueError(f"{form.weight} holds {largest:g}, more than FP16 can ({HALF_MAX:g})")
        half = weight.astype(np.float16)
        if largest > 0 and not half.any():
            raise ValueError(f"{form.weight} holds nothing larger than {largest:g}, which FP16 rounds to zero")
        return (half,)
    if form.kind is FormKind.BROADCAST:
        return (weight.reshape(1, -1, *(1,) * (form.axis - 2)),)
    if form.kind is FormKind.CHANNEL_INT8:
        return per_channel_int8(weight, form.axis)
    if form.kind is FormKind.ROW_INT8:
        rows = weight.reshape(-1, weight.shape[2])
        return (*per_channel_int8(rows, 0), np.array(weight.shape, dtype=np.int64))
    if form.kind is FormKind.DIRECTION_INT8:
        parts = [per_tensor(direction, np.dtype(np.int8)) for direction in weight]
        quantized = np.stack([part[0] for part in parts]).transpose(0, 2, 1)
        return quantized, np.stack([p[1] for p in parts]), np.stack([p[2] for p in parts])
    dtype = np.dtype(np.uint8 if form.kind is FormKind.TENSOR_UINT8 else np.int8)
    return per_tensor(weight.T if form.transposed else weight, dtype)


def per_tensor(weight: FloatArray, dtype: np.dtype[np.generic]) -> tuple[Array, Array, Array]:
    """Quantize with one scale: asymmetric for uint8, symmetric in [-127, 127] for int8.

    Returns:
        The quantized weight, the float32 scale [] and the zero point [].
    """
    low, high = min(float(weight.min()), 0.0), max(float(weight.max()), 0.0)
    symmetric = dtype == np.int8
    steps = 254.0 if symmetric else 255.0
    if symmetric:
        high = max(-low, high)
        low = -high
    scale = (high - low) / steps
    if scale < np.finfo(np.float32).tiny:
        scale, zero = 1.0, 0
    else:
        zero = 0 if symmetric else round(-low / scale)
    scale32 = np.array(scale, dtype=np.float32)
    limits = np.iinfo(np.int8 if symmetric else np.uint8)
    quantized = weight / scale32
    np.round(quantized, out=quantized)
    quantized += np.float32(zero)
    np.clip(quantized, limits.min, limits.max, out=quantized)
    return quantized.astype(dtype), scale32, np.array(zero, dtype=dtype)


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
    full_scale = np.where(step >= np.finfo(np.float32).tiny, step, np.float32(1.0))
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
