"""Text to phonemes (G2P) by misaki, for the languages that Kokoro speaks."""

from __future__ import annotations

import logging
import platform
import re
import sys
import threading
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from importlib import metadata

from kokoro_tui.errors import InputError
from kokoro_tui.speech.sentences import shipped_phonemes

Converter = Callable[[str], str]

DEFAULT_LANGUAGE = "en-us"

ENGLISH = ("en-us", "en-gb")

LANGUAGES = (*ENGLISH, "es", "fr-fr", "hi", "it", "pt-br", "ja", "zh")
"""Kokoro's language codes; all but the last two are espeak's codes as well."""

G2P_ENGINES = ("espeak", "spacy")

SPACY_MODEL = "en_core_web_sm"
"""The spaCy package that `misaki.en` reads; misaki would download it where it is missing."""

# Hiragana and katakana, the iteration mark, kanji with extension A, half-width katakana.
_JAPANESE = re.compile("[\u3040-\u30ff\u3005\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9d]")

# Invisible, yet part of the spelling in Hindi: the zero-width joiners.
_JOINERS = "\u200c\u200d"

# espeak keeps its state in globals of its library, so one phrase at a time.
_g2p_lock = threading.Lock()


def default_language(text: str) -> str:
    """Return `ja` when the text holds kana or kanji, else `en-us`; the voice plays no part."""
    return "ja" if _JAPANESE.search(text) else DEFAULT_LANGUAGE


def clean_text(text: str) -> str:
    """Return the text on one line: no control characters, lone surrogates or invisible marks."""

    def keep(character: str) -> str:
        category = unicodedata.category(character)
        if category == "Cf" and character not in _JOINERS:
            return ""
        return " " if category in ("Cc", "Cs") else character

    return " ".join("".join(map(keep, text)).split())


def phonemize(text: str, language: str = DEFAULT_LANGUAGE, g2p: str = "espeak") -> str:
    """Turn text into Kokoro's phoneme notation; texts that ship come with theirs.

    English goes through espeak (`misaki.espeak.EspeakG2P`) unless spaCy is asked for. Kokoro was trained with
    `misaki.en`: where espeak writes `ː`, `ɚ`, `ɾ` and `ɜː`, that has nothing, `əɹ`, `T` and `ɜɹ`, and reads a
    number such as 3,210 or $5.50 as one. Both keep to the vocabulary but for brackets and rare letters.

    Args:
        text: Any text; markup is read as plain text, control characters as spaces.
        language: One of `LANGUAGES`.
        g2p: `espeak`, or `spacy` for English where the spaCy model is installed.

    Returns:
        The phonemes; empty when the text holds nothing to say.

    Raises:
        InputError: An unknown language or engine, a package that is not installed, or a text that the G2P
            cannot read.
    """
    check_language(language)
    if g2p not in G2P_ENGINES:
        raise InputError(f"there is no G2P engine {g2p!r}", f"use one of: {', '.join(G2P_ENGINES)}")
    if g2p == "spacy" and language not in ENGLISH:
        raise InputError(f"the spacy engine speaks English only, not {language}", "leave it out, or choose en-us")
    # Composed, because espeak reads a letter and its combining accent as two letters.
    cleaned = unicodedata.normalize("NFC", clean_text(text))
    if (language, g2p) == (DEFAULT_LANGUAGE, "espeak") and (known := shipped_phonemes().get(cleaned)):
        return known  # without misaki, which Python 3.13 has no release of
    if not cleaned:
        return ""
    with _g2p_lock:
        convert = _load_g2p(language, g2p)
        try:
            return convert(cleaned).strip()
        except Exception as error:
            raise InputError(
                f"the text could not be turned into phonemes ({type(error).__name__})",
                "change the text, or give its phonemes instead",
            ) from error


def check_language(language: str) -> None:
    """Raise InputError unless Kokoro knows the language code."""
    if language not in LANGUAGES:
        raise InputError(f"Kokoro has no language {language!r}", f"use one of: {', '.join(LANGUAGES)}")


@lru_cache(maxsize=len(LANGUAGES) + len(ENGLISH))
def _load_g2p(language: str, g2p: str) -> Converter:
    """Return the converter, built once per process; a failure is not remembered."""
    try:
        if language == "ja":
            return _load_japanese()
        if language == "zh":
            return _load_chinese()
        return _load_spacy(language) if g2p == "spacy" else _load_espeak(language)
    except InputError:
        raise
    except ImportError as error:
        raise _missing_package(error, language) from error
    except Exception as error:
        raise InputError(
            f"the G2P for {language} does not start ({type(error).__name__})",
            "reinstall misaki and espeakng-loader, or give phonemes instead of text",
        ) from error


def _load_espeak(language: str) -> Converter:
    # Late: phonemizer takes 0.4 s to import.
    from misaki.espeak import EspeakG2P

    converter = EspeakG2P(language=language)
    return lambda text: str(converter(text)[0])


def _load_spacy(language: str) -> Converter:
    try:
        metadata.distribution(SPACY_MODEL)
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"the spaCy model {SPACY_MODEL} is not installed",
            f"install it with `python -m spacy download {SPACY_MODEL}`, or use espeak",
        ) from error
    # Late: misaki.en imports spaCy, and spaCy's plug-ins import torch.
    from misaki.en import G2P
    from misaki.espeak import EspeakFallback

    british = language == "en-gb"
    converter = G2P(british=british, fallback=EspeakFallback(british=british), unk="")
    return lambda text: str(converter(text)[0])


def _load_japanese() -> Converter:
    # Late: loads a dictionary of the extra misaki[ja].
    from misaki.ja import JAG2P

    try:
        converter = JAG2P()
    except RuntimeError as error:
        raise InputError(
            "the Japanese dictionary (unidic) cannot be read", "download it with `python -m unidic download`"
        ) from error
    return lambda text: str(converter(text)[0])


def _load_chinese() -> Converter:
    # Late: loads the dictionaries of the extra misaki[zh].
    from misaki.zh import ZHG2P

    # Its word splitter tells of its dictionary on stderr, by a handler of its own.
    logging.getLogger("jieba").setLevel(logging.WARNING)
    converter = ZHG2P()
    return lambda text: str(converter(text)[0])


def _missing_package(error: ImportError, language: str) -> InputError:
    """Word the error for a package that is not installed."""
    if (error.name or "").partition(".")[0] == "misaki" and sys.version_info >= (3, 13):
        return InputError(
            "text cannot be turned into phonemes on Python "
            f"{platform.python_version()}: misaki, which does it, has no release for 3.13 and later",
            "say a sentence that ships, give phonemes instead, or use Python 3.11 or 3.12",
        )
    packages = f'"misaki[{language}]"' if language in ("ja", "zh") else "misaki phonemizer-fork espeakng-loader"
    return InputError(
        f"text in {language} needs a package that is not installed ({error.name or error})",
        f"pip install {packages}, or give phonemes instead of text",
    )
