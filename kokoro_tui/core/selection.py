"""The one matcher that filter, preview, rules and locks share."""

from __future__ import annotations

import re as _stdlib_re  # only its error class: regex raises its own, which is the same shape
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

import regex

from kokoro_tui.errors import InputError

MATCH_TIMEOUT_SECONDS = 0.5
"""Longest time that one pattern may spend on all names together (``regex`` gives the interpreter lock up to it)."""


class SelectionError(InputError):
    """A pattern that cannot be compiled, or that takes too long."""


@dataclass(frozen=True)
class Matcher:
    """A compiled pattern that is searched for anywhere in a name."""

    pattern: str
    _compiled: regex.Pattern[str]

    @classmethod
    def compile(cls, pattern: str) -> Matcher:
        """Compile a pattern.

        Raises:
            SelectionError: It is not a valid regular expression; the message names the position.
        """
        try:
            return cls(pattern, regex.compile(pattern))
        except (regex.error, _stdlib_re.error, OverflowError, RecursionError) as error:
            position = getattr(error, "pos", None)
            where = f" at position {position}" if position is not None else ""
            reason = getattr(error, "msg", None) or str(error)
            raise SelectionError(
                f"invalid regular expression {_shortened(pattern)}: {reason}{where}",
                "escape special characters with a backslash, as in conv_post\\.",
            ) from error

    def select(self, names: Iterable[str]) -> tuple[str, ...]:
        """Names in which the pattern is found, in the order given.

        Raises:
            SelectionError: The pattern takes longer than ``MATCH_TIMEOUT_SECONDS`` on all of them.
        """
        deadline = monotonic() + MATCH_TIMEOUT_SECONDS
        return tuple(name for name in names if self._search(name, deadline))

    def _search(self, name: str, deadline: float) -> bool:
        try:
            remaining = deadline - monotonic()
            if remaining <= 0:
                raise TimeoutError
            return self._compiled.search(name, timeout=remaining) is not None
        except (TimeoutError, MemoryError) as error:
            raise SelectionError(
                f"the pattern {_shortened(self.pattern)} takes too long to match",
                "avoid nested repeats such as (a+)+",
            ) from error


def _shortened(pattern: str) -> str:
    """A pattern as it is quoted in messages, which are one line."""
    return repr(pattern if len(pattern) <= _SHOWN_CHARACTERS else f"{pattern[:_SHOWN_CHARACTERS]}…")


_SHOWN_CHARACTERS = 80
