"""What is remembered of places, colours and drawings, given back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import _lru_cache_wrapper
from typing import Any

_DRAWING = ("rich.", "textual.", "kokoro_tui.tui.")
"""Starts of the names of modules that draw."""
_LEAST_ENTRIES = 1024
"""Caches that hold fewer are left alone."""


def forget_drawings() -> None:
    """Empty the caches of all that draws; takes some 2 ms.

    They keep up to 16,384 results each, of every size that the terminal has had, every theme and every dialog that is
    closed; one of them keeps closed dialogs' widgets themselves. In a soak that was 20 MiB after 18 minutes.
    """
    for cache in _caches():
        cache.cache_clear()


def _caches() -> Iterator[_lru_cache_wrapper[Any]]:
    for name, module in tuple(sys.modules.items()):
        if not name.startswith(_DRAWING):
            continue
        for value in tuple(vars(module).values()):
            if getattr(value, "__module__", None) == name:  # where it is defined, not where it is imported
                yield from _of(value)


def _of(value: object) -> Iterator[_lru_cache_wrapper[Any]]:
    """The caches that a function, or a method of a class, is."""
    for found in tuple(vars(value).values()) if isinstance(value, type) else (value,):
        function = getattr(found, "__func__", found)  # of a class method
        if isinstance(function, _lru_cache_wrapper) and (function.cache_info().maxsize or 0) >= _LEAST_ENTRIES:
            yield function
