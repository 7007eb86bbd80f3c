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
"""Largest share of the nonzero numbers of a weight that may round to zero."""

_BLOCK = 1 << 17


def weight_fault(weight: npt.NDArray[np.float32], half: npt.NDArray[np.float16] | None = None) -> str | None:
    """What FP16 makes of a weight that it cannot hold, as in "the weight …"; None if it can hold it.

    Numbers that are too large would become infinite. Some that are too small always become zero; they do harm where
    they are many, as in a layer whose outputs are normalized.

    Args:
        weight: The weight.
        half: The same in FP16, where that is known.
    """
    import numpy as np  # 0.1 s: only where weights are looked at

    # NaN comes first, where max() keeps it; without a copy of the magnitudes.
    largest = max(float(weight.max(initial=0.0)), -float(weight.min(initial=0.0)))
    if fault := half_fault(largest):
        return f"holds {fault}"
    # Of flat blocks that stay in the cache; counting integers without their sign is quicker than counting FP16.
    flat = (weight if half is None else half).reshape(-1)
    blocks = (flat[start : start + _BLOCK].astype(np.float16, copy=False) for start in range(0, flat.size, _BLOCK))
    kept = sum(int(np.count_nonzero(block.view(np.uint16) << np.uint16(1))) for block in blocks)
    if weight.size - kept <= MOST_VANISHING * kept:
        return None
    vanishing = np.count_nonzero(weight) - kept
    if vanishing <= MOST_VANISHING * (vanishing + kept):
        return None
    return f"holds {vanishing} nonzero numbers of {vanishing + kept} that FP16 rounds to zero"
