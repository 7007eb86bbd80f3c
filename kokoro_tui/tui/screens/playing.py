"""Building, rendering and playing: the audition."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work

from kokoro_tui.errors import Cancelled, KokoroTuiError
from kokoro_tui.tui.audition import Auditioner, AuditionResult, Speech
from kokoro_tui.tui.formats import distance, mib
from kokoro_tui.tui.messages import AuditionEnded, Progressed
from kokoro_tui.tui.screens.sounding import SoundingScreen
from kokoro_tui.tui.state import Measured
from kokoro_tui.tui.widgets.player_bar import Building

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis
    from kokoro_tui.core.plan import PrecisionPlan


class PlayingScreen(SoundingScreen):
    """Builds in the background, one build at a time, and plays what came of it."""

    def __init__(self, speech: Speech) -> None:
        super().__init__()
        self.speech = speech
        self._auditioner: Auditioner | None = None
        self._cancel_build: threading.Event | None = None
        self._silence_told = False

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """The sentences of the audition, the first of which is ``speech``."""
        return (self.speech,)

    # Building

    def action_build(self) -> None:
        """Build this plan and render it beside the original."""
        if self._cancel_build is not None:
            self.say("a build is running; esc stops it")
            return
        self._auditioner = self._auditioner or Auditioner(self.bench)
        self._cancel_build = threading.Event()
        if self._player is not None:
            self._player.stop()
        self.player_bar.building = Building()
        self.make_room()
        self.update_hints()
        self._audition(self.state.plan, self.speeches, self._cancel_build)

    @work(thread=True, exit_on_error=False, group="audition")
    def _audition(self, plan: PrecisionPlan, speeches: tuple[Speech, ...], cancel: threading.Event) -> None:
        assert self._auditioner is not None
        try:
            result = self._auditioner.run(plan, speeches, self._tell_progress, cancel)
            analysis = self.open_sentence(result, 0) if result.clips else None
        except KokoroTuiError as error:
            self.post_message(AuditionEnded(error=error))
        else:
            self.post_message(AuditionEnded(result, analysis))

    def _tell_progress(self, stage: str, share: float) -> None:
        self.post_message(Progressed("audition", stage, share))

    def action_cancel_build(self) -> None:
        """Stop the build that is running."""
        if self._cancel_build is not None:
            self._cancel_build.set()
            self.player_bar.building = replace(self.player_bar.building or Building(), stage="stopping")

    @on(Progressed)
    def _progressed(self, event: Progressed) -> None:
        building = self.player_bar.building
        if event.job == "audition" and building is not None:
            self.player_bar.building = replace(building, stage=event.stage, share=event.share)

    @on(AuditionEnded)
    def _audition_ended(self, event: AuditionEnded) -> None:
        self._cancel_build = None
        bar = self.player_bar
        bar.building = None
        self.make_room()
        if event.result is not None:
            self._show_result(event.result, event.analysis)
        elif isinstance(event.error, Cancelled):
            self.say("build stopped")
        elif event.error is not None:
            self.report("building", event.error)
        self.update_hints()

    def _show_result(self, result: AuditionResult, analysis: Analysis | None) -> None:
        bar, found = self.player_bar, result.figures
        bar.analysis, bar.played, bar.index = None, None, 0
        bar.result = result
        bar.stale = result.plan.digest != self.state.plan.digest
        if analysis is not None:
            self.show_sentence(0, analysis)
        if found is None:
            self.say(f"built, {mib(result.final_bytes)} MiB; {'; '.join(result.notes)}")
            return
        measured = Measured(result.final_bytes, found.mel_distance, found.added_noise_db, found.frames_moved)
        self.work = self.state.with_measured(result.plan, measured)
        if bar.silence and not self._silence_told:
            self._silence_told = True
            self.say(bar.silence, warning=True)
        else:
            how = "both WAVs are written" if bar.silence else "p plays, tab switches A/B"
            self.say(f"built, {mib(result.final_bytes)} MiB, mel {distance(found.mel_distance)}; {how}")

    def end_jobs(self) -> None:
        """Stop what runs and give the audio device back."""
        self.stop_trials()
        if self._cancel_build is not None:
            self._cancel_build.set()
        self.close_player()
