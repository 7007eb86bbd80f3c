"""Playing through PortAudio: frames are computed in the device's callback, never on the caller's thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.device import AudioUnavailableError, OutputFormat, find_output, list_outputs, rescan
from kokoro_tui.audio.mixer import Mixer
from kokoro_tui.audio.playback import MixerPlayer, PlaybackError, PlayerState
from kokoro_tui.audio.waveform import FloatArray
from kokoro_tui.errors import KokoroTuiError

logger = logging.getLogger(__name__)

_LATENCY_SECONDS = 0.04
"""Frames that may wait in the device, in seconds, which is how late a switch is heard at most; less would
risk gaps while the interpreter paints a screen."""

_SILENT_DEVICE_SECONDS = 3.0
"""A device that asks for no frames for this long while playing counts as gone."""

_CLOSE_SECONDS = 1.0
"""How long closing waits for the device before it is left to the end of the process."""


class _DeviceStream:
    """One stream on an output device, from its start until the mixer has fallen silent.

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
            device=output.device,
            samplerate=output.sample_rate,
            channels=output.channels,
            dtype="float32",
            latency=_LATENCY_SECONDS,
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


class SounddevicePlayer(MixerPlayer):
    """Plays through an output device, which is held only while something sounds.

    Frames are computed in PortAudio's callback. Opening and closing the device, which may take long, happens
    on a thread of its own, so that every command but the two about devices returns at once.

    Args:
        sounddevice: The module from `device.load_sounddevice`.
        output: How to open the device.
        on_problem: Told when the device fails, on any thread; must return soon and not raise.
        note: What the user should know about the device.
    """

    silence_reason = None

    def __init__(
        self,
        sounddevice: Any,
        output: OutputFormat,
        on_problem: Callable[[KokoroTuiError], None],
        note: str | None = None,
    ) -> None:
        super().__init__(output.sample_rate)
        self.note = note
        self._sounddevice = sounddevice
        self._output = output
        self._on_problem = on_problem
        self._stream: _DeviceStream | None = None
        # Whether devices may have come, gone or got other numbers since PortAudio last looked.
        self._stale = False
        self._asked_at = time.monotonic()
        self._closing = False
        # Held while the mixer is replaced, and while PortAudio opens, closes or looks for devices.
        self._loading, self._device = threading.Lock(), threading.Lock()
        self._wake = threading.Event()
        self._released = threading.Event()
        self._released.set()
        # A daemon, since a driver that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._serve, name="audio-device", daemon=True)
        self._thread.start()

    @property
    def output(self) -> str | None:
        """See `Player.output`."""
        return self._output.name

    def load(self, tracks: Sequence[FloatArray], time_maps: Sequence[TimeMap | None] = ()) -> None:
        """See `Player.load`."""
        with self._loading:
            super().load(tracks, time_maps)

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

    def outputs(self) -> tuple[str, ...]:
        """See `Player.outputs`; while something sounds, what was there when PortAudio last looked."""
        with self._device:
            if self._stream is None:
                rescan(self._sounddevice)
                self._stale = True
            return list_outputs(self._sounddevice)

    def choose_output(self, name: str | None) -> None:
        """See `Player.choose_output`."""
        with self._device:
            output = find_output(self._sounddevice, name)
        was_playing = self._mixer.playing
        self._mixer.pause()
        self._released.wait(_CLOSE_SECONDS)
        self.note = None
        self._use(output)
        if was_playing:
            self.play()

    def wait(self, timeout_seconds: float) -> bool:
        """Blocks until nothing sounds and the device is given back; False if that took too long."""
        return self._released.wait(timeout_seconds)

    def close(self) -> None:
        """See `Player.close`."""
        self._mixer.stop()
        self._closing = True
        self._wake.set()
        self._thread.join(_CLOSE_SECONDS)

    def _use(self, output: OutputFormat) -> None:
        """Goes over to a device, and to its sample rate, with everything else as it was."""
        with self._loading:
            self._output, self._stale = output, False
            if output.sample_rate == self._sample_rate:
                return
            before = super().state()
            gains = self._mixer.gains
            self._mixer.halt()
            self._sample_rate = output.sample_rate
            self._mixer = self._new_mixer()
            self.set_volume(before.volume)
            for which, gain in enumerate(gains):
                self.set_gain(which, gain)
            self.switch(before.which)
            self.repeat(before.loop)
            self.seek(before.position_seconds)
            if before.playing:
                self._mixer.play()

    def _serve(self) -> None:
        """The device thread: after every command and every end of a stream, does what is due."""
        while not (self._closing and self._stream is None):
            self._wake.wait()
            self._wake.clear()
            with self._device:
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
        if self._stream is not None or self._closing or self._mixer.idle:
            return
        try:
            if self._stale:
                self._find_again()
            self._stream = _DeviceStream(self._sounddevice, self._output, self._mixer, self._wake.set)
        except AudioUnavailableError as error:
            self._report(self._mixer, error.message, error)
        except (self._sounddevice.PortAudioError, ValueError) as error:
            self._report(self._mixer, f"the audio device could not be opened: {error}", error)

    def _find_again(self) -> None:
        """Looks for the device anew: after a failure, and after devices may have got other numbers."""
        rescan(self._sounddevice)
        self._use(find_output(self._sounddevice, self._output.name))

    def _report(self, mixer: Mixer, message: str, cause: Exception | None) -> None:
        """Stops a mixer that no device asks for frames and passes the problem on."""
        mixer.halt()
        self._stale = True
        logger.warning("%s", message, exc_info=cause)
        problem = PlaybackError(message, "check the system's sound settings and play again")
        problem.__cause__ = cause
        self._on_problem(problem)
