"""What the player's stream hears, computed block by block with no audio device in sight.

One rule covers start, stop, pause, seek, switch, loop and volume: whatever sounds is cross-faded, over a ramp of
a few milliseconds, into what is wanted now. The weights of a ramp add up to one (equal gain), since two
renderings of one sentence are nearly in phase and an equal-power ramp would make them swell. Outside ramps the
samples are those of the track times its gain; at gain 1 they are unchanged.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.waveform import SAMPLE_RATE, Waveform
from kokoro_tui.errors import InputError

RAMP_SECONDS = 0.005
"""Length of a cross-fade, in seconds: long enough not to click, too short to be heard as a fade."""

_SILENCE: Waveform = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class _Voice:
    """A source of sound: a track at a gain."""

    which: int
    gain: float


@dataclass
class _Outgoing:
    """What a ramp leaves behind."""

    track: Waveform
    gain: float
    position: int
    """The next frame of the track."""
    ramped: int = 0
    """Frames of the ramp that are done."""


class Mixer:
    """Several renderings of one sentence on one time axis, of which one at a time is heard.

    Every method may be called from any thread; each holds a lock for microseconds. Commands take effect at
    the next rendered frame, or after the ramp under way. Positions are frames of the common time axis. The
    tracks are as long as the longest one; a shorter one ends in silence. At the end playing stops and the
    position returns to 0.

    Args:
        tracks: Float32 mono samples, shape [frames] each; the first is heard to begin with.
        ramp_frames: Length of a cross-fade in frames, at least 1.
        time_maps: Where in each track the places of the common axis are; None, or nothing for the last
            tracks, where a track is in step with the axis.
        sample_rate: Frames per second, by which the maps are read.
    """

    def __init__(
        self,
        tracks: Sequence[Waveform],
        ramp_frames: int,
        time_maps: Sequence[TimeMap | None] = (),
        sample_rate: int = SAMPLE_RATE,
    ) -> None:
        self._tracks = tuple(tracks)
        self._maps = (*time_maps, *[None] * (len(self._tracks) - len(time_maps)))
        self._rate = sample_rate
        self._length = max(self._to_axis(which, track.size) for which, track in enumerate(self._tracks))
        phase = np.pi * np.arange(1, ramp_frames + 1) / (ramp_frames + 1)
        self._ramp: Waveform = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
        self._lock = threading.Lock()
        # What is wanted; frames of the axis.
        self._playing = False
        self._which = 0
        self._volume = 1.0
        self._gains = [1.0] * len(self._tracks)
        self._loop: tuple[int, int] | None = None
        self._jump: int | None = None
        self._switch_at: tuple[int, int] | None = None
        # What sounds: a track at `_position`, a frame of that track; or silence, but the place is kept.
        self._audible = False
        self._heard = _Voice(0, 1.0)
        self._position = 0
        self._outgoing: _Outgoing | None = None

    # State

    @property
    def length(self) -> int:
        """Frames of the common axis, which the longest track fills."""
        return self._length

    @property
    def position(self) -> int:
        """The next frame to be heard, on the common axis."""
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
    def volume(self) -> float:
        """Factor that everything is multiplied by."""
        return self._volume

    @property
    def gains(self) -> tuple[float, ...]:
        """Factor that each track is multiplied by."""
        return tuple(self._gains)

    @property
    def loop(self) -> tuple[int, int] | None:
        """First frame and end of what is repeated."""
        return self._loop

    @property
    def idle(self) -> bool:
        """Whether nothing sounds and nothing is meant to."""
        with self._lock:
            return not (self._playing or self._audible or self._outgoing is not None)

    # Commands

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
        """Changes over to another track at the same place.

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

    def repeat(self, start: int, end: int) -> None:
        """Plays a stretch over and over: what would play behind its end plays from its start.

        A stretch shorter than two ramps is made that long.
        """
        with self._lock:
            least = min(2 * self._ramp.size, self._length)
            start = min(self._clamp(start), self._length - least)
            self._loop = (start, max(start + least, min(end, self._length)))

    def repeat_nothing(self) -> None:
        """Plays on to the end again."""
        with self._lock:
            self._loop = None

    def set_volume(self, volume: float) -> None:
        """Multiplies everything by a factor, which is 1 to begin with."""
        with self._lock:
            self._volume = volume

    def set_gain(self, which: int, gain: float) -> None:
        """Multiplies one track by a factor, which is 1 to begin with.

        Raises:
            InputError: There is no such track.
        """
        self._check_track(which)
        with self._lock:
            self._gains[which] = gain

    # Frames

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
        if self._switch_at is not None and self._has_reached(self._switch_at[0]):
            self._which = self._switch_at[1]
            self._switch_at = None
        if self._playing and self._loop is not None and self._has_reached(self._loop[1]):
            self._jump = self._loop[0]
        wanted = _Voice(self._which, self._volume * self._gains[self._which])
        if self._audible == self._playing and self._heard == wanted and self._jump is None:
            return
        if self._audible or self._playing:
            track = self._tracks[self._heard.which] if self._audible else _SILENCE
            self._outgoing = _Outgoing(track, self._heard.gain, self._position)
        if self._jump is not None or wanted.which != self._heard.which:
            self._position = self._to_track(wanted.which, self._wanted_position())
            self._jump = None
        self._audible = self._playing
        self._heard = wanted

    def _frames_until_event(self, limit: int) -> int:
        """How many frames up to `limit` there are before a ramp ends, a switch or a repeat is due or the tracks end."""
        if self._outgoing is not None:
            limit = min(limit, self._ramp.size - self._outgoing.ramped)
        if self._audible:
            events = [self._length]
            events += [self._switch_at[0]] if self._switch_at is not None else []
            events += [self._loop[1]] if self._loop is not None else []
            ahead = (self._to_track(self._heard.which, event) - self._position for event in events)
            limit = min((limit, *(frames for frames in ahead if frames > 0)))
        return limit

    def _next(self, count: int) -> Waveform:
        """Computes frames between two events and moves on."""
        block = _read(self._tracks[self._heard.which] if self._audible else _SILENCE, self._position, count)
        block = _times(block, self._heard.gain)
        outgoing = self._outgoing
        if outgoing is not None:
            before = _times(_read(outgoing.track, outgoing.position, count), outgoing.gain)
            block = before + (block - before) * self._ramp[outgoing.ramped : outgoing.ramped + count]
            outgoing.position += count
            outgoing.ramped += count
            if outgoing.ramped == self._ramp.size:
                self._outgoing = None
        if self._audible:
            self._position += count
            if self._position >= self._to_track(self._heard.which, self._length) and self._loop is None:
                self._end()
        return block

    def _end(self) -> None:
        """Stops at the end of the tracks, unless a seek is waiting to be carried out."""
        self._audible = False
        self._position = 0
        self._playing = self._playing and self._jump is not None

    def _wanted_position(self) -> int:
        """The present frame on the axis, or the one that a waiting seek leads to."""
        return self._to_axis(self._heard.which, self._position) if self._jump is None else self._jump

    def _has_reached(self, frame: int) -> bool:
        """Whether a place on the axis lies behind; told in frames of the track, which a map may round."""
        if self._jump is not None:
            return self._jump >= frame
        return self._position >= self._to_track(self._heard.which, frame)

    def _to_axis(self, which: int, frame: int) -> int:
        """The place on the common axis of a frame of a track."""
        time_map = self._maps[which]
        return frame if time_map is None else round(time_map.to_axis(frame / self._rate) * self._rate)

    def _to_track(self, which: int, frame: int) -> int:
        """The frame of a track at a place on the common axis."""
        time_map = self._maps[which]
        return frame if time_map is None else round(time_map.to_track(frame / self._rate) * self._rate)

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


def _times(frames: Waveform, gain: float) -> Waveform:
    """Frames at a gain; at gain 1 they stay what they are, bit by bit."""
    return frames if gain == 1.0 else frames * np.float32(gain)
