"""What the player's stream hears, computed block by block with no audio device in sight.

One rule covers start, stop, pause, seek and switch: whatever sounds is cross-faded, over a ramp of a few
milliseconds, into what is wanted now. The weights of a ramp add up to one (equal gain), since two renderings
of one sentence are nearly in phase and an equal-power ramp would make them swell. Outside ramps the samples
are those of the track, unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from kokoro_tui.audio.waveform import FloatArray, Waveform
from kokoro_tui.errors import InputError

RAMP_SECONDS = 0.005
"""Length of a cross-fade, in seconds: long enough not to click, too short to be heard as a fade."""

_SILENCE: Waveform = np.zeros(0, dtype=np.float32)


def match_levels(tracks: Sequence[FloatArray]) -> tuple[Waveform, ...]:
    """Scales every track to the root mean square level of the first.

    The first stays as it is, unless some track would then exceed full scale: all are turned down alike until
    the loudest sample is at full scale. Silent tracks are left alone.

    Args:
        tracks: Finite mono samples, shape [samples] each; the lengths may differ.

    Returns:
        Float32 copies in the same order, none beyond ±1.
    """
    levels = [_root_mean_square(track) for track in tracks]
    gains = [levels[0] / level if level and levels[0] else 1.0 for level in levels]
    peak = max(gain * float(np.abs(track).max(initial=0.0)) for gain, track in zip(gains, tracks, strict=True))
    headroom = min(1.0, 1.0 / peak) if peak else 1.0
    return tuple(
        (track.astype(np.float64) * (gain * headroom)).astype(np.float32)
        for gain, track in zip(gains, tracks, strict=True)
    )


class Mixer:
    """Several renderings of one sentence on one time axis, of which one at a time is heard.

    Every method may be called from any thread; each holds a lock for microseconds. Commands take effect at
    the next rendered frame, or after the ramp under way. The tracks are as long as the longest one; a shorter
    one ends in silence. At the end playing stops and the position returns to 0.

    Args:
        tracks: Float32 mono samples, shape [frames] each; the first is heard to begin with.
        ramp_frames: Length of a cross-fade in frames, at least 1.
    """

    def __init__(self, tracks: Sequence[Waveform], ramp_frames: int) -> None:
        self._tracks = tuple(tracks)
        self._length = max(track.size for track in self._tracks)
        phase = np.pi * np.arange(1, ramp_frames + 1) / (ramp_frames + 1)
        self._ramp: Waveform = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self._lock = threading.Lock()
        # What is wanted.
        self._playing = False
        self._which = 0
        self._jump: int | None = None
        self._switch_at: tuple[int, int] | None = None
        # What sounds: the track `_heard` at frame `_position`, or silence.
        self._audible = False
        self._heard = 0
        self._position = 0
        # What a ramp leaves behind, and how many of its frames are done.
        self._outgoing: Waveform | None = None
        self._outgoing_position = 0
        self._ramped = 0

    @property
    def length(self) -> int:
        """Frames of the longest track."""
        return self._length

    @property
    def position(self) -> int:
        """The next frame to be heard."""
        with self._lock:
            return self._wanted_position()

    @property
    def playing(self) -> bool:
        """Whether a track is meant to sound."""
        return self._playing

    @property
    def which(self) -> int:
        """Index of the track that is meant to sound."""
        return self._which

    @property
    def idle(self) -> bool:
        """Whether nothing sounds and nothing is meant to."""
        with self._lock:
            return not (self._playing or self._audible or self._outgoing is not None)

    def play(self, position: int | None = None) -> None:
        """Plays from a frame, or from the present position; mixers without frames stay silent."""
        with self._lock:
            self._playing = self._length > 0
            if position is not None:
                self._jump = self._clamp(position)

    def pause(self) -> None:
        """Falls silent and keeps the position."""
        with self._lock:
            self._playing = False

    def stop(self) -> None:
        """Falls silent and returns to the start."""
        with self._lock:
            self._playing = False
            self._jump = 0

    def halt(self) -> None:
        """Falls silent at once without a ramp, for when there is no longer a device to hear one."""
        with self._lock:
            self._playing = self._audible = False
            self._outgoing = None

    def seek(self, position: int) -> None:
        """Moves to a frame, playing or not; positions outside the tracks are clamped."""
        with self._lock:
            self._jump = self._clamp(position)

    def switch(self, which: int) -> None:
        """Changes over to another track at the same position.

        Raises:
            InputError: There is no such track.
        """
        self._check_track(which)
        with self._lock:
            self._which = which

    def request_switch_at(self, frame: int, which: int) -> None:
        """Changes over to another track when playing reaches a frame, or at once if it is past it.

        The ramp begins with that frame, or right after a ramp that is under way then. A later request
        replaces one that is still waiting.

        Raises:
            InputError: There is no such track.
        """
        self._check_track(which)
        with self._lock:
            self._switch_at = (frame, which)

    def render(self, frames: int) -> Waveform:
        """The next frames to be heard.

        Args:
            frames: How many.

        Returns:
            Float32 samples, shape [frames]; silence where nothing plays.
        """
        block = np.empty(frames, dtype=np.float32)
        done = 0
        with self._lock:
            while done < frames:
                self._begin_change()
                count = self._frames_until_event(frames - done)
                block[done : done + count] = self._next(count)
                done += count
        return block

    def _begin_change(self) -> None:
        """Starts a ramp if what sounds is not what is wanted and no ramp is under way."""
        if self._outgoing is not None:
            return
        if self._switch_at is not None and self._wanted_position() >= self._switch_at[0]:
            self._which = self._switch_at[1]
            self._switch_at = None
        if self._audible == self._playing and self._heard == self._which and self._jump is None:
            return
        if self._audible or self._playing:
            self._outgoing = self._tracks[self._heard] if self._audible else _SILENCE
            self._outgoing_position = self._position
            self._ramped = 0
        self._audible = self._playing
        self._heard = self._which
        if self._jump is not None:
            self._position, self._jump = self._jump, None

    def _frames_until_event(self, limit: int) -> int:
        """How many frames up to `limit` there are before a ramp ends, a switch is due or the tracks end."""
        if self._outgoing is not None:
            limit = min(limit, self._ramp.size - self._ramped)
        if self._audible:
            limit = min(limit, self._length - self._position)
            if self._switch_at is not None and self._switch_at[0] > self._position:
                limit = min(limit, self._switch_at[0] - self._position)
        return limit

    def _next(self, count: int) -> Waveform:
        """Computes frames between two events and moves on."""
        block = _read(self._tracks[self._heard] if self._audible else _SILENCE, self._position, count)
        if self._outgoing is not None:
            before = _read(self._outgoing, self._outgoing_position, count)
            block = before + (block - before) * self._ramp[self._ramped : self._ramped + count]
            self._outgoing_position += count
            self._ramped += count
            if self._ramped == self._ramp.size:
                self._outgoing = None
        if self._audible:
            self._position += count
            if self._position == self._length:
                self._end()
        return block

    def _end(self) -> None:
        """Stops at the end of the tracks, unless a seek is waiting to be carried out."""
        self._audible = False
        self._position = 0
        self._playing = self._playing and self._jump is not None

    def _wanted_position(self) -> int:
        """The present frame, or the one that a waiting seek leads to."""
        return self._position if self._jump is None else self._jump

    def _clamp(self, position: int) -> int:
        """A frame that the tracks have."""
        return min(max(position, 0), max(self._length - 1, 0))

    def _check_track(self, which: int) -> None:
        """Refuses an index that no track has."""
        if not 0 <= which < len(self._tracks):
            raise InputError(f"there is no rendering {which}", f"give a number from 0 to {len(self._tracks) - 1}")


def _read(track: Waveform, position: int, count: int) -> Waveform:
    """Frames of a track from a position on, with silence past its end."""
    frames = track[position : position + count]
    return frames if frames.size == count else np.pad(frames, (0, count - frames.size))


def _root_mean_square(track: FloatArray) -> float:
    """The quadratic mean of the samples, 0 for none."""
    return float(np.sqrt(np.mean(np.square(track.astype(np.float64))))) if track.size else 0.0
