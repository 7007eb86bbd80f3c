"""Spectrograms as small PNG images with a palette."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray

RANGE_DB = 70.0
"""How far under the loudest cell of the original a spectrogram goes, in dB."""
DIFFERENCE_DB = 15.0
"""The level difference at which the colours of a difference end, in dB."""

Levels = NDArray[np.float64]
"""Mel levels in dB, shape [bands, frames]."""
_Stops = tuple[tuple[float, tuple[int, int, int]], ...]
_LEVEL_STOPS: _Stops = (
    (0.0, (11, 13, 28)), (0.25, (48, 32, 105)), (0.5, (138, 44, 122)), (0.72, (226, 84, 84)),
    (0.88, (250, 162, 76)), (1.0, (254, 240, 180)),
)  # fmt: skip
"""From silence to the loudest cell; lightness rises all the way, so that it also reads in grey."""
_DIFFERENCE_STOPS: _Stops = (
    (0.0, (126, 214, 255)), (0.25, (36, 116, 194)), (0.5, (17, 19, 30)), (0.75, (206, 84, 42)), (1.0, (255, 214, 140)),
)  # fmt: skip
"""From energy that the candidate lacks to energy that it adds; equal is dark."""


def spectrogram_png(levels: Levels, peak: float) -> bytes:
    """A spectrogram, low bands at the bottom.

    Args:
        levels: Mel levels in dB, shape [bands, frames].
        peak: The level in dB that gets the last colour; `RANGE_DB` under it gets the first.
    """
    return _png((levels - peak) / RANGE_DB + 1.0, _LEVEL_STOPS)


def difference_png(levels: Levels) -> bytes:
    """A difference of two spectrograms, low bands at the bottom.

    Args:
        levels: Level of the candidate above the original in dB, shape [bands, frames].
    """
    return _png(levels / (2.0 * DIFFERENCE_DB) + 0.5, _DIFFERENCE_STOPS)


def level_scale_png() -> bytes:
    """The colours of a spectrogram from left to right."""
    return _png(np.linspace(0.0, 1.0, 256)[np.newaxis], _LEVEL_STOPS)


def difference_scale_png() -> bytes:
    """The colours of a difference from left to right."""
    return _png(np.linspace(0.0, 1.0, 256)[np.newaxis], _DIFFERENCE_STOPS)


def _png(shares: NDArray[np.float64], stops: _Stops) -> bytes:
    """An image with a palette of 256 colours.

    Args:
        shares: Places in the palette from 0 to 1, shape [rows from the bottom, columns]; others are clipped.
        stops: Colours of the palette at some of those places, the first at 0 and the last at 1.
    """
    # Pillow takes 50 ms to load; nothing but a report draws images in files.
    from PIL import Image

    places = np.array([place for place, _ in stops])
    colours = np.array([colour for _, colour in stops], dtype=np.float64)
    steps = np.linspace(0.0, 1.0, 256)
    palette = np.stack([np.interp(steps, places, colours[:, channel]) for channel in range(3)], axis=1)
    indices = np.rint(np.clip(shares[::-1], 0.0, 1.0) * 255.0).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(indices))
    image.putpalette(np.rint(palette).astype(np.uint8).tobytes())
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()
