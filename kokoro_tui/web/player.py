"""A player whose loudspeaker is a page in a browser, here or at the other end of an SSH tunnel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.playback import PlayerState
from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, WaveformError, check_waveform
from kokoro_tui.errors import InputError
from kokoro_tui.web.board import ListenTrack
from kokoro_tui.web.server import ListenServer

LETTERS = "ABCDEFGHIJ"
"""What tracks are called unless they have names."""


class BrowserPlayer:
    """Does what `kokoro_tui.audio.player.Player` promises, on a listening page.

    Nothing comes back from the page: the place is reckoned by the clock. Every track runs on its own time, so that
    after a moved phoneme switching jumps by as much as it has moved.

    Args:
        server: Serves the page; several players may share it, and the one used last is heard.
        title: What the page says above the tracks.
        labels: What the tracks are called; letters unless given.
        clock: Seconds that pass.
    """

    silence_reason = None
    output = None

    def __init__(
        self,
        server: ListenServer,
        title: str,
        labels: Sequence[str] = (),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._server = server
        self._title = title
        self._labels = labels or LETTERS
        self._clock = clock
        self._tracks: tuple[ListenTrack, ...] = ()
        self._gains: tuple[float, ...] = ()
        self._names: tuple[str, ...] = ()
        self._state = PlayerState(False, 0, 0.0, 0.0)
        self._since = 0.0
        """Clock reading at which the position was that of the state."""

    @property
    def note(self) -> str:
        """See `Player.note`."""
        return f"plays in the browser: {self._server.url}"

    def load(self, tracks: Sequence[FloatArray], time_maps: Sequence[TimeMap | None] = ()) -> None:
        """See `Player.load`."""
        if not tracks:
            raise WaveformError("there is no rendering to play", "render a sentence first")
        for track in tracks:
            check_waveform(track, name="given")
        self._tracks = tuple(ListenTrack(self._label(index), track) for index, track in enumerate(tracks))
        self._gains = (1.0,) * len(tracks)
        seconds = max(track.size for track in tracks) / SAMPLE_RATE
        self._state = PlayerState(False, 0, 0.0, seconds, self._state.volume)
        self._show()

    def play(self, position_seconds: float | None = None) -> None:
        """See `Player.play`."""
        self._set(playing=self._state.duration_seconds > 0, position=position_seconds)

    def pause(self) -> None:
        """See `Player.pause`."""
        self._set(playing=False)

    def stop(self) -> None:
        """See `Player.stop`."""
        self._set(playing=False, position=0.0)

    def seek(self, position_seconds: float) -> None:
        """See `Player.seek`."""
        self._set(playing=self.state().playing, position=position_seconds)

    def switch(self, which: int) -> None:
        """See `Player.switch`."""
        self._check(which)
        self._state = replace(self.state(), which=which)
        self._since = self._clock()
        self._take_over()
        self._server.board.select(which)

    def repeat(self, span: tuple[float, float] | None) -> None:
        """See `Player.repeat`."""
        self._state = replace(self.state(), loop=span)
        self._since = self._clock()
        self._adjust()

    def set_volume(self, volume: float) -> None:
        """See `Player.set_volume`."""
        self._state = replace(self.state(), volume=volume)
        self._since = self._clock()
        self._adjust()

    def set_gain(self, which: int, gain: float) -> None:
        """See `Player.set_gain`."""
        self._check(which)
        self._gains = (*self._gains[:which], gain, *self._gains[which + 1 :])
        self._adjust()

    def state(self) -> PlayerState:
        """See `Player.state`."""
        state = self._state
        if not state.playing:
            return state
        position = state.position_seconds + self._clock() - self._since
        if state.loop is not None and position >= state.loop[1]:
            start, end = state.loop
            return replace(state, position_seconds=start + (position - end) % (end - start))
        if position >= state.duration_seconds:
            return replace(state, playing=False, position_seconds=0.0)
        return replace(state, position_seconds=position)

    def outputs(self) -> tuple[str, ...]:
        """See `Player.outputs`; the listener chooses in the browser."""
        return ()

    def choose_output(self, name: str | None) -> None:
        """See `Player.choose_output`; there is nothing to choose."""

    def close(self) -> None:
        """See `Player.close`; the page stays, silent."""
        if self._is_shown:
            self._server.board.play(False)

    @property
    def _is_shown(self) -> bool:
        """Whether the page has these tracks, and not those of another player."""
        return self._names != () and self._server.board.state.ids == self._names

    def _set(self, *, playing: bool, position: float | None = None) -> None:
        state = self.state()
        at = state.position_seconds if position is None else min(max(position, 0.0), state.duration_seconds)
        self._state = replace(state, playing=playing, position_seconds=at)
        self._since = self._clock()
        self._take_over()
        # The place goes along whenever playing starts: the page may have been moved by its own slider.
        self._server.board.play(playing, None if position is None and not playing else at)

    def _adjust(self) -> None:
        self._take_over()
        self._server.board.adjust([gain * self._state.volume for gain in self._gains], self._state.loop)

    def _take_over(self) -> None:
        """Put the tracks back on the page where another player has put its own."""
        if self._tracks and not self._is_shown:
            self._show()

    def _show(self) -> None:
        board = self._server.board
        self._names = board.show(self._title, self._tracks, self._state.which)
        board.adjust([gain * self._state.volume for gain in self._gains], self._state.loop)

    def _label(self, index: int) -> str:
        return self._labels[index] if index < len(self._labels) else str(index + 1)

    def _check(self, which: int) -> None:
        if not 0 <= which < len(self._tracks):
            raise InputError(f"there is no rendering {which}", f"give a number from 0 to {len(self._tracks) - 1}")
