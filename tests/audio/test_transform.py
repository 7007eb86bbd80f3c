"""Lengths of transforms: no large prime factor, and not much longer than asked for."""

from __future__ import annotations

import pytest

from kokoro_tui.audio.transform import fast_length


@pytest.mark.parametrize("size", [1, 2, 7, 11, 17, 24_000, 600 * 683, 600 * 719, 2**20 + 1])
def test_a_length_is_quick_and_at_most_a_quarter_longer(size: int) -> None:
    length = fast_length(size)
    assert size <= length <= 1.25 * size
    while length % 2 == 0:
        length //= 2
    assert length in (1, 3, 5, 9, 15)


def test_a_quick_length_stays() -> None:
    assert [fast_length(size) for size in (1, 3, 5, 9, 15, 1024, 24_576)] == [1, 3, 5, 9, 15, 1024, 24_576]
