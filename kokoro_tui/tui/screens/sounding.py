"""The part of the main screen that plays: what is heard, where, how loud, and through which device."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

from textual import events, on, work

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.tui.hearing import analyse_sentence
from kokoro_tui.tui.messages import DevicesListed, JobFailed, Noted, PageOpened, PlayerFailed, SentenceOpened
from kokoro_tui.tui.screens.browsing import BrowsingScreen
from kokoro_tui.tui.screens.devices import DEFAULT, DeviceScreen
from kokoro_tui.tui.widgets.player_bar import PlayerBar
from kokoro_tui.tui.widgets.sound_view import SoundView

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis
    from kokoro_tui.audio.player import Player
    from kokoro_tui.tui.audition import AuditionResult

DIFFERENCE = 2
"""The track that holds what B adds to A."""
TRACK_LABELS = ("A original", "B candidate", "B \N{MINUS SIGN} A")
"""What a listening page calls the tracks."""
_END_SECONDS = 0.05
"""Closer to the end than this, playing starts over."""
_VOLUME_DB = (-48.0, 0.0)
"""Softest and loudest volume; louder would clip."""
_GAIN_DB = (-12.0, 60.0)
"""Smallest and largest gain of the difference."""


class SoundingScreen(BrowsingScreen):
    """Holds the player; only this part of the screen talks to it."""

    _player: Player | None = None

    # Loading; on worker threads

    def open_sentence(self, result: AuditionResult, index: int) -> Analysis:
        """Compute what is heard and drawn of a sentence, and hand it to the player; for a thread.

        The audio device is looked for when it is first needed, which may take a while.

        Raises:
            KokoroTuiError: A rendering is broken.
        """
        analysis = analyse_sentence(result.clips[index])
        if self._player is None:
            self._player = self.make_player("Original and candidate", TRACK_LABELS)
        self._load(self._player, analysis)
        return analysis

    def _load(self, player: Player, analysis: Analysis) -> None:
        tracks = analysis.tracks
        player.load([tracks.a, tracks.b, tracks.difference], [None, tracks.time_map, None])

    def replace_player(self) -> None:
        """See `BrowsingScreen.replace_player`; the sentence, the track and the place stay."""
        before, analysis = self._player, self.player_bar.analysis
        if before is None or analysis is None:
            return
        state = before.state()
        before.close()
        self._player = self.make_player("Original and candidate", TRACK_LABELS)
        self._load(self._player, analysis)
        self._player.set_volume(state.volume)
        self._player.switch(state.which)
        self._player.seek(state.position_seconds)

    @on(PageOpened)
    def _player_replaced(self) -> None:
        if self._player is not None and self.player_bar.analysis is not None:
            self.show_sentence(self.player_bar.index, self.player_bar.analysis)

    def show_sentence(self, index: int, analysis: Analysis) -> None:
        """Show a sentence that has been loaded."""
        assert self._player is not None
        bar, player = self.player_bar, self._player
        bar.silence, bar.note = player.silence_reason or "", player.note or ""
        bar.index, bar.analysis = index, analysis
        self._set_gain(bar.gain)
        self._show_played()
        self.make_room()
        self.update_hints()

    # Playing

    @property
    def can_play(self) -> bool:
        """Whether there are two renderings to hear."""
        return self._player is not None and self.player_bar.can_be_heard

    def action_play(self) -> None:
        """Play, or stop."""
        if self._player is None or not self.can_play:
            return
        self.player_bar.focus()
        if self.player_bar.silence:
            self.say(self.player_bar.silence, warning=True)
            return
        state = self._player.state()
        if state.playing:
            self._player.pause()
        else:
            at_end = state.position_seconds >= state.duration_seconds - _END_SECONDS
            self._player.play(0.0 if at_end else None)
        self._show_played()

    def action_worst(self) -> None:
        """Go to the half second in which A and B differ most."""
        analysis = self.player_bar.analysis
        if self._player is None or not self.can_play or analysis is None:
            return
        if analysis.worst is None:
            self.say("A and B are the same")
            return
        self._player.seek(analysis.worst[0])
        self.say("the worst half second: {:.2f} to {:.2f} s".format(*analysis.worst))
        self._show_played()

    @on(PlayerBar.TrackAsked)
    def _track_asked(self, event: PlayerBar.TrackAsked) -> None:
        if self._player is not None and self.can_play:
            self._player.switch(event.which)
            self._show_played()

    @on(SoundView.SeekAsked)
    def _seek_asked(self, event: SoundView.SeekAsked) -> None:
        if self._player is not None and self.can_play:
            self._player.seek(max(0.0, event.seconds))
            self._show_played()

    @on(PlayerBar.StepAsked)
    def _step_asked(self, event: PlayerBar.StepAsked) -> None:
        if self._player is not None and self.can_play:
            self._player.seek(max(0.0, self._player.state().position_seconds + event.seconds))
            self._show_played()

    @on(PlayerBar.BoundAsked)
    def _bound_asked(self, event: PlayerBar.BoundAsked) -> None:
        """The other end stays where it was, unless it lies on the wrong side."""
        if self._player is None or not self.can_play:
            return
        state = self._player.state()
        here, (start, end) = state.position_seconds, state.loop or (0.0, state.duration_seconds)
        if event.is_start:
            self._player.repeat((here, end if end > here else state.duration_seconds))
        else:
            self._player.repeat((start if start < here else 0.0, here))
        self._show_played()

    @on(SoundView.RepeatAsked)
    def _repeat_asked(self, event: SoundView.RepeatAsked) -> None:
        if self._player is not None and self.can_play:
            self._player.repeat(event.span)
            self._show_played()

    @on(PlayerBar.LoudnessAsked)
    def _loudness_asked(self, event: PlayerBar.LoudnessAsked) -> None:
        if self._player is None or not self.can_play:
            return
        if event.volume_db:
            volume = _to_db(self._player.state().volume) + event.volume_db
            self._player.set_volume(_to_factor(_within(volume, _VOLUME_DB)))
        if event.gain_db:
            self._set_gain(self.player_bar.gain + event.gain_db)
        self._show_played()

    def _set_gain(self, gain_db: float) -> None:
        """Raise the difference, but not beyond full scale."""
        assert self._player is not None and self.player_bar.analysis is not None
        peak = float(abs(self.player_bar.analysis.tracks.difference).max())
        most = -_to_db(peak) if peak else _GAIN_DB[1]
        gain = _within(gain_db, (_GAIN_DB[0], max(_GAIN_DB[0], min(_GAIN_DB[1], most))))
        self.player_bar.gain = gain
        self._player.set_gain(DIFFERENCE, _to_factor(gain))

    @on(PlayerBar.Ticked)
    def _show_played(self) -> None:
        if self._player is not None:
            self.player_bar.played = self._player.state()

    @on(PlayerBar.Left)
    def _player_left(self) -> None:
        self.table.focus()

    @on(PlayerFailed)
    def _player_failed(self, event: PlayerFailed) -> None:
        if self._player is not None:
            self.player_bar.silence = self._player.silence_reason or ""
        self._show_played()
        self.report("playing", event.error)
        self.app.refresh(repaint=True)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """The player fills the screen while it has the focus and something to show."""
        self.make_room()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Give the room back."""
        self.make_room()

    def make_room(self) -> None:
        """Let the player fill the screen, or give the table its place back."""
        bar = self.player_bar
        listening = bar.has_focus and bar.can_be_heard
        self.set_class(listening, "-listening")
        bar.view.set_class(listening, "-grown")

    # Sentences

    @on(PlayerBar.SentenceAsked)
    def _sentence_asked(self, event: PlayerBar.SentenceAsked) -> None:
        result = self.player_bar.result
        if result is not None and self.can_play:
            self._open_other(result, event.index, playing=self._player is not None and self._player.state().playing)

    @work(thread=True, exclusive=True, exit_on_error=False, group="sentence")
    def _open_other(self, result: AuditionResult, index: int, *, playing: bool) -> None:
        try:
            analysis = self.open_sentence(result, index)
        except KokoroTuiError as error:
            self.post_message(JobFailed("opening the sentence", error))
        else:
            self.post_message(SentenceOpened(result, index, analysis, playing))

    @on(SentenceOpened)
    def _sentence_opened(self, event: SentenceOpened) -> None:
        if self._player is None or event.result is not self.player_bar.result:
            return
        which = self.player_bar.played.which if self.player_bar.played is not None else 0
        self._player.switch(which)
        self.show_sentence(event.index, event.analysis)
        if event.playing:
            self._player.play()
            self._show_played()

    # Devices

    def action_devices(self) -> None:
        """Choose the audio device."""
        if self._player is not None:
            self._list_devices(self._player)

    @work(thread=True, exclusive=True, exit_on_error=False, group="devices")
    def _list_devices(self, player: Player) -> None:
        try:
            names = player.outputs()
        except KokoroTuiError as error:
            self.post_message(JobFailed("looking for audio devices", error))
        else:
            self.post_message(DevicesListed(names, player.output))

    @on(DevicesListed)
    def _devices_listed(self, event: DevicesListed) -> None:
        if event.names:
            self.app.push_screen(DeviceScreen(event.names, event.chosen), self._device_chosen)
        else:
            bar = self.player_bar
            self.say(bar.silence or bar.note or "there is no audio device to choose", warning=True)

    def _device_chosen(self, name: str | None) -> None:
        if name is not None and self._player is not None:
            self._use_device(self._player, None if name == DEFAULT else name)

    @work(thread=True, exclusive=True, exit_on_error=False, group="devices")
    def _use_device(self, player: Player, name: str | None) -> None:
        try:
            player.choose_output(name)
        except KokoroTuiError as error:
            self.post_message(JobFailed("choosing the audio device", error))
        else:
            self.app.call_from_thread(self.host.remember, audio_output=name)
            self.post_message(Noted(f"playing through {name or 'the default device'}"))

    def close_player(self) -> None:
        """Fall silent and give the audio device back."""
        if self._player is not None:
            self._player.close()
            self._player = None
        self.close_page()


def _to_db(factor: float) -> float:
    return 20.0 * log10(factor)


def _to_factor(decibels: float) -> float:
    return float(10.0 ** (decibels / 20.0))


def _within(value: float, limits: tuple[float, float]) -> float:
    return min(max(value, limits[0]), limits[1])
