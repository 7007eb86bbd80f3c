"""Text and voice to arrays: padding, style row, limits, notes, and everything that must be refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.speech.sentences import load_sentences
from kokoro_tui.speech.utterance import DEFAULT_TEXT, prepare
from kokoro_tui.speech.vocabulary import encode
from tests.python_versions import needs_kokoro


@pytest.fixture
def ramp(tmp_path: Path, styles: npt.NDArray[np.float32]) -> str:
    """A voice file whose style row r holds r."""
    path = tmp_path / "ramp.bin"
    styles.tofile(path)
    return str(path)


@needs_kokoro
def test_one_sentence(ramp: str) -> None:
    (utterance,) = prepare("Hello world!", voice=ramp)
    assert utterance.text == "Hello world!"
    assert utterance.phonemes == "həlˈO wˈɜːld!"
    assert utterance.input_ids.dtype == np.int64
    assert utterance.input_ids.tolist() == [[0, *encode(utterance.phonemes).ids, 0]]
    assert utterance.style.shape == (1, 256)
    assert utterance.style.dtype == np.dtype(np.float32)
    assert utterance.style[0, 0] == len(utterance.phonemes) - 1
    assert (utterance.voice, utterance.voice_requested) == ("ramp", ramp)
    assert (utterance.language, utterance.speed, utterance.notes) == ("en-us", 1.0, ())


def test_phonemes_bypass_the_g2p(ramp: str) -> None:
    (utterance,) = prepare("not read", phonemes=" həlˈO ", voice=ramp, language="it", speed=1.5)
    assert (utterance.text, utterance.phonemes) == ("", "həlˈO")
    assert (utterance.language, utterance.speed) == ("it", 1.5)


def test_symbols_left_out_are_noted_and_count_for_the_style(ramp: str) -> None:
    (utterance,) = prepare(phonemes="a[b]g", voice=ramp)
    assert utterance.input_ids.shape == (1, 4)
    assert utterance.style[0, 0] == 4
    assert utterance.notes == ("symbols outside Kokoro's vocabulary were left out: [ ] g",)


def test_default_voice() -> None:
    (utterance,) = prepare(DEFAULT_TEXT)
    assert (utterance.voice, utterance.voice_requested, utterance.notes) == ("jf_alpha", None, ())


def test_voice_that_is_not_here_is_noted() -> None:
    (utterance,) = prepare(DEFAULT_TEXT, voice="af_bella")
    assert (utterance.voice, utterance.voice_requested) == ("jf_alpha", "af_bella")
    assert len(utterance.notes) == 1
    assert "af_bella" in utterance.notes[0]


@needs_kokoro
def test_long_text_is_split_at_sentence_ends(ramp: str) -> None:
    text = " ".join([*load_sentences()] * 2)
    utterances = prepare(text, voice=ramp)
    assert len(utterances) > 2
    assert " ".join(utterance.text for utterance in utterances) == text
    for utterance in utterances:
        assert utterance.text[-1] in ".!?"
        assert utterance.input_ids.shape[1] <= 512
        assert utterance.style[0, 0] == len(utterance.phonemes) - 1
        assert utterance.notes == (
            f"longer than the 510 phonemes of one run, so it is spoken in {len(utterances)} parts",
        )


def test_long_phonemes_are_split(ramp: str) -> None:
    phonemes = " ".join(["həlˈO wˈɜːld."] * 80)
    utterances = prepare(phonemes=phonemes, voice=ramp)
    assert " ".join(utterance.phonemes for utterance in utterances) == phonemes
    assert max(utterance.input_ids.shape[1] for utterance in utterances) <= 512


def test_longest_utterance_fits(ramp: str) -> None:
    (utterance,) = prepare(phonemes="a" * 510, voice=ramp)
    assert utterance.input_ids.shape == (1, 512)
    assert utterance.style[0, 0] == 509


def test_default_text_is_one_utterance() -> None:
    assert len(prepare(DEFAULT_TEXT, voice="jf_alpha")) == 1


def test_built_in_sentences_are_single_and_distinct() -> None:
    sentences = load_sentences()
    assert len(set(sentences)) == len(sentences) == 12
    assert all(sentence == sentence.strip() and sentence[-1] in ".!?" for sentence in sentences)


@pytest.mark.parametrize("text", [None, "", " \n\t", "\x00\x1b"])
def test_nothing_to_say(text: str | None) -> None:
    with pytest.raises(InputError, match="nothing to say"):
        prepare(text)


def test_empty_phonemes() -> None:
    with pytest.raises(InputError, match="nothing to say"):
        prepare("Hello", phonemes=" ")


def test_phonemes_of_no_known_symbol() -> None:
    with pytest.raises(InputError, match=r"none of the symbols g \[ is in"):
        prepare(phonemes="g[")


def test_ids_beyond_the_model_are_refused_before_any_voice_is_sought() -> None:
    with pytest.raises(InputError, match="symbol ˈ has id 156, but the model's vocabulary ends at 99"):
        prepare(phonemes="həˈ", voice="no such voice", vocabulary_size=100)


def test_unknown_language_is_refused_with_phonemes_too() -> None:
    with pytest.raises(InputError, match="no language 'xx'"):
        prepare(phonemes="a", language="xx")


def test_unknown_voice() -> None:
    with pytest.raises(InputError, match="no voice 'nobody'"):
        prepare(DEFAULT_TEXT, voice="nobody")


@pytest.mark.parametrize("speed", [0.0, -1.0, math.nan, math.inf])
def test_speed_must_be_positive(speed: float) -> None:
    with pytest.raises(InputError, match="not a positive number"):
        prepare("Hi.", speed=speed)
