"""Choosing the sentences and the voices of the audition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.timer import Timer
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.speech.sentences import Speech
from kokoro_tui.store.text_set import read_text_set
from kokoro_tui.tui.formats import ELLIPSIS, printable
from kokoro_tui.tui.screens.load import LoadScreen
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.sentences import SentenceRow, Sentences
from kokoro_tui.tui.widgets.steady_list import SteadyList

_TYPING_SECONDS = 0.12
"""How long nothing must be typed before the phonemes follow."""
_CHOSEN, _NOT_CHOSEN = "\u25cf", "\u25cb"
_TEXT_CELLS = 48


class SentenceFileScreen(LoadScreen):
    """Dismisses with the path of a file of sentences."""

    TITLE_TEXT = "Add the sentences of a file"
    SUFFIXES = (".txt", ".csv")


class SpeechScreen(Dialog[Sentences]):
    """Dismisses with the sentences as they were left, or None.

    Args:
        sentences: What to start with.
        voices: Names to suggest.
        read: Gives the phonemes of a text; blocks, and is called on a thread.
    """

    TITLE_TEXT = "Sentences and voices"
    BINDINGS = [
        Binding("enter", "submit", "Take", id="speech.take", tooltip="Use them from now on", priority=True),
        Binding("down", "list", "List", id="speech.list", tooltip="Go to the list", priority=True),
        Binding("space", "choose", "In or out", id="speech.toggle", tooltip="Say it in auditions, or not"),
        Binding("e", "edit", "Edit", id="speech.edit", tooltip="Change its words"),
        Binding("ctrl+n", "add", "New", id="speech.add", tooltip="Write another sentence", priority=True),
        Binding("ctrl+o", "file", "File", id="speech.file", tooltip="Add the sentences of a file", priority=True),
        Binding("delete,backspace", "remove", "Delete", id="speech.remove", tooltip="Delete a sentence of your own"),
    ]

    @dataclass
    class PhonemesRead(Message):
        """The phonemes of a text are known, or why they are not."""

        text: str
        phonemes: str
        problem: str = ""

    def __init__(self, sentences: Sentences, voices: tuple[str, ...], read: Callable[[str], str]) -> None:
        super().__init__()
        self.sentences = sentences
        self._voices = voices
        self._read = read
        self._index = next((i for i, row in enumerate(sentences.rows) if row.chosen), 0)
        self._typing: Timer | None = None

    def contents(self) -> ComposeResult:
        """The sentence that is edited, its phonemes, and all of them."""
        row = self.sentences.rows[self._index]
        yield Label("Text", classes="dialog-label")
        yield Input(row.speech.text, id="speech-text", compact=True, select_on_focus=False)
        yield Label("", id="speech-phonemes", markup=False)
        yield Label("Voice (a name or a file; empty for the default)", classes="dialog-label")
        yield Input(
            row.speech.voice or "",
            id="speech-voice",
            compact=True,
            placeholder=", ".join(self._voices[:6]),
            suggester=SuggestFromList(self._voices),
        )
        yield SteadyList(*map(_option, self.sentences.rows), id="speech-list", compact=True)
        yield Label("", id="speech-remark", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one("#speech-text", Input).focus()
        self._list.highlighted = self._index
        self._count()
        self._ask()

    @property
    def _list(self) -> OptionList:
        return self.query_one(OptionList)

    # Editing

    @on(Input.Changed)
    def _edited(self) -> None:
        self._take_fields()
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(_TYPING_SECONDS, self._ask)

    def _take_fields(self) -> None:
        """Take what the fields hold; they may tell of their last letters after the next key was pressed."""
        text, voice = (self.query_one(name, Input).value.strip() for name in ("#speech-text", "#speech-voice"))
        before = len(self.sentences.rows)
        self.sentences, self._index = self.sentences.edited(self._index, Speech(text, voice or None))
        if len(self.sentences.rows) == before:
            self._list.replace_option_prompt_at_index(self._index, _prompt(self.sentences.rows[self._index]))
        else:
            self._fill()
        self._count()

    @on(OptionList.OptionHighlighted)
    def _follow_cursor(self) -> None:
        """Edit the row under the cursor; the list is asked, since news of it may be older than the rows."""
        index = self._list.highlighted
        if index is None or index == self._index:
            return
        self._index = index
        self._fill_fields()

    def _fill_fields(self) -> None:
        """Show the sentence that is edited, its voice and its phonemes."""
        speech = self.sentences.rows[self._index].speech
        with self.prevent(Input.Changed):
            self.query_one("#speech-text", Input).value = speech.text
            self.query_one("#speech-voice", Input).value = speech.voice or ""
        self._ask()

    def _fill(self) -> None:
        """List other rows; the cursor goes to the one that is edited."""
        options = self._list
        with self.prevent(OptionList.OptionHighlighted):
            options.clear_options()
            options.add_options(map(_option, self.sentences.rows))
            options.highlighted = self._index

    def _show_row(self, index: int) -> None:
        """List rows after some came or went, and edit one of them."""
        self._index = index
        self._fill()
        self._fill_fields()
        self._count()

    def _count(self) -> None:
        chosen = len(self.sentences.chosen)
        told = f"{chosen} of {len(self.sentences.rows)} are said in auditions"
        self._remark(told if chosen else "none is chosen: the one that is edited will be said")

    def _remark(self, text: str, *, wrong: bool = False) -> None:
        remark = self.query_one("#speech-remark", Label)
        remark.update(printable(text))
        remark.set_class(wrong, "-wrong")

    # Phonemes

    def _ask(self) -> None:
        text = self.sentences.rows[self._index].speech.text
        if text:
            self._read_phonemes(text)
        else:
            self._show_phonemes("", wrong=False)

    @work(thread=True, exit_on_error=False, group="phonemes")
    def _read_phonemes(self, text: str) -> None:
        if text != self.sentences.rows[self._index].speech.text:
            return  # somebody has typed on while another text was read
        try:
            self.post_message(self.PhonemesRead(text, self._read(text)))
        except KokoroTuiError as error:
            self.post_message(self.PhonemesRead(text, "", f"{error.message}; {error.hint}"))

    @on(PhonemesRead)
    def _phonemes_read(self, event: PhonemesRead) -> None:
        if event.text == self.sentences.rows[self._index].speech.text:
            self._show_phonemes(event.problem or event.phonemes, wrong=bool(event.problem))

    def _show_phonemes(self, text: str, *, wrong: bool) -> None:
        label = self.query_one("#speech-phonemes", Label)
        label.update(printable(text))
        label.set_class(wrong, "-wrong")

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While something is typed its keys are letters; in the list, down goes down."""
        in_list = self._list.has_focus
        if action in ("choose", "edit"):
            return in_list
        if action == "remove":
            return in_list and (self.sentences.rows[self._index].own or None)
        return action != "list" or not in_list

    def action_list(self) -> None:
        """Go to the list."""
        self._list.focus()

    def action_edit(self) -> None:
        """Type on in the sentence under the cursor."""
        self._follow_cursor()
        self.query_one("#speech-text", Input).focus()

    def action_choose(self) -> None:
        """Say the sentence under the cursor in auditions, or not."""
        self._follow_cursor()
        self.sentences = self.sentences.toggled(self._index)
        self._list.replace_option_prompt_at_index(self._index, _prompt(self.sentences.rows[self._index]))
        self._count()

    @on(OptionList.OptionSelected)
    def _clicked(self) -> None:
        self.action_choose()

    def action_add(self) -> None:
        """Write another sentence."""
        self.after_typing(self._add)

    def _add(self) -> None:
        self._take_fields()
        self.sentences = self.sentences.added([Speech("")])
        self._show_row(0)
        self.query_one("#speech-text", Input).focus()

    def action_remove(self) -> None:
        """Delete a sentence of the user's own."""
        self._follow_cursor()
        if self.sentences.rows[self._index].own:
            self.sentences = self.sentences.without(self._index)
            self._show_row(min(self._index, len(self.sentences.rows) - 1))

    def action_file(self) -> None:
        """Ask for a file of sentences."""
        self.app.push_screen(SentenceFileScreen((Path.cwd(),), ()), self._file_chosen)

    def _file_chosen(self, path: str | None) -> None:
        if path is not None:
            self._read_file(Path(path))

    @work(thread=True, exit_on_error=False, group="load")
    def _read_file(self, path: Path) -> None:
        try:
            pairs = read_text_set(path)
        except KokoroTuiError as error:
            self.app.call_from_thread(self._remark, f"{error.message}; {error.hint}", wrong=True)
        else:
            self.app.call_from_thread(self._take_file, [Speech(text, voice) for voice, text in pairs])

    def _take_file(self, speeches: list[Speech]) -> None:
        self.sentences = self.sentences.added(speeches)
        self._show_row(0)
        self._list.focus()

    def submit(self) -> None:
        """Take the sentences; with none chosen, the one that is edited. An empty list is not taken."""
        self._take_fields()
        sentences = self.sentences
        if not sentences.chosen and sentences.rows[self._index].speech.text:
            sentences = sentences.toggled(self._index)
        if sentences.chosen:
            self.dismiss(sentences)
        else:
            self.app.bell()


def _option(row: SentenceRow) -> Option:
    return Option(_prompt(row))


def _prompt(row: SentenceRow) -> Text:
    text = printable(row.speech.text) or "(empty)"
    shown = text if len(text) <= _TEXT_CELLS else text[: _TEXT_CELLS - 1] + ELLIPSIS
    line = Text(f"{_CHOSEN if row.chosen else _NOT_CHOSEN} ", "bold" if row.chosen else "dim", no_wrap=True)
    line.append(f"{shown:<{_TEXT_CELLS}} ", "" if row.chosen else "dim")
    line.append(printable(row.speech.voice or row.stresses or "default voice"), "dim")
    return line
