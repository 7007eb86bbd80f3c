"""How the C library keeps memory that was freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
"""Parameters of mallopt(3)."""
_MMAP_BYTES = 128 * 1024
"""glibc's first threshold, above which an array goes back to the system when it is freed."""


def give_back_freed_memory() -> None:
    """Let a program that stays open for hours stay small; does nothing where the C library is not glibc.

    By itself glibc gives every worker thread an arena of its own, up to eight for each core, and keeps in it what was
    freed; and it raises the size above which arrays go back to the system to that of the largest one so far. Setting
    that size keeps it where it is. Must be called before the first thread starts.
    """
    with suppress(AttributeError, OSError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, 1)
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
