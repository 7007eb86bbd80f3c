"""What FP16 can hold; without NumPy, because plans are checked by commands that do without it."""

from __future__ import annotations

from math import isfinite

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
