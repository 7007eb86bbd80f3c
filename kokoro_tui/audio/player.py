"""Playing renderings of one sentence against each other: the player protocol, and the best player there is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.device import NO_SOUND, AudioUnavailableError, find_output, load_sounddevice
from kokoro_tui.audio.playback import PlaybackError, PlayerState, SilentPlayer
from kokoro_tui.audio.stream_player import SounddevicePlayer
from kokoro_tui.audio.system_player import SystemPlayer, find_commands
from kokoro_tui.audio.waveform import FloatArray
from kokoro_tui.errors import KokoroTuiError

__all__ = [
    "PlaybackError",
    "Player",
    "PlayerState",
    "SilentPlayer",
    "SounddevicePlayer",
    "SystemPlayer",
    "open_player",
]

logger = logging.getLogger(__name__)


class Player(Protocol):
    """Plays tracks of one sentence and switches between them; commands return at once unless they say otherwise."""

    @property
    def silence_reason(self) -> str | None:
        """Why nothing will be heard, and what to do about it; None if sound works."""

    @property
    def note(self) -> str | None:
        """What the user should know about how it is played; None if all is as it should be."""

    @property
    def output(self) -> str | None:
        """Name of the chosen output device; None for the default one."""

    def load(self, tracks: Sequence[FloatArray], time_maps: Sequence[TimeMap | None] = ()) -> None:
        """Stops, and takes over other tracks; the first is heard first. The volume stays, nothing repeats.

        Levels are the caller's affair: give what `tracks.prepare_tracks` or `levels.match_levels` returned.
        Computes for some milliseconds a second of audio if the device does not take 24 kHz.

        Args:
            tracks: At least one, each finite mono samples at 24 kHz, shape [samples].
            time_maps: Where in each track the places of the common time axis are; None, or nothing for the last
                tracks, where a track is in step with it.

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
        """Changes over to another track at the same place, without a click or a gap where the player can.

        Raises:
            InputError: No such track was loaded.
        """

    def repeat(self, span: tuple[float, float] | None) -> None:
        """Plays from one second to another over and over; None plays on to the end again."""

    def set_volume(self, volume: float) -> None:
        """Multiplies everything by a factor, from 0 to 1."""

    def set_gain(self, which: int, gain: float) -> None:
        """Multiplies one track by a factor; what exceeds full scale then is clipped.

        Raises:
            InputError: No such track was loaded.
        """

    def state(self) -> PlayerState:
        """The present state, cheap enough to be asked for at every screen refresh."""

    def outputs(self) -> tuple[str, ...]:
        """Names of the output devices to choose from; looks for them, so not for the UI thread.

        Raises:
            AudioUnavailableError: PortAudio has failed.
        """

    def choose_output(self, name: str | None) -> None:
        """Plays through another device from now on, in the middle of a sentence too; not for the UI thread.

        Args:
            name: One of `outputs`, or None for the default device.

        Raises:
            AudioUnavailableError: There is no such device, or it cannot be used; the old one stays.
        """

    def close(self) -> None:
        """Falls silent and gives the device back, waiting a second at most; the player is not used afterwards."""


def open_player(on_problem: Callable[[KokoroTuiError], None], output: str | None = None) -> Player:
    """A player on an output device; else on a program of the system; else a silent one that says why.

    Loads PortAudio and asks the device, which may take a while: not for the UI thread. PortAudio may print to
    stderr when a device misbehaves, so a full-screen program repaints after this and after each problem.

    Args:
        on_problem: Told when the device fails later on, on any thread; must return soon and not raise.
        output: Name of the device to use, from `Player.outputs`; where it is missing, the default one is used,
            which `Player.note` then says.
    """
    try:
        sounddevice = load_sounddevice()
        try:
            found, note = find_output(sounddevice, output), None
        except AudioUnavailableError as error:
            if output is None:
                raise
            found, note = find_output(sounddevice), f"{error.message}; the default device is used"
    except AudioUnavailableError as error:
        logger.info("%s", error.message)
        commands = find_commands()
        if not commands:
            return SilentPlayer(f"{error.message}; {error.hint}")
        return SystemPlayer(commands, error.message.removeprefix(NO_SOUND), on_problem)
    return SounddevicePlayer(sounddevice, found, on_problem, note)
