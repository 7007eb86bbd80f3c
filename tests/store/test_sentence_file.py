from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoro_tui.errors import InputError
from kokoro_tui.store.sentence_file import read_user_sentences, sentences_path, write_user_sentences

TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip).filter(bool)


def test_nothing_is_kept_to_begin_with() -> None:
    assert read_user_sentences() == ()
    write_user_sentences([])
    assert sentences_path().exists()
    assert read_user_sentences() == ()


def test_sentences_come_back_with_their_voices() -> None:
    pairs = ((None, 'He said, "no".'), ("af_heart", "Größe, 100 %"))
    write_user_sentences(pairs)
    assert read_user_sentences() == pairs
    assert sentences_path().read_text(encoding="utf-8").startswith("Voice,Text\n")


@given(st.lists(TEXTS, max_size=4))
def test_any_sentence_comes_back(texts: list[str]) -> None:
    pairs = tuple((None, text) for text in texts)
    write_user_sentences(pairs)
    assert read_user_sentences() == pairs


def test_a_broken_file_is_an_error() -> None:
    sentences_path().write_bytes(b"Voice,Text\n\xff\xfe\xfa broken")
    with pytest.raises(InputError, match="not UTF-8"):
        read_user_sentences()
