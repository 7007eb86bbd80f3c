"""The Range header of HTTP, as far as a player needs it (RFC 9110, section 14)."""

from __future__ import annotations

import re

_ONE_RANGE = re.compile(r"bytes=(?P<first>\d{0,15})-(?P<last>\d{0,15})")


def byte_range(header: str, size: int) -> range | None:
    """The bytes that a header asks for; None if it cannot be satisfied.

    Args:
        header: Such as ``bytes=0-99``, ``bytes=100-`` or ``bytes=-100``; only the first of several ranges counts.
        size: Bytes that there are.
    """
    match = _ONE_RANGE.match(header.replace(" ", ""))
    if match is None or match["first"] == match["last"] == "":
        return None
    if match["first"] == "":
        found = range(max(0, size - int(match["last"])), size)
    else:
        last = int(match["last"]) if match["last"] else size - 1
        found = range(int(match["first"]), min(last + 1, size))
    return found if len(found) else None
