"""A player whose sound stands still in the middle, for screenshots and walks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.playback import PlayerState, SilentPlayer
from kokoro_tui.audio.waveform import FloatArray

_PLACE = 0.4
"""Where it stands, as a share of the sentence."""


class StillPlayer(SilentPlayer):
    """Seems to play, at one place."""

    def __init__(self) -> None:
        super().__init__("")
        self.loaded: tuple[FloatArray, ...] = ()
        """The tracks."""
        self._plays = False

    @property
    def silence_reason(self) -> None:  # type: ignore[override]
        """It is not silent, as far as anybody can see."""

    def load(self, tracks: Sequence[FloatArray], time_maps: Sequence[TimeMap | None] = ()) -> None:
        """Keep the tracks."""
        super().load(tracks, time_maps)
        self.loaded, self._plays = tuple(tracks), False

    def play(self, position_seconds: float | None = None) -> None:
        """Stand still in the middle."""
        self._plays = True

    def pause(self) -> None:
        """Stop."""
        self._plays = False

    def stop(self) -> None:
        """Stop."""
        self._plays = False

    def state(self) -> PlayerState:
        """In the middle, while it plays."""
        found = super().state()
        return replace(found, playing=self._plays, position_seconds=_PLACE * found.duration_seconds * self._plays)
