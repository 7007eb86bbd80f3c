"""What all players share: their state, their failures, and the part that needs no device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.levels import amplify, common_headroom
from kokoro_tui.audio.mixer import RAMP_SECONDS, Mixer
from kokoro_tui.audio.resample import resample
from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, Waveform, WaveformError, check_waveform
from kokoro_tui.errors import WorkError


class PlaybackError(WorkError):
    """The audio device, or the program that plays, failed or went away while it was needed."""


@dataclass(frozen=True)
class PlayerState:
    """What a player does at one moment."""

    playing: bool
    """Whether it plays, or is about to as soon as the device has started."""
    which: int
    """Index of the track that is heard, in the order they were loaded."""
    position_seconds: float
    """Place on the common time axis of the next sample to be handed to the device."""
    duration_seconds: float
    """Length of the common time axis."""
    volume: float = 1.0
    """Factor that everything is multiplied by."""
    loop: tuple[float, float] | None = None
    """Start and end in seconds of what is repeated."""


class MixerPlayer:
    """The part of a player that needs no device: a mixer addressed in seconds."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._tracks: tuple[FloatArray, ...] = (np.zeros(0, dtype=np.float32),)
        self._time_maps: tuple[TimeMap | None, ...] = ()
        self._mixer = self._new_mixer()

    @property
    def mixer(self) -> Mixer:
        """The mixer of the tracks loaded last."""
        return self._mixer

    def load(self, tracks: Sequence[FloatArray], time_maps: Sequence[TimeMap | None] = ()) -> None:
        """See `Player.load`."""
        if not tracks:
            raise WaveformError("there is no rendering to play", "render a sentence first")
        for track in tracks:
            check_waveform(track, name="given")
        self._tracks, self._time_maps = tuple(tracks), tuple(time_maps)
        volume = self._mixer.volume
        self._mixer.stop()
        self._mixer = self._new_mixer()
        self._mixer.set_volume(volume)

    def pause(self) -> None:
        """See `Player.pause`."""
        self._mixer.pause()

    def stop(self) -> None:
        """See `Player.stop`."""
        self._mixer.stop()

    def seek(self, position_seconds: float) -> None:
        """See `Player.seek`."""
        self._mixer.seek(self._frame(position_seconds))

    def switch(self, which: int) -> None:
        """See `Player.switch`."""
        self._mixer.switch(which)

    def repeat(self, span: tuple[float, float] | None) -> None:
        """See `Player.repeat`."""
        if span is None:
            self._mixer.repeat_nothing()
        else:
            self._mixer.repeat(self._frame(span[0]), self._frame(span[1]))

    def set_volume(self, volume: float) -> None:
        """See `Player.set_volume`."""
        self._mixer.set_volume(volume)

    def set_gain(self, which: int, gain: float) -> None:
        """See `Player.set_gain`."""
        self._mixer.set_gain(which, gain)

    def state(self) -> PlayerState:
        """See `Player.state`."""
        mixer, rate = self._mixer, self._sample_rate
        loop = mixer.loop
        return PlayerState(
            playing=mixer.playing,
            which=mixer.which,
            position_seconds=mixer.position / rate,
            duration_seconds=mixer.length / rate,
            volume=mixer.volume,
            loop=None if loop is None else (loop[0] / rate, loop[1] / rate),
        )

    def _new_mixer(self) -> Mixer:
        """A mixer of the loaded tracks at this sample rate."""
        rate = self._sample_rate
        tracks: Sequence[Waveform] = [resample(track, SAMPLE_RATE, rate) for track in self._tracks]
        if rate != SAMPLE_RATE:
            # Interpolation may overshoot full scale; what it turns down it turns down alike.
            headroom = common_headroom([(track, 1.0) for track in tracks])
            tracks = [amplify(track, headroom) for track in tracks]
        return Mixer(tracks, round(RAMP_SECONDS * rate), self._time_maps, rate)

    def _frame(self, seconds: float) -> int:
        """The frame at a position."""
        return round(seconds * self._sample_rate)


class SilentPlayer(MixerPlayer):
    """Stands in where no sound can be played: keeps position and choice, and says why it is silent.

    Args:
        reason: Why, and what to do about it.
    """

    note = None
    output = None

    def __init__(self, reason: str) -> None:
        super().__init__(SAMPLE_RATE)
        self._reason = reason

    @property
    def silence_reason(self) -> str:
        """See `Player.silence_reason`."""
        return self._reason

    def play(self, position_seconds: float | None = None) -> None:
        """Moves to the position; nothing plays."""
        if position_seconds is not None:
            self.seek(position_seconds)

    def outputs(self) -> tuple[str, ...]:
        """See `Player.outputs`; there are none."""
        return ()

    def choose_output(self, name: str | None) -> None:
        """See `Player.choose_output`; there is nothing to choose."""

    def close(self) -> None:
        """See `Player.close`; there is nothing to give back."""
