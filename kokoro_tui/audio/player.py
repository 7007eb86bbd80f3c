"""Playing renderings of one sentence against each other: the player protocol and its two implementations."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kokoro_tui.audio.device import AudioUnavailableError, OutputFormat, find_output, load_sounddevice
from kokoro_tui.audio.mixer import RAMP_SECONDS, Mixer, match_levels
from kokoro_tui.audio.resample import resample
from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray, Waveform, WaveformError, check_waveform
from kokoro_tui.errors import KokoroTuiError, WorkError

logger = logging.getLogger(__name__)

_SILENT_DEVICE_SECONDS = 3.0
"""A device that asks for no frames for this long while playing counts as gone."""

_CLOSE_SECONDS = 1.0
"""How long closing waits for the device before it is left to the end of the process."""


class PlaybackError(WorkError):
    """The audio device failed or went away while it was needed."""


@dataclass(frozen=True)
class PlayerState:
    """What a player does at one moment."""

    playing: bool
    """Whether it plays, or is about to as soon as the device has started."""
    which: int
    """Index of the rendering that is heard, in the order they were loaded."""
    position_seconds: float
    """Place in the sentence of the next sample to be handed to the device."""
    duration_seconds: float
    """Length of the longest rendering."""


class Player(Protocol):
    """Plays renderings of one sentence and switches between them; only `close` waits for the device."""

    @property
    def silence_reason(self) -> str | None:
        """Why nothing will be heard, and what to do about it; None if sound works."""

    def load(self, renderings: Sequence[FloatArray]) -> None:
        """Stops, and takes over other renderings; the first is heard first and sets the level of all.

        Computes for some milliseconds a second of audio if the device does not take 24 kHz.

        Args:
            renderings: At least one, each finite mono samples at 24 kHz, shape [samples].

        Raises:
            WaveformError: There is none, or one is not finite, floating or mono, or holds no sample.
        """

    def play(self, position_seconds: float | None = None) -> None:
        """Plays from a position, or from where it was paused."""

    def pause(self) -> None:
        """Falls silent and keeps the position."""

    def stop(self) -> None:
        """Falls silent and returns to the start."""

    def seek(self, position_seconds: float) -> None:
        """Moves to a position, playing or not; beyond the ends it is clamped."""

    def switch(self, which: int) -> None:
        """Changes over to another rendering at the same position, without a click or a gap.

        Raises:
            InputError: No such rendering was loaded.
        """

    def state(self) -> PlayerState:
        """The present state, cheap enough to be asked for at every screen refresh."""

    def close(self) -> None:
        """Falls silent and gives the device back; the player is not used afterwards."""


class _MixerPlayer:
    """The part of a player that needs no device: a mixer addressed in seconds."""

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._mixer = self._mixer_of([np.zeros(0, dtype=np.float32)])

    @property
    def mixer(self) -> Mixer:
        """The mixer of the renderings loaded last."""
        return self._mixer

    def load(self, renderings: Sequence[FloatArray]) -> None:
        """See `Player.load`."""
        if not renderings:
            raise WaveformError("there is no rendering to play", "render a sentence first")
        for rendering in renderings:
            check_waveform(rendering, name="given")
        # Levels come after resampling, which may overshoot full scale.
        tracks = match_levels([resample(rendering, SAMPLE_RATE, self._sample_rate) for rendering in renderings])
        self._mixer.stop()
        self._mixer = self._mixer_of(tracks)

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

    def state(self) -> PlayerState:
        """See `Player.state`."""
        mixer = self._mixer
        return PlayerState(
            playing=mixer.playing,
            which=mixer.which,
            position_seconds=mixer.position / self._sample_rate,
            duration_seconds=mixer.length / self._sample_rate,
        )

    def _mixer_of(self, tracks: Sequence[Waveform]) -> Mixer:
        """A mixer with ramps for this sample rate."""
        return Mixer(tracks, ramp_frames=round(RAMP_SECONDS * self._sample_rate))

    def _frame(self, seconds: float) -> int:
        """The frame at a position."""
        return round(seconds * self._sample_rate)


class SilentPlayer(_MixerPlayer):
    """Stands in where no sound can be played: keeps position and choice, and says why it is silent.

    Args:
        reason: Why, and what to do about it.
    """

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

    def close(self) -> None:
        """See `Player.close`; there is nothing to give back."""


class _DeviceStream:
    """One stream on the default output device, from its start until the mixer has fallen silent.

    Args:
        sounddevice: The module.
        output: How to open the device.
        mixer: Where the frames come from.
        on_finished: Called on PortAudio's thread once no more frames will be asked for.

    Raises:
        sounddevice.PortAudioError: The device could not be opened or started.
    """

    def __init__(self, sounddevice: Any, output: OutputFormat, mixer: Mixer, on_finished: Callable[[], None]) -> None:
        self.mixer = mixer
        self.finished = False
        self.drained = False
        self.last_request = time.monotonic()
        self._callback_stop = sounddevice.CallbackStop
        self._on_finished = on_finished
        self._stream = sounddevice.OutputStream(
            samplerate=output.sample_rate,
            channels=output.channels,
            dtype="float32",
            callback=self._fill,
            finished_callback=self._finish,
        )
        try:
            self._stream.start()
        except sounddevice.PortAudioError:
            self._stream.close()
            raise

    def close(self) -> None:
        """Gives the device back."""
        self._stream.close()

    def _fill(self, block: NDArray[np.float32], frames: int, _times: object, _status: object) -> None:
        """Runs on PortAudio's thread whenever the device wants frames."""
        self.last_request = time.monotonic()
        block[:] = self.mixer.render(frames)[:, np.newaxis]
        if self.mixer.idle:
            self.drained = True
            raise self._callback_stop

    def _finish(self) -> None:
        """Runs on PortAudio's thread after the last block was played, or when the device has failed."""
        self.finished = True
        self._on_finished()


class SounddevicePlayer(_MixerPlayer):
    """Plays through the default output device, which is held only while something sounds.

    Frames are computed in PortAudio's callback. Opening and closing the device, which may take long, happens
    on a thread of its own, so that every command returns at once.

    Args:
        sounddevice: The module from `device.load_sounddevice`.
        output: How to open the device.
        on_problem: Told when the device fails, on any thread; must return soon and not raise.
    """

    def __init__(self, sounddevice: Any, output: OutputFormat, on_problem: Callable[[KokoroTuiError], None]) -> None:
        super().__init__(output.sample_rate)
        self._sounddevice = sounddevice
        self._output = output
        self._on_problem = on_problem
        self._stream: _DeviceStream | None = None
        self._asked_at = time.monotonic()
        self._closing = False
        self._wake = threading.Event()
        self._released = threading.Event()
        self._released.set()
        # A daemon, since a driver that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._serve, name="audio-device", daemon=True)
        self._thread.start()

    @property
    def silence_reason(self) -> None:
        """See `Player.silence_reason`."""
        return None

    def play(self, position_seconds: float | None = None) -> None:
        """See `Player.play`."""
        self._asked_at = time.monotonic()
        self._mixer.play(None if position_seconds is None else self._frame(position_seconds))
        # Cleared after, since the device thread sets it whenever it finds the mixer idle.
        self._released.clear()
        self._wake.set()

    def state(self) -> PlayerState:
        """See `Player.state`; also notices a device that has stopped asking for frames."""
        stream, mixer = self._stream, self._mixer
        last_sign = self._asked_at if stream is None else max(self._asked_at, stream.last_request)
        if mixer.playing and time.monotonic() - last_sign > _SILENT_DEVICE_SECONDS:
            self._report(mixer, "the audio device does not respond", None)
        return super().state()

    def wait(self, timeout_seconds: float) -> bool:
        """Blocks until nothing sounds and the device is given back; False if that took too long."""
        return self._released.wait(timeout_seconds)

    def close(self) -> None:
        """See `Player.close`."""
        self._mixer.stop()
        self._closing = True
        self._wake.set()
        self._thread.join(_CLOSE_SECONDS)

    def _serve(self) -> None:
        """The device thread: after every command and every end of a stream, does what is due."""
        while not (self._closing and self._stream is None):
            self._wake.wait()
            self._wake.clear()
            self._give_back_device()
            self._take_device()
            if self._stream is None and self._mixer.idle:
                self._released.set()

    def _give_back_device(self) -> None:
        """Closes a stream that has come to its end, and reports one that ended before its sound did."""
        stream = self._stream
        if stream is None or not stream.finished:
            return
        stream.close()
        self._stream = None
        if not stream.drained:
            self._report(stream.mixer, "the audio device went away", None)

    def _take_device(self) -> None:
        """Opens a stream if something is to be heard and none is open."""
        mixer = self._mixer
        if self._stream is not None or self._closing or mixer.idle:
            return
        try:
            self._stream = _DeviceStream(self._sounddevice, self._output, mixer, self._wake.set)
        except (self._sounddevice.PortAudioError, ValueError) as error:
            self._report(mixer, f"the audio device could not be opened: {error}", error)

    def _report(self, mixer: Mixer, message: str, cause: Exception | None) -> None:
        """Stops a mixer that no device asks for frames and passes the problem on."""
        mixer.halt()
        logger.warning("%s", message, exc_info=cause)
        problem = PlaybackError(message, "check the system's sound settings and play again")
        problem.__cause__ = cause
        self._on_problem(problem)


def open_player(on_problem: Callable[[KokoroTuiError], None]) -> Player:
    """A player for the default output device, or a silent one that says why.

    Loads PortAudio and asks the device, which may take a while: not for the UI thread. PortAudio may print to
    stderr when a device misbehaves, so a full-screen program repaints after this and after each problem.

    Args:
        on_problem: Told when the device fails later on, on any thread; must return soon and not raise.
    """
    try:
        sounddevice = load_sounddevice()
        output = find_output(sounddevice)
    except AudioUnavailableError as error:
        logger.info("%s", error.message)
        return SilentPlayer(f"{error.message}; {error.hint}")
    return SounddevicePlayer(sounddevice, output, on_problem)
