"""Ranges of bytes."""

from __future__ import annotations

import pytest

from kokoro_tui.web.ranges import byte_range


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-", range(100)),
        ("bytes=0-9", range(10)),
        ("bytes=90-200", range(90, 100)),
        ("bytes=99-99", range(99, 100)),
        ("bytes=-10", range(90, 100)),
        ("bytes=-1000", range(100)),
        ("bytes = 5 - 6", range(5, 7)),
        ("bytes=0-1, 5-6", range(2)),
        ("bytes=100-", None),
        ("bytes=9-5", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=", None),
        ("lines=0-9", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 5000 + "-", None),
        ("", None),
    ],
)
def test_ranges(header: str, expected: range | None) -> None:
    assert byte_range(header, 100) == expected
