"""Which sentences auditions say."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.events import Key
from textual.widgets import Input, Label, OptionList

from kokoro_tui.errors import InputError
from kokoro_tui.jobs.phonemes import PhonemeReader
from kokoro_tui.speech.phonemes import phonemize
from kokoro_tui.speech.sentences import DEFAULT_TEXT, Speech, load_shipped
from kokoro_tui.store.sentence_file import read_user_sentences, write_user_sentences
from kokoro_tui.tui.screens.speaking import SpeakingScreen
from kokoro_tui.tui.screens.speech import SpeechScreen
from kokoro_tui.tui.sentences import Sentences
from tests.python_versions import needs_kokoro
from tests.tui.conftest import FakePlayer, Open, Opened
from tests.tui.renderings import FakeAuditions, install

STYLE = "/encoder/style/Gemm"
MINE = Speech("my own words", "am_adam")


@pytest.fixture
def spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phonemes without a child process: the text backwards."""

    def read(self: SpeakingScreen, text: str) -> str:
        if "bad" in text:
            raise InputError("that cannot be read", "write something else")
        return text[::-1]

    monkeypatch.setattr(SpeakingScreen, "_read_phonemes", read)


async def open_sentences(opened: Opened) -> SpeechScreen:
    """Open the dialog."""
    await opened.press("d")
    await opened.until(lambda: isinstance(opened.app.screen, SpeechScreen))
    screen = opened.app.screen
    assert isinstance(screen, SpeechScreen)
    return screen


def phonemes(screen: SpeechScreen) -> str:
    """What is shown under the text."""
    return str(screen.query_one("#speech-phonemes", Label).render())


# The list


def test_the_shipped_set_stresses_what_is_hard() -> None:
    shipped = load_shipped()
    topics = {sentence.stresses for sentence in shipped}
    assert topics >= {"sibilants", "plosives", "silence", "long vowels", "numbers", "names"}
    told = {topic: "".join(phonemize(s.text) for s in shipped if s.stresses == topic) for topic in topics}

    def share(topic: str, symbols: str) -> float:
        return sum(told[topic].count(symbol) for symbol in symbols) / len(told[topic])

    everything = "".join(told.values())
    for topic, symbols in {"sibilants": "szʃʒ", "plosives": "pbtdkɡ", "long vowels": "uɔOː", "nasals": "mnŋ"}.items():
        usual = sum(everything.count(symbol) for symbol in symbols) / len(everything)
        assert share(topic, symbols) > 1.5 * usual, topic


def test_what_is_chosen_is_listed_wherever_it_comes_from() -> None:
    found = Sentences.gathered([MINE], [Speech("new"), Speech(DEFAULT_TEXT)])
    assert found.chosen == (Speech("new"), Speech(DEFAULT_TEXT))
    assert found.own == (Speech("new"), MINE)
    assert len(found.rows) == 3 + len(load_shipped())


def test_a_shipped_sentence_stays_beside_its_changed_copy() -> None:
    found = Sentences.gathered([], [Speech(DEFAULT_TEXT)])
    changed, place = found.edited(0, Speech(DEFAULT_TEXT, "am_adam"))
    assert place == 0
    assert changed.chosen == changed.own == (Speech(DEFAULT_TEXT, "am_adam"),)
    assert changed.rows[1].speech == Speech(DEFAULT_TEXT)
    again, place = changed.edited(0, MINE)
    assert (again.own, place, len(again.rows)) == ((MINE,), 0, len(changed.rows))


# The dialog


async def test_text_and_phonemes_follow_each_other(open_app: Open, toy_model: Path, spelled: None) -> None:
    async with open_app(toy_model, text="hello") as opened:
        screen = await open_sentences(opened)
        await opened.until(lambda: phonemes(screen) == "olleh")
        await opened.press("end", "!")
        await opened.until(lambda: phonemes(screen) == "!olleh")
        screen.query_one("#speech-text", Input).value = "[bold]bad"
        await opened.until(lambda: "that cannot be read; write something else" in phonemes(screen))
        await opened.press("down", "down")
        await opened.until(lambda: phonemes(screen) == DEFAULT_TEXT[::-1])
        assert screen.query_one("#speech-text", Input).value == DEFAULT_TEXT


async def test_several_are_chosen_and_own_ones_kept(open_app: Open, toy_model: Path, spelled: None) -> None:
    write_user_sentences([(MINE.voice, MINE.text)])
    shipped = load_shipped()
    async with open_app(toy_model) as opened:
        await open_sentences(opened)
        assert f"{MINE.text}" in opened.screen_text and "am_adam" in opened.screen_text
        await opened.press("down", "down", "space")  # from the default sentence to the first shipped one
        assert "2 of 14 are said in auditions" in opened.screen_text
        await opened.press("ctrl+n")
        await opened.type("new one")
        await opened.press("enter")
        assert opened.main.speeches == (Speech("new one"), Speech(DEFAULT_TEXT), Speech(shipped[0].text))
        await opened.until(lambda: read_user_sentences() == ((None, "new one"), ("am_adam", MINE.text)))
        screen = await open_sentences(opened)
        assert [row.chosen for row in screen.sentences.rows][:4] == [True, False, True, True]
        await opened.press("down", "delete")
        assert screen.sentences.own == (MINE,)
        await opened.press("end", "delete")
        assert len(screen.sentences.rows) == 14, "shipped ones stay"
        await opened.press("enter")
        await opened.until(lambda: read_user_sentences() == (("am_adam", MINE.text),))


async def test_keys_of_one_burst_delete_what_the_cursor_is_on(open_app: Open, toy_model: Path, spelled: None) -> None:
    """News of the cursor come after them, and may be of a row that is gone."""
    write_user_sentences([(MINE.voice, MINE.text)])
    async with open_app(toy_model) as opened:
        screen = await open_sentences(opened)
        mine = next(index for index, row in enumerate(screen.sentences.rows) if row.own)
        options = screen.query_one(OptionList)
        options.highlighted = mine
        await opened.pilot.pause()
        rows = screen.sentences.rows
        options.highlighted = len(rows) - 1
        screen.action_remove()
        assert screen.sentences.rows == rows, "shipped ones stay"
        options.highlighted = mine
        screen.action_remove()
        assert screen.sentences.own == ()
        await opened.pilot.pause()
        assert screen.query_one("#speech-text", Input).value == screen.sentences.rows[mine].speech.text
    assert not opened.app.failed


async def test_all_of_a_burst_is_taken(open_app: Open, toy_model: Path, spelled: None) -> None:
    """Enter comes before the fields have told of the last letters."""
    async with open_app(toy_model, text="hello", voice="af") as opened:
        await open_sentences(opened)
        await opened.press("end")
        await opened.type_at_once(", said the woman with the cello case")
        assert opened.main.speeches == (Speech("hello, said the woman with the cello case", "af"),)
        screen = await open_sentences(opened)
        await opened.press("tab", "end")
        for letter in "_heart":
            opened.app.post_message(Key(letter, letter))
        opened.app.post_message(Key("ctrl+n", None))
        await opened.until(lambda: not screen.sentences.rows[0].speech.text)
        assert screen.sentences.rows[1].speech.voice == "af_heart"


async def test_a_file_of_sentences_is_added(open_app: Open, toy_model: Path, spelled: None, tmp_path: Path) -> None:
    path = tmp_path / "set.csv"
    path.write_text('Voice,Text\naf_heart,"One, two."\n,Three.\n', encoding="utf-8")
    (tmp_path / "empty.txt").write_text("\n", encoding="utf-8")
    async with open_app(toy_model, text="hello") as opened:
        screen = await open_sentences(opened)
        for name in ("empty.txt", "set.csv"):
            await opened.press("ctrl+o")
            await opened.until(lambda: opened.app.screen is not screen)
            opened.app.screen.query_one(Input).value = str(tmp_path / name)
            await opened.press("enter")
            await opened.until(lambda: opened.app.screen is screen)
            if name == "empty.txt":
                await opened.until(lambda: "holds no sentence" in opened.screen_text)
        await opened.until(lambda: len(screen.sentences.chosen) == 3)
        assert screen.query_one(OptionList).highlighted == 0
        await opened.press("enter")
        assert opened.main.speeches == (Speech("One, two.", "af_heart"), Speech("Three."), Speech("hello"))


async def test_an_empty_sentence_is_not_taken(open_app: Open, toy_model: Path, spelled: None) -> None:
    async with open_app(toy_model, text="hello") as opened:
        screen = await open_sentences(opened)
        screen.query_one("#speech-text", Input).value = "  "
        await opened.press("enter")
        assert opened.app.screen is screen
        await opened.press("escape")
        assert opened.main.speeches == (Speech("hello"),)


async def test_what_is_heard_follows_or_is_marked(
    open_app: Open, toy_model: Path, player: FakePlayer, monkeypatch: pytest.MonkeyPatch, spelled: None
) -> None:
    auditions: FakeAuditions = install(monkeypatch)
    async with open_app(toy_model, text="hello", voice="v") as opened:
        await opened.press("w", "b")
        await opened.until(lambda: opened.main.player_bar.result is not None)
        auditions.go_on.clear()
        screen = await open_sentences(opened)
        screen.query_one("#speech-text", Input).value = "good morning"
        await opened.press("enter")
        await opened.until(lambda: len(auditions.runs) == 2)
        assert opened.main.player_bar.building is not None, "it is rendered at once"
        await opened.press("escape")
        await opened.until(lambda: opened.main.player_bar.building is None)
        assert opened.main.player_bar.differs == "other sentences were chosen since; b renders them"
        assert "other sentences were chosen since" in opened.screen_text
        auditions.go_on.set()
        await opened.press("b")
        await opened.until(lambda: len(auditions.runs) == 3 and opened.main.player_bar.building is None)
        assert opened.main.player_bar.differs == ""
        assert auditions.runs[-1][1] == (Speech("good morning", "v"),)


@needs_kokoro
def test_phonemes_are_read_in_a_process_that_can_be_ended() -> None:
    reader = PhonemeReader()
    try:
        assert reader.read("hello") == phonemize("hello")
        assert reader.read("") == ""
        assert reader.alive
    finally:
        reader.close()
    assert not reader.alive
    with pytest.raises(Exception, match="process has ended"):
        reader.read("hello")
