"""Candidates side by side: their figures in a table, and all of them to be heard at the same place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.widgets import DataTable, Label

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.errors import InputError, KokoroTuiError
from kokoro_tui.listening.records import ORIGINAL, RecipeSummary
from kokoro_tui.tui.candidate_cells import COLUMNS, ORIGINAL_NUMBER, candidate_cells, cell, original_cells
from kokoro_tui.tui.candidates import Candidate, CandidatesOwner, Stage
from kokoro_tui.tui.formats import count, printable
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.widgets.play_line import PlayLine

if TYPE_CHECKING:
    from kokoro_tui.audio.player import Player
    from kokoro_tui.audio.waveform import FloatArray

_END_SECONDS = 0.05


@dataclass(frozen=True)
class _Loaded:
    """What the player holds."""

    sentence: int
    numbers: tuple[int, ...]
    """In the order of the tracks."""
    digests: tuple[str, ...]


class CandidatesScreen(Dialog[PrecisionPlan]):
    """Dismisses with the plan that was chosen, or None. Rendering goes on when it is closed.

    Args:
        owner: Holds the candidates; they are followed while this is open.
        heard: The candidate to begin with.
    """

    TITLE_TEXT = "Candidates"
    BINDINGS = [
        Binding("enter", "choose", "Choose", id="candidates.choose", tooltip="Go on with its plan", priority=True),
        *(
            Binding(str(number), f"hear({number})", "Hear", id=f"candidates.hear_{number}", show=False)
            for number in range(10)
        ),
        Binding("space", "pause", "Play", id="candidates.play", tooltip="Play, or stop", priority=True),
        Binding("left", "seek(-1)", "Back", id="candidates.back", priority=True, show=False),
        Binding("right", "seek(1)", "Forward", id="candidates.forward", priority=True, show=False),
        Binding("comma", "sentence(-1)", "Previous sentence", id="candidates.previous", show=False),
        Binding("full_stop", "sentence(1)", "Sentence", id="candidates.next", tooltip="Hear the next sentence"),
        Binding("k", "add_current", "Keep plan", id="candidates.keep", tooltip="Take the plan on show"),
        Binding("a", "add", "Add", id="candidates.add", tooltip="Take a preset or a recipe"),
        Binding("d,delete", "remove", "Remove", id="candidates.remove", tooltip="Let the candidate go"),
        Binding("z", "blind_test", "Blind test", id="candidates.blind", tooltip="Put it to a blind test"),
        Binding("t", "results", "Tests", id="candidates.results", tooltip="List all blind tests so far"),
        Binding("s", "toggle_rendering", "Stop", id="candidates.stop", tooltip="Stop rendering, or go on with it"),
    ]

    @dataclass
    class Ready(Message):
        """The player holds other tracks, or refused them."""

        loaded: _Loaded | None
        player: Player | None
        error: KokoroTuiError | None = None

    def __init__(self, owner: CandidatesOwner, heard: int = ORIGINAL_NUMBER) -> None:
        super().__init__()
        self.sentence = 0
        """Index of the sentence that is heard."""
        self._owner = owner
        self._wanted = heard
        self._play_at: float | None = None
        self._player: Player | None = None
        self._loaded: _Loaded | None = None
        self._loading = False
        self._cells: dict[int, list[str]] = {}

    def contents(self) -> ComposeResult:
        """The table, what is heard, and what there is to say."""
        table: DataTable[Text] = DataTable(id="candidates", cursor_type="row", zebra_stripes=False)
        for label in COLUMNS:
            table.add_column(cell(label, label), key=label or "state")
        yield table
        yield Label("", id="candidates-sentence", markup=False)
        yield PlayLine(id="candidates-line")
        yield Label("", id="candidates-remark", markup=False)

    def on_mount(self) -> None:
        """Show the candidates that there are."""
        self.query_one(DataTable).focus()
        self.owner_changed()

    def on_unmount(self) -> None:
        """Give the device back; it may take its time, so not here."""
        if self._player is not None:
            self.app.run_worker(self._player.close, thread=True, exit_on_error=False, group="blind")

    # The table

    def owner_changed(self) -> None:
        """Show what has come in."""
        table, candidates = self.query_one(DataTable), self._owner.candidates
        rows = {
            ORIGINAL_NUMBER: original_cells(self._owner.original_bytes, self._wanted),
            **{n: self._candidate_cells(n, c) for n, c in candidates},
        }
        if rows.keys() != self._cells.keys():
            numbers, new = list(rows), rows.keys() - self._cells.keys()
            current = self.current_number if self._cells and not new else max(new, default=ORIGINAL_NUMBER)
            table.clear()
            for number, cells in rows.items():
                table.add_row(*map(cell, COLUMNS, cells), key=str(number))
            table.move_cursor(row=numbers.index(current) if current in numbers else len(numbers) - 1)
        else:
            for number, cells in rows.items():
                for label, before, after in zip(COLUMNS, self._cells[number], cells, strict=True):
                    if after != before:
                        table.update_cell(str(number), label or "state", cell(label, after), update_width=True)
        self._cells = rows
        self._tell_sentence()
        self._tell_remark()
        self.refresh_bindings()

    def _candidate_cells(self, number: int, candidate: Candidate) -> list[str]:
        summary = self._summary(candidate.plan.digest)
        waits = not candidate.says(self._owner.speeches)
        return candidate_cells(number, candidate, summary, self._owner.original_bytes, self._wanted, waits=waits)

    def _summary(self, digest: str) -> RecipeSummary | None:
        return next((s for s in self._owner.summaries if s.recipe == digest and s.against == ORIGINAL), None)

    @property
    def current_number(self) -> int:
        """The number in the row under the cursor."""
        numbers, row = list(self._cells), self.query_one(DataTable).cursor_row
        return numbers[row] if 0 <= row < len(numbers) else ORIGINAL_NUMBER

    def _tell_sentence(self) -> None:
        speeches = self._owner.speeches
        index = min(self.sentence, len(speeches) - 1)
        place = f"sentence {index + 1} of {len(speeches)}  " if len(speeches) > 1 else ""
        ready = (c.result for _, c in self._owner.candidates if c.result is not None and c.result.speeches == speeches)
        spoken = next((result.clips[index].voice for result in ready), "")
        voice = spoken or speeches[index].voice or "default voice"
        text = f"{place}\u201c{printable(speeches[index].text)}\u201d  {printable(voice)}"
        self.query_one("#candidates-sentence", Label).update(text)

    def _tell_remark(self, problem: str = "") -> None:
        candidate = self._owner.candidates.get(self.current_number)
        if problem or (candidate is not None and candidate.problem):
            text = problem or (candidate.problem if candidate is not None else "")
        elif not len(self._owner.candidates):
            text = "k takes the plan on show as a candidate, a takes a preset or a recipe"
        else:
            text = (
                "0 to 9 switch what is heard, at the same place. time: of a run by the original's, both in turns, "
                f"median; mel and noise: means over {count(len(self._owner.speeches), 'sentence')}; moved: most frames"
            )
        remark = self.query_one("#candidates-remark", Label)
        remark.update(text)
        remark.set_class(bool(problem or (candidate is not None and candidate.problem)), "-wrong")

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        self._tell_remark()

    # Hearing

    def action_hear(self, number: int) -> None:
        """Switch to the original or a candidate, at the same place if something plays."""
        candidate = self._owner.candidates.get(number)
        if number != ORIGINAL_NUMBER:
            if candidate is None:
                self._tell_remark(f"there is no candidate {number}")
                return
            if not candidate.says(self._owner.speeches):
                self._tell_remark(f"candidate {number} is not rendered yet")
                return
        self._wanted = number
        self.owner_changed()
        self._play(self._position if self._is_playing else 0.0)

    @on(DataTable.RowSelected)
    def _row_clicked(self, event: DataTable.RowSelected) -> None:
        self.action_hear(int(str(event.row_key.value)))

    def action_pause(self) -> None:
        """Play what is under the cursor, or stop."""
        if self._is_playing and self._player is not None:
            self._player.pause()
            self.query_one(PlayLine).look()
        elif self.current_number == self._wanted and self._player is not None and self._loaded is not None:
            state = self._player.state()
            self._play(0.0 if state.position_seconds >= state.duration_seconds - _END_SECONDS else self._position)
        else:
            self.action_hear(self.current_number)

    def action_seek(self, seconds: float) -> None:
        """Go back or forward by a time span."""
        if self._player is not None:
            self._seek_to(max(0.0, self._position + seconds))

    def action_sentence(self, step: int) -> None:
        """Hear another sentence."""
        self.sentence = (self.sentence + step) % len(self._owner.speeches)
        self._tell_sentence()
        if self._loaded is not None:
            self._play(0.0)

    @on(PlayLine.Chosen)
    def _line_chosen(self, event: PlayLine.Chosen) -> None:
        if self._loaded is not None:
            self.action_hear(self._loaded.numbers[event.which])

    @on(PlayLine.SeekAsked)
    def _seek_asked(self, event: PlayLine.SeekAsked) -> None:
        self._seek_to(event.seconds)

    def _seek_to(self, seconds: float) -> None:
        if self._player is not None:
            self._player.seek(seconds)
            self.query_one(PlayLine).look()

    @property
    def _is_playing(self) -> bool:
        return self._player is not None and self._player.state().playing

    @property
    def _position(self) -> float:
        return 0.0 if self._player is None else self._player.state().position_seconds

    def _play(self, seconds: float) -> None:
        """Play the wanted track from a place, once it is loaded."""
        self._play_at = seconds
        wish = self._wish()
        if wish is None or self._loading:
            return
        if wish == self._loaded:
            self._begin()
        else:
            self._loading = True
            self._load(wish, self._tracks_of(wish))

    def _wish(self) -> _Loaded | None:
        """Everything that can be heard now."""
        speeches = self._owner.speeches
        ready = [(number, found) for number, found in self._owner.candidates if found.says(speeches)]
        heard = [(number, found) for number, found in ready if found.result is not None and found.result.clips]
        if not heard:
            return None
        numbers = (ORIGINAL_NUMBER, *(number for number, _ in heard))
        return _Loaded(self.sentence, numbers, tuple(found.plan.digest for _, found in heard))

    def _tracks_of(self, wish: _Loaded) -> Callable[[], list[FloatArray]]:
        """Gives the renderings in the order of the wish, the original first."""
        found = [self._owner.candidates.by_number[number] for number in wish.numbers[1:]]
        clips = [candidate.result.clips[wish.sentence] for candidate in found if candidate.result is not None]

        def read() -> list[FloatArray]:
            said = [clip.read_renderings() for clip in clips]
            return [said[0].reference, *(both.candidate for both in said)]

        return read

    @work(thread=True, exit_on_error=False, group="blind")
    def _load(self, wish: _Loaded, tracks: Callable[[], list[FloatArray]]) -> None:
        # Numpy's part of the work is not needed before.
        from kokoro_tui.listening.material import make_comparable

        player = self._player
        try:
            player = player or self._owner.open_player()
            player.load(make_comparable(tracks()))
        except KokoroTuiError as error:
            told = self.post_message(self.Ready(None, player, error))
        else:
            told = self.post_message(self.Ready(wish, player))
        if not told and player is not None and player is not self._player:
            player.close()  # the dialog has left meanwhile

    @on(Ready)
    def _ready(self, event: Ready) -> None:
        self._loading = False
        self._player, self._loaded = event.player, event.loaded
        if event.error is not None:
            self._tell_remark(f"{event.error.message}; {event.error.hint}")
        elif self._play_at is not None:
            self._play(self._play_at)

    def _begin(self) -> None:
        """Switch, and play if it does not."""
        player, loaded = self._player, self._loaded
        assert player is not None
        assert loaded is not None
        at, self._play_at = self._play_at or 0.0, None
        if self._wanted in loaded.numbers:
            player.switch(loaded.numbers.index(self._wanted))
        line = self.query_one(PlayLine)
        line.labels = tuple(str(number) for number in loaded.numbers)
        if player.silence_reason is not None:
            self._tell_remark(player.silence_reason)
        elif not player.state().playing:
            player.play(at)
        line.follow(player.state)

    # What else can be done

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Candidates must be there before something is done to them."""
        if action in ("remove", "choose"):
            return self.current_number != ORIGINAL_NUMBER or None
        if action == "blind_test":
            current = self._owner.candidates.get(self.current_number)
            return True if current is not None and current.says(self._owner.speeches) else None
        if action == "sentence":
            return len(self._owner.speeches) > 1
        if action == "toggle_rendering":
            return any(found.stage is not Stage.READY for _, found in self._owner.candidates)
        return True

    def action_choose(self) -> None:
        """Leave with the plan under the cursor."""
        candidate = self._owner.candidates.get(self.current_number)
        if candidate is not None:
            self.dismiss(candidate.plan)

    def action_add_current(self) -> None:
        """Take the plan on show."""
        try:
            self._owner.add_current_plan()
        except InputError as error:
            self._tell_remark(f"{error.message}; {error.hint}")

    def action_add(self) -> None:
        """Ask for a preset or a recipe."""
        self._owner.ask_for_candidate()

    def action_remove(self) -> None:
        """Let the candidate under the cursor go."""
        self._owner.remove_candidate(self.current_number)

    def action_blind_test(self) -> None:
        """Put the candidate under the cursor to a blind test."""
        if self._player is not None:
            self._player.pause()
        self._owner.start_blind_test(self.current_number)

    def action_results(self) -> None:
        """List all blind tests so far."""
        self._owner.show_listening_results()

    def action_toggle_rendering(self) -> None:
        """Stop rendering, or go on with it."""
        self._owner.toggle_rendering()
