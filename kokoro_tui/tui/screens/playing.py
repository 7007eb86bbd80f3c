"""Building, rendering and playing: the audition."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from textual import on, work

from kokoro_tui.errors import Cancelled, KokoroTuiError
from kokoro_tui.tui import files
from kokoro_tui.tui.audition import Auditioner, AuditionResult, Speech
from kokoro_tui.tui.formats import distance, mib
from kokoro_tui.tui.messages import AuditionEnded, PlayerFailed, Progressed
from kokoro_tui.tui.screens.speech import SpeechScreen
from kokoro_tui.tui.screens.trialling import TriallingScreen
from kokoro_tui.tui.state import Measured
from kokoro_tui.tui.widgets.player_bar import Building, PlayerBar

if TYPE_CHECKING:
    from kokoro_tui.audio.player import Player
    from kokoro_tui.core.plan import PrecisionPlan

_END_SECONDS = 0.05
"""Closer to the end than this, playing starts over."""


class PlayingScreen(TriallingScreen):
    """Builds in the background, one build at a time, and plays what came of it."""

    def __init__(self, speech: Speech) -> None:
        super().__init__()
        self.speech = speech
        self._auditioner: Auditioner | None = None
        self._cancel_build: threading.Event | None = None
        self._player: Player | None = None
        self._silence_told = False

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
        self.update_hints()
        self._audition(self.state.plan, self.speech, self._cancel_build)

    @work(thread=True, exit_on_error=False, group="audition")
    def _audition(self, plan: PrecisionPlan, speech: Speech, cancel: threading.Event) -> None:
        assert self._auditioner is not None
        try:
            result = self._auditioner.run(plan, speech, self._tell_progress, cancel)
            if result.measurement is not None:
                self._load_player(result)
        except KokoroTuiError as error:
            self.post_message(AuditionEnded(None, error))
        else:
            self.post_message(AuditionEnded(result))

    def _tell_progress(self, stage: str, share: float) -> None:
        self.post_message(Progressed("audition", stage, share))

    def _load_player(self, result: AuditionResult) -> None:
        """Look for the audio device, which may take a while, and hand it both renderings."""
        # PortAudio loads only once there is something to hear.
        from kokoro_tui.audio.player import open_player

        if self._player is None:
            self._player = open_player(self._tell_problem)
        assert result.measurement is not None
        self._player.load([result.measurement.reference, result.measurement.candidate])

    def _tell_problem(self, error: KokoroTuiError) -> None:
        self.post_message(PlayerFailed(error))

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
        if event.result is not None:
            self._show_result(event.result)
        elif isinstance(event.error, Cancelled):
            self.say("build stopped")
        elif event.error is not None:
            self.report("building", event.error)
        self.update_hints()

    def _show_result(self, result: AuditionResult) -> None:
        bar, found = self.player_bar, result.measurement
        bar.result = result
        bar.stale = result.plan.digest != self.state.plan.digest
        bar.played = self._player.state() if self._player is not None and found is not None else None
        bar.silence = (self._player.silence_reason or "") if self._player is not None else ""
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

    # Playing

    @property
    def can_play(self) -> bool:
        """Whether there are two renderings to hear."""
        return self._player is not None and self.player_bar.played is not None and self._cancel_build is None

    def action_play(self) -> None:
        """Play, or stop."""
        if self._player is None or not self.can_play:
            return
        if self.player_bar.silence:
            self.say(self.player_bar.silence, warning=True)
            return
        state = self._player.state()
        if state.playing:
            self._player.pause()
        else:
            at_end = state.position_seconds >= state.duration_seconds - _END_SECONDS
            self._player.play(0.0 if at_end else None)
        self.player_bar.focus()
        self._show_played()

    @on(PlayerBar.SwitchAsked)
    def _switch_asked(self) -> None:
        if self._player is not None and self.can_play:
            self._player.switch(1 - self._player.state().which)
            self._show_played()

    @on(PlayerBar.SeekAsked)
    def _seek_asked(self, event: PlayerBar.SeekAsked) -> None:
        if self._player is not None and self.can_play:
            self._player.seek(max(0.0, event.seconds))
            self._show_played()

    @on(PlayerBar.Ticked)
    def _show_played(self) -> None:
        if self._player is not None:
            self.player_bar.played = self._player.state()

    @on(PlayerBar.Left)
    def _player_left(self) -> None:
        self.table.focus()

    @on(PlayerFailed)
    def _player_failed(self, event: PlayerFailed) -> None:
        self._show_played()
        self.report("playing", event.error)
        self.app.refresh(repaint=True)

    # Text and voice

    def action_speech(self) -> None:
        """Ask for the sentence and the voice."""
        self.app.push_screen(SpeechScreen(self.speech, files.voice_names()), self._speech_chosen)

    def _speech_chosen(self, speech: Speech | None) -> None:
        if speech is not None and speech != self.speech:
            self.speech = speech
            self.host.remember(text=speech.text, voice=speech.voice)
            self.say("text and voice taken; b renders them")

    def end_jobs(self) -> None:
        """Stop what runs and give the audio device back."""
        self.stop_trials()
        if self._cancel_build is not None:
            self._cancel_build.set()
        if self._player is not None:
            self._player.close()
            self._player = None
