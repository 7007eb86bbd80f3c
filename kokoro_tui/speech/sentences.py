"""Sentences to judge a model by."""

from __future__ import annotations

from importlib import resources

DEFAULT_TEXT = "The lighthouse keeper counted seven ships, and six of them slipped softly past the reef."
"""The evaluation sentence unless another is asked for: about five seconds of speech."""


def load_sentences() -> tuple[str, ...]:
    """Return the built-in evaluation set, one English sentence per entry."""
    text = resources.files("kokoro_tui.speech.data").joinpath("sentences.txt").read_text(encoding="utf-8")
    return tuple(text.splitlines())
