"""Lengths at which a Fourier transform is quick and small."""

from __future__ import annotations

_FACTORS = (1, 3, 5, 9, 15)
"""Odd factors of the lengths: the next one is at most a quarter longer than what is asked for."""


def fast_length(size: int) -> int:
    """The smallest length from ``size`` on that is one of a few small odd numbers times a power of two.

    A length with a large prime factor takes a transform of more than twice that length inside it (Bluestein's
    algorithm), and clips have such lengths by chance: 17 s of sound took 60 MiB for a moment instead of 12.

    Args:
        size: Samples, at least 1.
    """
    return min(factor << max(0, (-(-size // factor) - 1).bit_length()) for factor in _FACTORS)
