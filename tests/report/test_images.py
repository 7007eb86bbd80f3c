"""Spectrograms as images."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from kokoro_tui.report.images import (
    DIFFERENCE_DB,
    RANGE_DB,
    difference_png,
    difference_scale_png,
    level_scale_png,
    spectrogram_png,
)


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert (image.format, image.mode) == ("PNG", "P")
    return image


def brightness(image: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Rec. 709 luma of each pixel, shape [rows, columns]."""
    return np.asarray(image.convert("RGB"), dtype=np.float64) @ (0.2126, 0.7152, 0.0722)


def test_a_spectrogram_has_a_pixel_a_cell_and_its_low_bands_at_the_bottom() -> None:
    levels = np.full((80, 120), -200.0)
    levels[0, 30] = 10.0
    image = opened(spectrogram_png(levels, 10.0))
    assert image.size == (120, 80)
    light = brightness(image)
    assert [int(place) for place in np.unravel_index(light.argmax(), light.shape)] == [79, 30]


def test_levels_beyond_the_range_get_the_last_colours() -> None:
    levels = np.array([[-1000.0, -RANGE_DB, 0.0, 50.0]])
    pixels = np.asarray(opened(spectrogram_png(levels, 0.0)))[0].tolist()
    assert pixels == [0, 0, 255, 255]


def test_lightness_rises_with_the_level() -> None:
    light = brightness(opened(level_scale_png()))[0]
    assert light.size == 256
    assert (np.diff(light) >= -0.5).all()
    assert light[-1] - light[0] > 200


def test_equal_levels_are_dark_and_both_signs_are_told_apart() -> None:
    image = opened(difference_png(np.array([[-DIFFERENCE_DB, 0.0, DIFFERENCE_DB]]))).convert("RGB")
    lost, equal, added = (image.getpixel((column, 0)) for column in range(3))
    assert isinstance(lost, tuple)
    assert isinstance(equal, tuple)
    assert isinstance(added, tuple)
    assert max(equal) < 40
    assert lost[2] - lost[0] > 100
    assert added[0] - added[2] > 100


@pytest.mark.parametrize("scale", [level_scale_png, difference_scale_png])
def test_a_scale_is_one_row_of_all_colours(scale: object) -> None:
    assert callable(scale)
    assert opened(scale()).size == (256, 1)
