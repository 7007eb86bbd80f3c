"""Cutting text that is longer than one run of Kokoro can take."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from kokoro_tui.speech.vocabulary import MAX_PHONEMES

# Where a cut may fall, best first: after a sentence, after a clause, at a space. Chinese and Japanese
# punctuation needs no space behind it.
_BOUNDARIES = (
    re.compile(r"[.!?…।]+[\"”’)»]*\s+|[。！？]+[」』）]*\s*"),
    re.compile(r"[,;:—][\"”’)»]*\s+|[、，；：]\s*"),
    re.compile(r"\s+"),
)


@dataclass(frozen=True)
class Chunk:
    """What one run speaks."""

    text: str
    """The part of the text."""

    phonemes: str
    """Its phonemes, 510 at most."""


def split_text(text: str, to_phonemes: Callable[[str], str], limit: int = MAX_PHONEMES) -> tuple[Chunk, ...]:
    """Cut a text into chunks whose phonemes fit one run.

    The phonemes of each part are counted after conversion, so the limit holds exactly. A text that fits is
    left whole; a longer one is cut into parts of similar length, so that no chunk is a lone last word.

    Args:
        text: The text; pass phonemes themselves with an identity function to split those.
        to_phonemes: The conversion, called for each part that is tried.
        limit: The most phonemes in a chunk, at least 1.

    Returns:
        The chunks in order; parts without phonemes are left out.
    """
    phonemes = to_phonemes(text)
    if len(phonemes) <= limit:
        return (Chunk(text, phonemes),) if phonemes else ()
    if len(text) < 2:
        return tuple(Chunk(text, phonemes[start : start + limit]) for start in range(0, len(phonemes), limit))
    parts = -(-len(phonemes) // limit)
    cut = _cut_position(text, target=len(text) * (parts // 2) // parts)
    return tuple(
        chunk
        for part in (text[:cut].strip(), text[cut:].strip())
        if part
        for chunk in split_text(part, to_phonemes, limit)
    )


def _cut_position(text: str, target: int) -> int:
    """Return the position of the best kind of boundary there is, the nearest to the target."""
    for boundary in _BOUNDARIES:
        ends = [match.end() for match in boundary.finditer(text) if match.end() < len(text)]
        if ends:
            return min(ends, key=lambda end: abs(end - target))
    return max(1, target)
