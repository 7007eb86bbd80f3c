"""The blind test on screen: what is asked first, one trial after another, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label, Static

from kokoro_tui.errors import InputError, KokoroTuiError
from kokoro_tui.listening.records import Mode
from kokoro_tui.listening.session import MOST_TRIALS, Preference, Side
from kokoro_tui.listening.statistics import least_right
from kokoro_tui.tui.blind import BlindTest
from kokoro_tui.tui.formats import printable, short_path
from kokoro_tui.tui.screens.blind_result import result_text
from kokoro_tui.tui.screens.confirm import ConfirmScreen
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.widgets.choice import Choice
from kokoro_tui.tui.widgets.play_line import PlayLine

if TYPE_CHECKING:
    from kokoro_tui.listening.session import AbxResult, PreferenceResult

DEFAULT_TRIALS = 10
CONVINCING = 0.05
"""The p-value at which a result is called convincing."""
_ANSWERS: Mapping[Mode, tuple[tuple[Side | Preference, str], ...]] = {
    Mode.ABX: ((Side.A, "X is A"), (Side.B, "X is B")),
    Mode.PREFERENCE: (
        (Preference.FIRST, "1 is better"),
        (Preference.NEITHER, "no preference"),
        (Preference.SECOND, "2 is better"),
    ),
}
_MODES = {Mode.ABX.value: "ABX: is X the same as A or as B?", Mode.PREFERENCE.value: "which is better?"}
_QUIT, _STAY = "quit", "stay"


@dataclass(frozen=True)
class Wish:
    """What the listener has asked for."""

    mode: Mode
    trials: int
    against: str
    """One of the names that the screen was given."""


class QuitTestScreen(ConfirmScreen):
    """Asks before a test is broken off."""

    TITLE_TEXT = "Break the test off?"


class AbxScreen(Dialog[bool]):
    """Dismisses with True once a result is in the log.

    What is hidden is in none of its attributes: it asks the test for the sound of a trial and hands it to the player.

    Args:
        name: What B is called.
        rivals: What it can be compared with, names by digest; the first is proposed.
        sentences: How many sentences take turns.
        make: Makes the test, on a thread.
    """

    TITLE_TEXT = "Blind test"
    BINDINGS = [
        Binding("enter", "submit", "Go on", id="abx.go_on", tooltip="Start, take the answer, close", priority=True),
        Binding("a,1", "hear(0)", "A", id="abx.a", tooltip="Hear A, or the first"),
        Binding("b,2", "hear(1)", "B", id="abx.b", tooltip="Hear B, or the second"),
        Binding("x,3", "hear(2)", "X", id="abx.x", tooltip="Hear X"),
        Binding("space", "pause", "Pause", id="abx.pause", tooltip="Stop, or play on"),
        Binding("left", "choose(-1)", "Answer", id="abx.left", tooltip="Choose the answer to the left"),
        Binding("right", "choose(1)", "Answer", id="abx.right", tooltip="Choose the answer to the right", show=False),
        Binding("n", "note", "Note", id="abx.note", tooltip="Write something down about this test"),
    ]

    stage = "asking"
    """``asking``, ``preparing``, ``trial`` or ``done``."""

    @dataclass
    class Begun(Message):
        """The first trial can be heard."""

        test: BlindTest

    @dataclass
    class Loaded(Message):
        """The next trial can be heard."""

    @dataclass
    class Concluded(Message):
        """The result is known; ``problem`` says why it is not in the log."""

        result: AbxResult | PreferenceResult
        problem: KokoroTuiError | None = None

    @dataclass
    class Failed(Message):
        """The test cannot begin or go on."""

        error: KokoroTuiError

    def __init__(self, name: str, rivals: Mapping[str, str], sentences: int, make: Callable[[Wish], BlindTest]) -> None:
        super().__init__()
        self._tested = name
        self._rivals = dict(rivals)
        self._sentences = sentences
        self._make = make
        self._test: BlindTest | None = None
        self._answer: int | None = None
        self._logged = False
        self._gone = False

    def contents(self) -> ComposeResult:
        """The three faces, of which one is on show."""
        with Vertical(id="abx-asking"):
            yield Label(Text(f"{printable(self._tested)} is put to the test."), classes="dialog-text")
            yield Choice(_MODES, id="abx-mode")
            if len(self._rivals) > 1:
                yield Label("Compared with", classes="dialog-label")
                yield Choice({key: printable(name) for key, name in self._rivals.items()}, id="abx-against")
            yield Label(f"Trials (1 to {MOST_TRIALS})", classes="dialog-label")
            yield Input(str(DEFAULT_TRIALS), id="abx-trials", compact=True, type="integer", max_length=4)
        with Vertical(id="abx-trial"):
            yield Static("", id="abx-head", markup=False)
            yield PlayLine(id="abx-line")
            yield Static("", id="abx-answers", markup=False)
        with VerticalScroll(id="abx-done"):
            yield Static("", id="abx-result", markup=False)
        yield Label("Note (your words, kept with the result)", classes="dialog-label", id="abx-note-label")
        yield Input(id="abx-note", compact=True, placeholder="headphones, room, what to listen for")
        yield Label("", id="abx-remark", markup=False)

    def on_mount(self) -> None:
        """Ask."""
        self._show("asking")
        self.query_one("#abx-trials", Input).focus()
        self._preview()

    def on_unmount(self) -> None:
        """Fall silent; a device may take its time, so not here."""
        self._gone = True
        if self._test is not None:
            self.app.run_worker(self._test.close, thread=True, exit_on_error=False, group="blind")

    # Asking

    @on(Input.Changed, "#abx-trials")
    @on(Choice.Changed)
    def _preview(self) -> None:
        """Say what it would take."""
        if self.stage != "asking":
            return
        try:
            trials = self._trials()
        except InputError as error:
            self._remark(f"{error.message}; {error.hint}", wrong=True)
            return
        sentences = "one sentence" if self._sentences == 1 else f"{self._sentences} sentences take turns"
        needed = least_right(trials, CONVINCING)
        if self._mode is Mode.PREFERENCE:
            told = "the order is drawn anew in every trial"
        elif needed is None:
            told = f"too few to reach p \u2264 {CONVINCING}: not even {trials} of {trials} would do"
        else:
            told = f"{needed} of {trials} right give p \u2264 {CONVINCING}"
        self._remark(f"{sentences}; {told}. Answers are shown at the end.")

    @property
    def _mode(self) -> Mode:
        return Mode(self.query_one("#abx-mode", Choice).value)

    def _trials(self) -> int:
        text = self.query_one("#abx-trials", Input).value.strip()
        if not text.isdecimal() or not 1 <= int(text) <= MOST_TRIALS:
            raise InputError("that is no number of trials", f"type a number from 1 to {MOST_TRIALS}")
        return int(text)

    def _start(self) -> None:
        try:
            trials = self._trials()
        except InputError:
            self.app.bell()
            return
        against = self.query_one("#abx-against", Choice).value if len(self._rivals) > 1 else next(iter(self._rivals))
        self._show("preparing")
        self._remark("preparing the sound")
        self._begin(Wish(self._mode, trials, against))

    @work(thread=True, exit_on_error=False, group="blind")
    def _begin(self, wish: Wish) -> None:
        try:
            test = self._make(wish)
            test.begin()
        except KokoroTuiError as error:
            self.post_message(self.Failed(error))
        else:
            if not self.post_message(self.Begun(test)):
                test.close()  # the dialog has left meanwhile

    @on(Begun)
    def _begun(self, event: Begun) -> None:
        if self._gone:
            self.app.run_worker(event.test.close, thread=True, exit_on_error=False, group="blind")
            return
        self._test = event.test
        line = self.query_one(PlayLine)
        line.labels = tuple(event.test.letters)
        self._next_trial()

    @on(Failed)
    def _failed(self, event: Failed) -> None:
        if self._test is None:
            self._show("asking")
        self._remark(f"{event.error.message}\n{event.error.hint}", wrong=True)

    # A trial

    @on(Loaded)
    def _next_trial(self) -> None:
        assert self._test is not None
        self._answer = None
        self._show("trial")
        self.set_focus(None)
        self.query_one(PlayLine).follow(self._test.state)
        self._draw_trial()

    def _draw_trial(self) -> None:
        test = self._test
        assert test is not None
        setup = test.setup
        head = Text(f"Trial {test.answered + 1} of {test.trials}\n")
        head.append(f"\u201c{printable(setup.texts[test.clip])}\u201d  {printable(setup.voices[test.clip])}\n")
        if setup.mode is Mode.ABX:
            head.append(
                f"A is {printable(setup.against_name)}, B is {printable(setup.recipe_name)}, X is one of them\n"
            )
        self.query_one("#abx-head", Static).update(head)
        line = Text()
        for index, (_, label) in enumerate(_ANSWERS[test.mode]):
            line.append(f" {label} ", "reverse bold" if index == self._answer else "")
            line.append("  ")
        self.query_one("#abx-answers", Static).update(line)
        if test.files:
            paths = "\n".join(short_path(path) for path in test.files)
            self._remark(f"{test.silence}\n{paths}")
        else:
            choose = (
                "\u2190 \u2192 choose, enter takes the answer" if self._answer is None else "enter takes the answer"
            )
            self._remark(choose)

    def action_hear(self, which: int) -> None:
        """Hear one of A, B and X."""
        test = self._test
        if test is not None and which < len(test.letters):
            test.hear(which)
            self.query_one(PlayLine).look()

    def action_pause(self) -> None:
        """Stop, or play on."""
        if self._test is not None:
            self._test.pause()
            self.query_one(PlayLine).look()

    @on(PlayLine.Chosen)
    def _line_chosen(self, event: PlayLine.Chosen) -> None:
        if self.stage == "trial":
            self.action_hear(event.which)

    @on(PlayLine.SeekAsked)
    def _seek_asked(self, event: PlayLine.SeekAsked) -> None:
        if self.stage == "trial" and self._test is not None:
            self._test.seek(event.seconds)
            self.query_one(PlayLine).look()

    def action_choose(self, step: int) -> None:
        """Choose the next answer in a direction; the outermost one to begin with."""
        if self._test is None:
            return
        last = len(_ANSWERS[self._test.mode]) - 1
        if self._answer is None:
            self._answer = 0 if step < 0 else last
        else:
            self._answer = min(last, max(0, self._answer + step))
        self._draw_trial()

    def _take_answer(self) -> None:
        test = self._test
        if test is None or self._answer is None:
            self.app.bell()
            return
        test.answer(_ANSWERS[test.mode][self._answer][0])
        self._show("preparing")
        self._go_on(test)

    @work(thread=True, exit_on_error=False, group="blind")
    def _go_on(self, test: BlindTest) -> None:
        if not test.finished:
            try:
                test.load()
            except KokoroTuiError as error:
                self.post_message(self.Failed(error))
            else:
                self.post_message(self.Loaded())
            return
        try:
            self.post_message(self.Concluded(test.conclude()))
        except KokoroTuiError as error:
            self.post_message(self.Concluded(test.result(), error))

    # The end

    @on(Concluded)
    def _concluded(self, event: Concluded) -> None:
        assert self._test is not None
        self._show("done")
        self._logged = event.problem is None
        self.query_one("#abx-result", Static).update(result_text(event.result, self._test.setup, CONVINCING))
        if event.problem is None:
            self._remark("the result is in the listening log")
        else:
            self._remark(f"the result is not kept: {event.problem.message}\n{event.problem.hint}", wrong=True)
        self.set_focus(None)

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What can be done at this stage; while a note is typed its keys are letters."""
        if action == "hear":
            heard = len(self._test.letters) if self._test is not None else 0
            return self.stage == "trial" and isinstance(parameters[0], int) and parameters[0] < heard
        if action in ("pause", "choose", "note"):
            return self.stage == "trial"
        return True

    def action_note(self) -> None:
        """Write a note."""
        self.query_one("#abx-note", Input).focus()

    @on(Input.Changed, "#abx-note")
    def _noted(self, event: Input.Changed) -> None:
        if self._test is not None:
            self._test.note = event.value

    def submit(self) -> None:
        """Go on from wherever this is."""
        if self.stage == "asking":
            self._start()
        elif self.stage == "trial" and isinstance(self.focused, Input):
            self.set_focus(None)
        elif self.stage == "trial":
            self._take_answer()
        elif self.stage == "done":
            self.dismiss(self._logged)

    def action_leave(self) -> None:
        """Leave; in the middle of a test ask first."""
        if self.stage == "trial" and isinstance(self.focused, Input):
            self.set_focus(None)
        elif self.stage == "done":
            self.dismiss(self._logged)
        elif self._test is None:
            self._gone = True
            self.dismiss(False)
        else:
            question = "Its answers are thrown away and nothing is revealed."
            self.app.push_screen(QuitTestScreen(question, {_STAY: "Go on", _QUIT: "Break off"}), self._quit_answered)

    def _quit_answered(self, answer: str | None) -> None:
        if answer == _QUIT and self._test is not None and self.stage != "done":
            # The screen's own workers end with it.
            self.app.run_worker(self._test.break_off, thread=True, exit_on_error=False, group="blind")
            self.dismiss(False)

    # Showing

    def _show(self, stage: str) -> None:
        self.stage = stage
        for name in ("asking", "preparing", "trial", "done"):
            self.set_class(name == stage, f"-{name}")
        self.query_one("#abx-note", Input).disabled = stage in ("preparing", "done")
        self.refresh_bindings()

    def _remark(self, text: str, *, wrong: bool = False) -> None:
        remark = self.query_one("#abx-remark", Label)
        remark.update(text)
        remark.set_class(wrong, "-wrong")
