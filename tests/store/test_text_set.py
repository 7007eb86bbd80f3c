"""Files of sentences."""

from __future__ import annotations

from pathlib import Path

import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.store.text_set import calibration_set, read_text_set


def test_columns_are_found_in_any_order_and_case(tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text('TEXT,Source,voice\n"One, two.",x,jf_alpha\n\nThree.,y,\n', encoding="utf-8")
    assert read_text_set(path) == (("jf_alpha", "One, two."), (None, "Three."))


def test_plain_lines_have_no_voice(tmp_path: Path) -> None:
    path = tmp_path / "set.txt"
    path.write_text("One, two.\n\n  Three.\n", encoding="utf-8")
    assert read_text_set(path) == ((None, "One, two."), (None, "Three."))


def test_the_shipped_set_names_a_voice_for_every_sentence() -> None:
    pairs = calibration_set()
    assert len(pairs) >= 8
    assert all(voice and len(text) > 10 for voice, text in pairs)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "Voice,Sentence\njf_alpha,One.\n", r"a\.csv has no column Text"),
        ("a.csv", "Voice,Text\njf_alpha,\n", r"a\.csv holds no sentence"),
        ("a.csv", 'Voice,Text\njf_alpha,"One\n', r"a\.csv is not a CSV file"),
        ("a.txt", "\n \n", r"a\.txt holds no sentence"),
    ],
)
def test_what_holds_no_sentences_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=message) as caught:
        read_text_set(tmp_path / name)
    assert caught.value.hint == "write one sentence a line, or CSV with the header Voice,Text"
