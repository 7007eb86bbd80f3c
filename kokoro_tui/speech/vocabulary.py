"""The phoneme vocabulary that Kokoro-82M was trained with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType

VOCABULARY_SIZE = 178
"""Rows of Kokoro's embedding tables (`n_token`): ids 1 to 177 are symbols, 0 pads both ends."""

PAD_ID = 0
"""The id before the first and after the last symbol."""

MAX_PHONEMES = 510
"""Symbols that fit one run: the model's 512 positions less the padding at both ends."""


@dataclass(frozen=True)
class EncodedPhonemes:
    """A phoneme string as token ids, without padding."""

    ids: tuple[int, ...]
    """One id for each symbol that the vocabulary knows."""

    dropped: tuple[str, ...]
    """The distinct symbols it does not know, in order of appearance."""


@lru_cache(maxsize=1)
def load_vocabulary() -> Mapping[str, int]:
    """Return the 114 symbols and their ids; the data file names its source."""
    text = resources.files("kokoro_tui.speech.data").joinpath("vocabulary.json").read_text(encoding="utf-8")
    symbols: dict[str, int] = json.loads(text)["vocabulary"]
    return MappingProxyType(symbols)


def encode(phonemes: str) -> EncodedPhonemes:
    """Look up every symbol; unknown ones are left out, as `kokoro.KModel.forward` does, and reported."""
    vocabulary = load_vocabulary()
    ids = tuple(vocabulary[symbol] for symbol in phonemes if symbol in vocabulary)
    dropped = tuple(dict.fromkeys(symbol for symbol in phonemes if symbol not in vocabulary))
    return EncodedPhonemes(ids, dropped)
