"""What FP16 can hold; NumPy comes late, because plans are checked by commands that do without it."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HALF_MAX = 65504.0
"""Largest finite FP16 number (IEEE 754 binary16)."""
HALF_VANISHING = 2.0**-25
"""Numbers up to this one round to zero: half of the smallest FP16 number."""


def half_fault(largest: float) -> str | None:
    """What FP16 cannot hold of a tensor with this largest magnitude, as in "it holds …"; None if it can hold it."""
    if not isfinite(largest):
        return "NaN or infinity"
    if largest > HALF_MAX:
        return f"{largest:g}, more than FP16 can ({HALF_MAX:g})"
    if 0 < largest <= HALF_VANISHING:
        return f"nothing larger than {largest:g}, which FP16 rounds to zero"
    return None


MOST_VANISHING = 0.01
"""Largest share of a weight's magnitude (sum of absolute values) that may round to zero."""

_BLOCK = 1 << 17
"""Elements that are looked at together, few enough to stay in the cache."""


def weight_fault(weight: npt.NDArray[np.float32]) -> str | None:
    """What FP16 makes of a weight that it cannot hold, as in "the weight …"; None if it can hold it.

    Numbers that are too large would become infinite. Some that are too small always become zero; they do harm where
    they are all there is, as in a layer whose outputs are normalized. A window's sine of pi, 1e-16 beside 1, is none.
    """
    import numpy as np  # 0.1 s: only where weights are looked at

    # NaN comes first, where max() keeps it; without a copy of the magnitudes.
    largest = max(float(weight.max(initial=0.0)), -float(weight.min(initial=0.0)))
    if fault := half_fault(largest):
        return f"holds {fault}"
    # Without their sign, the bits of two floats compare as the floats do.
    bits, sign = np.ascontiguousarray(weight, np.float32).reshape(-1).view(np.uint32), np.uint32(0x7FFFFFFF)
    limit = np.float32(HALF_VANISHING).view(np.uint32)
    blocks = (bits[start : start + _BLOCK] & sign for start in range(0, bits.size, _BLOCK))
    lost = sum(int(np.count_nonzero(block <= limit)) for block in blocks)
    if lost <= MOST_VANISHING * (bits.size - lost):
        return None
    magnitudes = np.abs(weight, dtype=np.float64)
    share = float(magnitudes[magnitudes <= HALF_VANISHING].sum() / max(magnitudes.sum(), np.finfo(float).tiny))
    return f"loses {share:.0%} of its magnitude to numbers that FP16 rounds to zero" if share > MOST_VANISHING else None
