"""Sentences to judge a model by."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

DEFAULT_TEXT = "The lighthouse keeper counted seven ships, and six of them slipped softly past the reef."
"""The evaluation sentence unless another is asked for: about five seconds of speech."""


@dataclass(frozen=True)
class Speech:
    """What is said, and by whom."""

    text: str
    voice: str | None = None
    """A voice name or file; None for the default voice."""


@dataclass(frozen=True)
class ShippedSentence:
    """One sentence of the built-in evaluation set."""

    text: str
    stresses: str
    """What it is hard on, such as ``sibilants``."""


def load_shipped() -> tuple[ShippedSentence, ...]:
    """Return the built-in evaluation set: English sentences, each of which stresses something."""
    return tuple(ShippedSentence(text, stresses) for stresses, text in _rows("sentences.txt"))


def load_sentences() -> tuple[str, ...]:
    """Return the texts of the built-in evaluation set, one sentence per entry."""
    return tuple(sentence.text for sentence in load_shipped())


@cache
def shipped_phonemes() -> dict[str, str]:
    """American English phonemes, as espeak gives them, of every text that ships: they need no G2P."""
    return dict(_rows("phonemes.tsv"))


def _rows(name: str) -> list[list[str]]:
    """The cells of a table that ships, whose columns are parted by tabs."""
    data = resources.files("kokoro_tui.speech.data").joinpath(name).read_text(encoding="utf-8")
    return [line.split("\t") for line in data.splitlines()]
