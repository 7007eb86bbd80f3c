"""Candidates: rendering them in the background, one after another, hearing them and choosing one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on, work
from textual.reactive import var
from textual.worker import Worker, WorkerState

from kokoro_tui.errors import Cancelled, InputError, KokoroTuiError, WorkError
from kokoro_tui.tui import files
from kokoro_tui.tui.audition import Auditioner
from kokoro_tui.tui.candidates import Candidate, Candidates, Stage
from kokoro_tui.tui.formats import mib, printable
from kokoro_tui.tui.messages import (
    AuditionEnded,
    CandidateEnded,
    CandidateHeard,
    CandidateOffered,
    JobFailed,
    Progressed,
)
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.screens.speaking import SpeakingScreen
from kokoro_tui.tui.state import Measured

if TYPE_CHECKING:
    from kokoro_tui.audio.player import Player
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.speech.sentences import Speech
    from kokoro_tui.tui.audition import AuditionResult

_CANDIDATE_JOB = "candidate"
# What is imported inside functions here is not needed for the first frame.


class ComparingScreen(SpeakingScreen):
    """Renders candidates one after another while the screen stays free."""

    candidates: var[Candidates] = var(Candidates(), init=False)
    """They stay while the session lives."""
    _cancel_rendering: threading.Event | None = None

    def watch_candidates(self) -> None:
        """Let the dialogs show them."""
        self._tell_dialogs()

    def _tell_dialogs(self) -> None:
        for screen in self.app.screen_stack:
            if isinstance(screen, Dialog) and screen.is_mounted:
                screen.owner_changed()

    @property
    def original_bytes(self) -> int:
        """Size of the source model's file."""
        return self.state.estimate.original_bytes

    # Which candidates

    def action_keep_candidate(self) -> None:
        """Take the plan on show as a candidate."""
        try:
            self.add_current_plan()
        except InputError as error:
            self.say(f"{error.message}; {error.hint}", warning=True)

    def add_current_plan(self) -> None:
        """Take the plan on show as a candidate.

        Raises:
            InputError: It is one already, or there are too many.
        """
        kept = sum(candidate.name.startswith("plan ") for _, candidate in self.candidates)
        self.add_candidate(f"plan {kept + 1}", self.state.plan)

    def add_candidate(self, name: str, plan: PrecisionPlan) -> None:
        """Take a plan as a candidate and have it rendered.

        Raises:
            InputError: It is one already, or there are too many.
        """
        size = self.bench.estimate(plan).estimated_bytes
        self.candidates = self.candidates.added(Candidate(name, plan, size))
        number = self.candidates.number_of(plan.digest)
        self.say(f"{name} is candidate {number}, {mib(size)} MiB; c shows all of them")
        self._render_next()

    @on(CandidateOffered)
    def _candidate_offered(self, event: CandidateOffered) -> None:
        for note in event.notes:
            self.say(note)
        try:
            self.add_candidate(event.name, event.plan)
        except InputError as error:
            self.say(f"{event.name}: {error.message}; {error.hint}", warning=True)

    def ask_for_candidate(self) -> None:
        """Ask for a preset or a recipe."""
        from kokoro_tui.tui.screens.candidate_source import CandidateSourceScreen

        folders = (self.model_path.parent, self.model_path.cwd())
        screen = CandidateSourceScreen(folders, files.preset_names())
        self.app.push_screen(screen, self._source_chosen)

    def _source_chosen(self, source: str | None) -> None:
        from kokoro_tui.tui.screens.candidate_source import CURRENT_PLAN

        if source == CURRENT_PLAN:
            self.action_keep_candidate()
        elif source is not None:
            self._read_candidate(source)

    @work(thread=True, exit_on_error=False, group="load")
    def _read_candidate(self, source: str) -> None:
        try:
            plan, name, notes = files.load_plan(self.bench, source, self.state.plan)
        except KokoroTuiError as error:
            self.post_message(JobFailed("loading the candidate", error))
        else:
            self.post_message(CandidateOffered(name, plan, notes))

    def remove_candidate(self, number: int) -> None:
        """Let a candidate go; if it is being rendered, that is stopped."""
        gone = self.candidates.get(number)
        self.candidates = self.candidates.without(number)
        if gone is not None and gone.stage is Stage.RENDERING and self._cancel_rendering is not None:
            self._cancel_rendering.set()

    # Rendering them

    def toggle_rendering(self) -> None:
        """Stop rendering, or go on with what is not rendered."""
        if self._cancel_rendering is not None:
            for _, found in self.candidates:
                if found.stage in (Stage.WAITING, Stage.RENDERING):
                    self.candidates = self.candidates.updated(found.plan.digest, stage=Stage.STOPPED)
            self._cancel_rendering.set()
        else:
            self.candidates = self.candidates.waiting_for(self.speeches)
            self._render_next()

    def speeches_changed(self) -> None:
        """Render again what is on show and all candidates, which say something else."""
        super().speeches_changed()
        self.candidates = self.candidates.waiting_for(self.speeches)
        if self._cancel_rendering is not None:
            self._cancel_rendering.set()
        else:
            self._render_next()

    def _render_next(self) -> None:
        """Start with the first that waits, unless something is being built already."""
        waiting = self.candidates.next_waiting
        if waiting is None or self._cancel_rendering is not None or self._cancel_build is not None:
            return
        self._cancel_rendering = threading.Event()
        self.candidates = self.candidates.updated(waiting.plan.digest, stage=Stage.RENDERING, doing="", share=0.0)
        self._render_candidate(waiting.plan, self.speeches, self._cancel_rendering)

    @work(thread=True, exit_on_error=False, group=_CANDIDATE_JOB)
    def _render_candidate(self, plan: PrecisionPlan, speeches: Sequence[Speech], cancel: threading.Event) -> None:
        try:
            result = Auditioner(self.bench).run(plan, speeches, self._tell_candidate, cancel, background=True)
        except KokoroTuiError as error:
            self.post_message(CandidateEnded(plan, None, error))
        else:
            self.post_message(CandidateEnded(plan, result))

    def _tell_candidate(self, stage: str, share: float) -> None:
        self.post_message(Progressed(_CANDIDATE_JOB, stage, share))

    @on(Progressed)
    def _candidate_progressed(self, event: Progressed) -> None:
        rendering = self.candidates.rendering
        if event.job == _CANDIDATE_JOB and rendering is not None:
            self.candidates = self.candidates.updated(rendering.plan.digest, doing=event.stage, share=event.share)

    @on(CandidateEnded)
    def _candidate_ended(self, event: CandidateEnded) -> None:
        self._cancel_rendering = None
        self._take_result(event.plan, event.result, event.error)
        self._render_next()

    def _take_result(self, plan: PrecisionPlan, result: AuditionResult | None, error: KokoroTuiError | None) -> None:
        number = self.candidates.number_of(plan.digest)
        if number is None:
            return
        name = self._name_of(plan)
        if result is not None:
            stage = Stage.READY if result.speeches in (self.speeches, ()) else Stage.WAITING
            self.candidates = self.candidates.updated(plan.digest, stage=stage, result=result, problem="")
            self._keep_measured(result)
            self.say(f"candidate {number}, {printable(name)}, is rendered; {number} plays it")
        elif error is not None and not isinstance(error, Cancelled):
            problem = f"{error.message}; {error.hint}"
            self.candidates = self.candidates.updated(plan.digest, stage=Stage.FAILED, problem=problem)
            self.report(f"candidate {number}", error)
        elif self.candidates.by_number[number].stage is Stage.RENDERING:
            self.candidates = self.candidates.updated(plan.digest, stage=Stage.STOPPED)

    def _keep_measured(self, result: AuditionResult) -> None:
        found = result.figures
        if found is not None:
            measured = Measured(result.final_bytes, found.mel_distance, found.added_noise_db, found.frames_moved)
            self.work = self.state.with_measured(result.plan, measured)

    @on(AuditionEnded)
    def _plan_heard(self, event: AuditionEnded) -> None:
        """What was built anyway need not be rendered again."""
        result = event.result
        if result is not None and result.speeches == self.speeches:
            number = self.candidates.number_of(result.plan.digest)
            candidate = None if number is None else self.candidates.get(number)
            if candidate is not None and candidate.result is None:
                # It can be heard already; what is left is how fast it is.
                self.candidates = self.candidates.updated(result.plan.digest, result=result)
        # Once the build counts as ended, which another handler of this message sees to.
        self.call_later(self._render_next)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """A candidate that fails in a way that nobody foresaw must not hold up the others."""
        rendering = self.candidates.rendering
        if event.worker.group == _CANDIDATE_JOB and event.state is WorkerState.ERROR and rendering is not None:
            problem = WorkError(f"unexpected failure: {event.worker.error}", "the log says where")
            self.post_message(CandidateEnded(rendering.plan, None, problem))

    def _name_of(self, plan: PrecisionPlan) -> str:
        number = self.candidates.number_of(plan.digest)
        candidate = None if number is None else self.candidates.get(number)
        return "this plan" if candidate is None else candidate.name

    # Hearing them

    def action_candidate(self, number: int) -> None:
        """Hear a candidate in the player, at the same place if it plays."""
        candidate = self.candidates.get(number)
        if candidate is None:
            self.say(f"there is no candidate {number}; k takes the plan as one, c shows all of them")
        elif candidate.result is None or not candidate.says(self.speeches):
            self.say(f"candidate {number}, {printable(candidate.name)}, is not rendered yet")
        elif candidate.result.figures is None:
            self.say("the model does not speak, so nothing can be heard", warning=True)
        elif self._cancel_build is not None:
            self.say("a build is running; esc stops it")
        else:
            state = self._player.state() if self._player is not None else None
            position = state.position_seconds if state is not None and state.playing else 0.0
            index = min(self.player_bar.index, len(candidate.result.clips) - 1)
            self._hear(number, candidate.result, index, position)

    @work(thread=True, exclusive=True, exit_on_error=False, group="sentence")
    def _hear(self, number: int, result: AuditionResult, index: int, position: float) -> None:
        try:
            analysis = self.open_sentence(result, index)
        except KokoroTuiError as error:
            self.post_message(JobFailed("playing the candidate", error))
        else:
            self.post_message(CandidateHeard(number, result, index, analysis, position))

    @on(CandidateHeard)
    def _candidate_heard(self, event: CandidateHeard) -> None:
        bar, player, candidate = self.player_bar, self._player, self.candidates.get(event.number)
        if player is None:
            return
        bar.result, bar.stale = event.result, False
        name = f"candidate {event.number}, {printable(candidate.name)}" if candidate is not None else "gone"
        on_show = event.result.plan.digest == self.state.plan.digest
        bar.differs = "" if on_show else f"B is {name}, not the plan on show"
        player.switch(1)
        self.show_sentence(event.index, event.analysis)
        if player.silence_reason is not None:
            self.say(player.silence_reason, warning=True)
            return
        player.play(event.position)
        self._show_played()
        self.say(f"B is {name}")

    def open_player(self) -> Player:
        """A player of its own for candidates, on the device or the page that was chosen; blocks."""
        return self.make_player("Candidates")

    def end_jobs(self) -> None:
        """Stop what runs."""
        if self._cancel_rendering is not None:
            self._cancel_rendering.set()
        super().end_jobs()
