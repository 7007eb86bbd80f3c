"""Splitting: the limit holds, nothing is lost, and cuts fall where a speaker would pause."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kokoro_tui.speech.split import Chunk, split_text
from kokoro_tui.speech.vocabulary import MAX_PHONEMES


def texts(text: str, limit: int) -> list[str]:
    return [chunk.text for chunk in split_text(text, str, limit)]


def test_text_that_fits_is_left_whole() -> None:
    text = "One. Two. Three."
    assert split_text(text, str, len(text)) == (Chunk(text, text),)


def test_default_limit_is_the_context() -> None:
    text = "a" * MAX_PHONEMES
    assert len(split_text(text, str)) == 1
    assert len(split_text(text + "a", str)) == 2


def test_cuts_at_sentence_ends_first() -> None:
    assert texts("One, two and three. Four, five and six.", 25) == [
        "One, two and three.",
        "Four, five and six.",
    ]


def test_closing_quotes_stay_with_their_sentence() -> None:
    assert texts("“Who is there?” “Nobody, sir.”", 20) == ["“Who is there?”", "“Nobody, sir.”"]


def test_a_point_inside_a_number_or_name_is_no_sentence_end() -> None:
    assert texts("version 3.141592 is out, today", 24) == ["version 3.141592 is out,", "today"]


def test_cuts_at_clauses_next() -> None:
    assert texts("one two three, four five six", 20) == ["one two three,", "four five six"]


def test_cuts_at_spaces_last() -> None:
    assert texts("one two three four", 10) == ["one two", "three four"]


def test_cuts_inside_a_word_only_when_there_is_no_space() -> None:
    assert texts("abcdefghij", 4) == ["abc", "def", "ghij"]


def test_japanese_needs_no_space_behind_punctuation() -> None:
    assert texts("これは本です。あれは犬です。", 8) == ["これは本です。", "あれは犬です。"]


def test_parts_are_of_similar_length() -> None:
    sentence = "This is one sentence. "
    parts = texts(sentence * 30, 440)
    assert len(parts) == 2
    assert {len(part) for part in parts} == {len(sentence) * 15 - 1}


def test_limit_counts_phonemes_not_letters() -> None:
    chunks = split_text("ab cd ef gh", lambda part: part.replace("b", "b" * 8), 12)
    assert chunks == (Chunk("ab cd", "abbbbbbbb cd"), Chunk("ef gh", "ef gh"))


def test_one_letter_of_many_phonemes_is_cut_by_phonemes() -> None:
    assert [chunk.phonemes for chunk in split_text("x", lambda part: "abcde", 2)] == ["ab", "cd", "e"]


def test_parts_without_phonemes_are_left_out() -> None:
    assert split_text("", str) == ()
    assert split_text("…", lambda part: "") == ()


@given(st.text(alphabet="ab .,?!—。、\u0303é", max_size=300), st.integers(1, 40))
def test_nothing_is_lost_and_the_limit_holds(text: str, limit: int) -> None:
    chunks = split_text(text, str, limit)
    assert all(0 < len(chunk.phonemes) <= limit for chunk in chunks)
    assert "".join("".join(chunk.phonemes for chunk in chunks).split()) == "".join(text.split())
