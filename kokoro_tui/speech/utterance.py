"""Text and voice to the arrays that a Kokoro model takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kokoro_tui.errors import InputError
from kokoro_tui.speech.phonemes import (
    check_language,
    clean_text,
    default_language,
    phonemize,
)
from kokoro_tui.speech.sentences import DEFAULT_TEXT
from kokoro_tui.speech.split import Chunk, split_text
from kokoro_tui.speech.vocabulary import MAX_PHONEMES, PAD_ID, VOCABULARY_SIZE, encode
from kokoro_tui.speech.voices import FoundVoice, find_voice

__all__ = ["DEFAULT_TEXT", "Utterance", "prepare"]


@dataclass(frozen=True, eq=False)
class Utterance:
    """One run's worth of speech, ready for the model."""

    text: str
    """What is spoken; empty when phonemes were given."""

    phonemes: str
    """Kokoro's phoneme notation, 510 symbols at most."""

    input_ids: npt.NDArray[np.int64]
    """[1, n] token ids, padded with 0 at both ends."""

    style: npt.NDArray[np.float32]
    """[1, 256] style vector of the voice for this length."""

    voice: str
    """The name of the voice that speaks."""

    voice_requested: str | None
    """The voice that was asked for."""

    language: str
    """The language code of the text."""

    speed: float
    """Rate of speech; 1 is normal, 2 twice as fast."""

    notes: tuple[str, ...]
    """What the user should know about it, one sentence each."""


def prepare(
    text: str | None = None,
    *,
    phonemes: str | None = None,
    voice: str | None = None,
    language: str | None = None,
    g2p: str = "espeak",
    vocabulary_size: int = VOCABULARY_SIZE,
    speed: float = 1.0,
    allow_network: bool = True,
) -> tuple[Utterance, ...]:
    """Turn text, or phonemes, into utterances; more than one only when it exceeds the context of 510.

    Args:
        text: What to say.
        phonemes: Kokoro's notation; where given, it is spoken and the text is not read.
        voice: A voice name or file, or None for the default voice.
        language: One of Kokoro's codes, or None to go by the script of the text.
        g2p: `espeak` or `spacy`.
        vocabulary_size: The rows of the model's token embedding.
        speed: Rate of speech, above 0.
        allow_network: Whether a missing voice may be fetched.

    Raises:
        InputError: Nothing to say, an unknown language, voice or engine, a package that is not installed, a
            speed that is no positive number, or symbols that the model has no embedding for.
    """
    if not (math.isfinite(speed) and speed > 0):
        raise InputError(f"the speed {speed} is not a positive number", "1.0 is normal speed")
    if language is not None:
        check_language(language)
    language = language or default_language(text or "")
    chunks = _chunks(text, phonemes, language, g2p)
    notes = () if len(chunks) == 1 else (_split_note(len(chunks)),)
    ids = [_encode(chunk, vocabulary_size) for chunk in chunks]
    found = find_voice(voice, allow_network=allow_network)
    return tuple(
        _utterance(chunk, chunk_ids, found, language, speed, (*notes, *chunk_notes))
        for chunk, (chunk_ids, chunk_notes) in zip(chunks, ids, strict=True)
    )


def _chunks(text: str | None, phonemes: str | None, language: str, g2p: str) -> tuple[Chunk, ...]:
    """Return what each run speaks."""
    if phonemes is not None:
        chunks = tuple(Chunk("", chunk.phonemes) for chunk in split_text(clean_text(phonemes), str))
    else:
        chunks = split_text(clean_text(text or ""), lambda part: phonemize(part, language, g2p))
    if not chunks:
        raise InputError("there is nothing to say", "give a text, or its phonemes")
    return chunks


def _encode(chunk: Chunk, vocabulary_size: int) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the ids of a chunk, without padding, and notes about symbols left out."""
    encoded = encode(chunk.phonemes)
    left_out = " ".join(encoded.dropped)
    if not encoded.ids:
        raise InputError(
            f"none of the symbols {left_out} is in Kokoro's vocabulary", "give a text, or Kokoro's phonemes"
        )
    highest = max(encoded.ids)
    if highest >= vocabulary_size:
        symbol = next(symbol for symbol in chunk.phonemes if encode(symbol).ids == (highest,))
        raise InputError(
            f"the symbol {symbol} has id {highest}, but the model's vocabulary ends at {vocabulary_size - 1}",
            "use a Kokoro-82M v1.0 model, or phonemes without it",
        )
    return encoded.ids, (f"symbols outside Kokoro's vocabulary were left out: {left_out}",) if left_out else ()


def _utterance(
    chunk: Chunk,
    ids: tuple[int, ...],
    found: FoundVoice,
    language: str,
    speed: float,
    notes: tuple[str, ...],
) -> Utterance:
    """Put the arrays of one run together; the style row counts all phonemes, those left out as well."""
    return Utterance(
        text=chunk.text,
        phonemes=chunk.phonemes,
        input_ids=np.array([[PAD_ID, *ids, PAD_ID]], dtype=np.int64),
        style=found.voice.style_for(len(chunk.phonemes)),
        voice=found.voice.name,
        voice_requested=found.requested,
        language=language,
        speed=speed,
        notes=(*notes, found.note) if found.note else notes,
    )


def _split_note(count: int) -> str:
    return f"longer than the {MAX_PHONEMES} phonemes of one run, so it is spoken in {count} parts"
