"""Sentences to judge a model by."""

from __future__ import annotations

from dataclasses import dataclass
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
    data = resources.files("kokoro_tui.speech.data").joinpath("sentences.txt").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in data.splitlines())
    return tuple(ShippedSentence(text, stresses) for stresses, text in rows)


def load_sentences() -> tuple[str, ...]:
    """Return the texts of the built-in evaluation set, one sentence per entry."""
    return tuple(sentence.text for sentence in load_shipped())
