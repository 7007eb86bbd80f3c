"""Running trials: what `t` does, and how results reach the table while they come in."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work

from kokoro_tui.core.trials import TrialTable
from kokoro_tui.errors import Cancelled
from kokoro_tui.tui.formats import count, duration, short_path
from kokoro_tui.tui.messages import (
    TrialsEnded,
    TrialsFollowed,
    TrialsLoaded,
    TrialsPrepared,
    TrialsRefused,
    TrialsWent,
)
from kokoro_tui.tui.screens.confirm import ConfirmScreen
from kokoro_tui.tui.screens.files import FilesScreen
from kokoro_tui.tui.trial_worker import TrialWish, drain, follow
from kokoro_tui.tui.widgets.trial_panel import RunningTrials, trials_view

if TYPE_CHECKING:
    from kokoro_tui.core.trials import TrialRow
    from kokoro_tui.trials.run import TrialControl
    from kokoro_tui.tui.audition import Speech

TABLE_NAME = "quantization-trials.csv"
_MARKED, _LISTED, _ALL, _PAUSE, _STOP, _FRESH, _KEEP = "marked", "listed", "all", "pause", "stop", "fresh", "keep"


class TrialsDialog(ConfirmScreen):
    """What to run, or what to do with a run."""

    TITLE_TEXT = "Trials"


class TriallingScreen(FilesScreen):
    """Runs trials in the background, one run at a time; its table is a file that every event finds complete."""

    speech: Speech
    """What trials say, as auditions do."""
    _control: TrialControl | None = None
    """Of the run that goes on; None while it says what it will try."""
    _stop_trials: threading.Event | None = None
    """Ends the run, also before it has a control."""
    _stop_following: threading.Event | None = None

    def action_trials(self) -> None:
        """Ask which trials to run; while they run, ask what to do with them."""
        if self.trial_panel.running is None:
            self._ask_what_to_run()
        else:
            self._ask_how_to_go_on()

    def _ask_what_to_run(self) -> None:
        run = self.bench.trial_run()
        question = (
            f"Try FP16, INT8 and W8 on each group alone? All are {count(run.trials, 'trial')}, about "
            f"{duration(run.seconds)} on this machine; what the table holds already is not tried again."
        )
        answers = {**self._scopes("Marked", "Filtered"), _ALL: "All", _KEEP: "Not now"}
        self.app.push_screen(TrialsDialog(question, answers), self._scope_chosen)

    def _ask_how_to_go_on(self) -> None:
        answers = {_STOP: "Stop"}
        if self._control is not None:
            answers = {_PAUSE: "Go on" if self._control.paused else "Pause", **answers}
            answers |= {**self._scopes("Only marked", "Only filtered"), _ALL: "All again"}
        question = "Trials are running. Finished ones are on the disk, whatever you do."
        self.app.push_screen(TrialsDialog(question, {**answers, _KEEP: "Back"}), self._steered)

    def _scopes(self, marked: str, listed: str) -> dict[str, str]:
        """Answers that name some of the rows, where there are such."""
        found = {_MARKED: f"{marked} ({len(self.marked)})"} if self.marked else {}
        if self.view.pattern and self.table.listed:
            found[_LISTED] = f"{listed} ({len(self.table.listed)})"
        return found

    def _keys_of(self, answer: str) -> tuple[str, ...]:
        if answer == _MARKED:
            return self._chosen_keys()
        rows = self.table.listed if answer == _LISTED else ()
        return tuple(key for row in rows for key in row.members)

    def _scope_chosen(self, answer: str | None) -> None:
        if answer in (_MARKED, _LISTED, _ALL):
            assert answer is not None
            self._start_trials(self._keys_of(answer))

    def _steered(self, answer: str | None) -> None:
        control = self._control
        if self.trial_panel.running is None or answer in (None, _KEEP):
            return
        if answer == _STOP:
            self._show_running(stage="stopping")
            self.stop_trials()
        elif control is None:
            return
        elif answer == _PAUSE:
            paused = control.toggle_pause()
            self.say("trials paused; those that run are finished" if paused else "trials go on")
        else:
            assert answer is not None
            keys = self._keys_of(answer)
            control.select(frozenset(keys) if keys else None)
            self.say(f"trials of {count(len(keys), 'node')} first" if keys else "all trials again")

    def _start_trials(self, keys: tuple[str, ...], *, fresh: bool = False) -> None:
        inventory = self.bench.inventory
        wish = TrialWish(
            output_path=self.bench.trials_path or Path.cwd() / TABLE_NAME,
            keys=keys or tuple(node.key for node in inventory.candidates),
            text=self.speech.text,
            voice=self.speech.voice,
            fresh=fresh,
        )
        self._stop_trials = threading.Event()
        self._show_running(stage="preparing")
        self._run_trials(wish, self._stop_trials)

    @work(thread=True, exit_on_error=False, group="trials")
    def _run_trials(self, wish: TrialWish, stop: threading.Event) -> None:
        drain(self.bench, wish, self.post_message, stop)

    # What the run tells

    @on(TrialsPrepared)
    def _trials_prepared(self, event: TrialsPrepared) -> None:
        self._control = event.steering
        if self._stop_trials is not None and self._stop_trials.is_set():
            event.steering.stop.set()
        self.bench.trials = event.table
        self.bench.trials_path = event.output_path
        self.show_trials()
        for note in event.notes:
            self.say(note)
        self.update_hints()

    @on(TrialsWent)
    def _trials_went(self, event: TrialsWent) -> None:
        if event.progress is None:
            self._show_running(stage=event.stage, share=event.share)
            return
        self._show_running(progress=event.progress, noise_floor=event.noise_floor)
        if event.rows:
            self._take_rows(event.rows)

    def _take_rows(self, rows: tuple[TrialRow, ...]) -> None:
        """Fill the cells that the rows are about; the order of the table stays until it is listed again."""
        before = self.bench.trials or TrialTable()
        self.bench.trials = before.with_rows(rows)
        self.work = self.state.with_trials(self.bench)
        self._refresh_rows(frozenset(row.name for row in rows), self.state.plan)
        current = self.table.current
        if current is not None and not {row.name for row in rows}.isdisjoint(current.members):
            self.show_detail()

    def _show_running(self, **changes: object) -> None:
        panel = self.trial_panel
        running = panel.running or RunningTrials()
        trials = self.bench.trials
        panel.running = replace(running, worst=trials.worst(5) if trials else (), **changes)  # type: ignore[arg-type]

    # What another process runs

    @on(TrialsLoaded)
    def _follow_loaded(self, event: TrialsLoaded) -> None:
        if self._control is None:
            self._stop_follow()
            self._stop_following = threading.Event()
            self._follow(event.table, event.path, self._stop_following)

    @work(thread=True, exit_on_error=False, group="follow")
    def _follow(self, table: TrialTable, path: Path, stop: threading.Event) -> None:
        follow(table, path, self.post_message, stop)

    @on(TrialsFollowed)
    def _followed(self, event: TrialsFollowed) -> None:
        if event.path != self.bench.trials_path or self._control is not None:
            return
        writer = f"{event.owner.describe}; its rows come in here" if event.owner is not None else ""
        if event.rows:
            self._take_rows(event.rows)
        self.trial_panel.view = trials_view(event.path, self.bench.trials or TrialTable(), writer=writer)
        if event.owner is None:
            self.say("the other kokoro-tui has ended its trials; t goes on where it was")

    def _stop_follow(self) -> None:
        if self._stop_following is not None:
            self._stop_following.set()

    @on(TrialsRefused)
    def _trials_refused(self, event: TrialsRefused) -> None:
        """The table on the disk is of another run: ask before it is moved aside."""
        self.trial_panel.running = None
        answers = {_KEEP: "Leave it", _FRESH: "Move it aside and start"}

        def answered(answer: str | None) -> None:
            if answer == _FRESH:
                self.bench.trials_path = event.output_path
                self._start_trials(event.keys, fresh=True)

        self.app.push_screen(TrialsDialog(f"{event.error.message}.", answers), answered)

    @on(TrialsEnded)
    def _trials_ended(self, event: TrialsEnded) -> None:
        self._control = None
        self.trial_panel.running = None
        self.update_hints()
        path = self.bench.trials_path
        if event.error is None:
            said = f"trials done; the table is {short_path(path) if path else TABLE_NAME}"
        elif isinstance(event.error, Cancelled):
            said = "trials stopped; t goes on where they were"
        else:
            said = f"the trials: {event.error.message}"
            self.report("the trials", event.error)
        self.say(said)
        if path is not None and path.exists():
            self.load_trials(path, said)

    def stop_trials(self) -> None:
        """End a run and its workers, or following somebody else's."""
        self._stop_follow()
        if self._stop_trials is not None:
            self._stop_trials.set()
        if self._control is not None:
            self._control.stop.set()
