"""The journal of the session, and taking up one that was cut off."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from textual import on, work

from kokoro_tui.core.plan import PlanHistory, PrecisionPlan
from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.tui.audition import Speech
from kokoro_tui.tui.formats import count
from kokoro_tui.tui.messages import JournalOpened, Noted
from kokoro_tui.tui.screens.playing import PlayingScreen
from kokoro_tui.tui.widgets.banner import Banner

if TYPE_CHECKING:
    from kokoro_tui.store.journal import CutOffSession, Journal
    from kokoro_tui.tui.state import WorkState
    from kokoro_tui.workbench import Workbench


class JournallingScreen(PlayingScreen):
    """Writes down every step; what a crash has cut off is offered in a banner."""

    _journal: Journal | None = None
    _journalled_speech: Speech | None = None
    _cut_off: tuple[CutOffSession, ...] = ()

    @property
    def journal_name(self) -> str:
        """The file that holds this session, if there is one; empty otherwise."""
        return str(self._journal.path) if self._journal is not None else ""

    def open_bench(self, bench: Workbench) -> None:
        """Show a model, and begin its journal."""
        super().open_bench(bench)
        self._open_journal(bench)

    @work(thread=True, exit_on_error=False, group="journal")
    def _open_journal(self, bench: Workbench) -> None:
        # The journal's imports are not needed for the first table.
        from kokoro_tui.store.journal import Journal, find_cut_off

        try:
            found = find_cut_off(bench.inventory.path)
            self.post_message(JournalOpened(Journal(bench.inventory.path), found))
        except (KokoroTuiError, OSError) as error:
            self.post_message(Noted(f"this session has no journal: {error}"))

    @on(JournalOpened)
    def _journal_opened(self, event: JournalOpened) -> None:
        self._journal = event.journal
        self._catch_up()
        known = {node.key for node in self.bench.inventory.nodes}
        self._cut_off = tuple(
            s for s in event.found if known.issuperset(s.history.current.choices.keys() | s.history.current.locked)
        )
        self._offer()

    # Writing

    def _catch_up(self) -> None:
        """Write down what was done while the journal was being opened, every step of it."""
        assert self._journal is not None
        self._rewrite(self.state.history)
        self._journal.record({"kept": self.state.kept})
        if self.marked:
            self._journal.record({"marked": sorted(self.marked)})

    def watch_work(self, before: WorkState | None, after: WorkState | None) -> None:
        """Write the step down."""
        super().watch_work(before, after)
        if self._journal is None or before is None or after is None:
            return
        self._journal.step(before.history, after.history)
        if after.kept != before.kept:
            self._journal.record({"kept": after.kept})
        if self.speech != self._journalled_speech:
            self._journalled_speech = self.speech
            self._journal.record({"text": self.speech.text, "voice": self.speech.voice})

    def watch_marked(self, before: frozenset[str], after: frozenset[str]) -> None:
        """Write the marks down."""
        super().watch_marked(before, after)
        if self._journal is not None:
            self._journal.record({"marked": sorted(after)})

    def close_journal(self, *, keep: bool) -> None:
        """End the journal; ``keep`` leaves it for the next start."""
        if self._journal is not None:
            self._journal.close(keep=keep)
            self._journal = None

    # Taking up

    @property
    def can_take_up(self) -> bool:
        """Whether a session that was cut off is offered."""
        return bool(self._cut_off)

    def _offer(self) -> None:
        banner = self.query_one(Banner)
        if not self._cut_off:
            banner.message = ()
        else:
            session = self._cut_off[0]
            ended = f"{datetime.fromtimestamp(session.ended):%d %b %H:%M}"
            steps = count(session.changes, "step")
            banner.message = (
                (f"A session with {steps} was cut off on {ended}.  ", False),
                ("j", True), (" takes it up again  ", False), ("J", True), (" throws it away", False),
            )  # fmt: skip
        self.update_hints()

    def action_take_up(self) -> None:
        """Go on with the session that was cut off; what was done since can be undone to."""
        if not self._cut_off:
            return
        session, *_ = self._cut_off
        fresh = not self.state.history.past and not self.state.plan.choices and not self.state.plan.locked
        if fresh and self._journal is not None:
            self._rewrite(session.history)
            journal, self._journal = self._journal, None  # the steps are written already
            self.move_to(session.history)
            self._journal = journal
        else:
            self.push(session.history.current)
        self.work = self.state.restored(session.kept)
        self.marked = session.marked & self.bench.inventory.candidate_keys
        if session.text is not None:
            self.speech = Speech(session.text, session.voice)
        self._forget(session)
        self.say(f"the session goes on: {count(session.changes, 'step')}")

    def action_throw_away(self) -> None:
        """Forget the session that was cut off."""
        if self._cut_off:
            self._forget(self._cut_off[0])
            self.say("the old session is gone")

    def _forget(self, session: CutOffSession) -> None:
        from kokoro_tui.store.journal import discard  # loaded long since

        discard(session)
        self._cut_off = self._cut_off[1:]
        self._offer()

    def _rewrite(self, history: PlanHistory) -> None:
        """Write down a whole history, so that another crash loses no step of it."""
        assert self._journal is not None
        written = PlanHistory(PrecisionPlan())
        for plan in (*history.past, history.current, *history.future):
            pushed = written.push(plan)
            self._journal.step(written, pushed)
            written = pushed
        for _ in history.future:
            self._journal.step(written, written.undo())
            written = written.undo()

    def end_jobs(self) -> None:
        """Stop what runs; a session that ends as it should leaves no journal."""
        super().end_jobs()
        self.close_journal(keep=self.host.failed)
