"""What a listening page shows: one frozen state after another, and waiting for the next."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray
from kokoro_tui.web.sound import dithered_wav_bytes


@dataclass(frozen=True, eq=False)
class ListenTrack:
    """Something to hear."""

    label: str
    """What the page calls it, such as ``Original`` or, in a blind test, ``X``."""
    samples: FloatArray
    """Finite mono samples at 24 kHz, shape [samples], as loud as the other tracks."""


@dataclass(frozen=True)
class ListenState:
    """What the page shows and plays."""

    revision: int
    """Rises with every change."""
    title: str = ""
    labels: tuple[str, ...] = ()
    """Of the tracks in order."""
    ids: tuple[str, ...] = ()
    """Under which the tracks are served; drawn anew whenever there are other tracks, so that they tell nothing."""
    seconds: float = 0.0
    """Length of all tracks."""
    selected: int = 0
    """Index of the track that is heard."""
    playing: bool = False
    position: float = 0.0
    """Where playing starts, in seconds."""
    jump: int = 0
    """Rises whenever playing is to go to ``position``."""
    levels: tuple[float, ...] = ()
    """Factor of each track."""
    loop: tuple[float, float] | None = None
    """Start and end in seconds of what is repeated."""


class ListenBoard:
    """The state of a page and the sound behind it; every method may be called from any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state = ListenState(0)
        self._files: dict[str, bytes] = {}
        self._closed = False

    @property
    def state(self) -> ListenState:
        """The present state."""
        return self._state

    def show(self, title: str, tracks: Sequence[ListenTrack], selected: int = 0) -> tuple[str, ...]:
        """Offer other tracks, stopped and at the start; returns the names under which they are served.

        All become files of one length, each with a random name and dither of its own: nothing but the sound tells
        whether two of them are the same.

        Args:
            title: What is said, or the number of a trial; no more than the listener may know.
            tracks: At least one.
            selected: Index of the one that is heard first.

        Raises:
            WaveformError: A track is not finite, floating or mono, or holds no sample.
        """
        samples = max(track.samples.size for track in tracks)
        generator = np.random.default_rng()
        files: dict[str, bytes] = {}
        for track in tracks:
            padded = np.pad(track.samples, (0, samples - track.samples.size))
            files[secrets.token_urlsafe(9)] = dithered_wav_bytes(padded, generator)
        with self._changed:
            self._files = files
            self._publish(
                ListenState(
                    self._state.revision,
                    title,
                    tuple(track.label for track in tracks),
                    tuple(files),
                    samples / SAMPLE_RATE,
                    selected,
                    jump=self._state.jump + 1,
                    levels=(1.0,) * len(tracks),
                )
            )
        return tuple(files)

    def select(self, index: int) -> None:
        """Let another track be heard."""
        with self._changed:
            if index != self._state.selected and 0 <= index < len(self._state.ids):
                self._publish(replace(self._state, selected=index))

    def play(self, playing: bool, position: float | None = None) -> None:
        """Start or stop playing.

        Args:
            playing: Whether there is to be sound.
            position: Where to, in seconds; None goes on where the page is.
        """
        with self._changed:
            state = replace(self._state, playing=playing)
            if position is not None:
                state = replace(state, position=position, jump=state.jump + 1)
            if state != self._state:
                self._publish(state)

    def adjust(self, levels: Sequence[float], loop: tuple[float, float] | None) -> None:
        """Change how loud the tracks are and what is repeated.

        Args:
            levels: A factor for each track.
            loop: Start and end in seconds; None repeats nothing.
        """
        with self._changed:
            state = replace(self._state, levels=tuple(levels), loop=loop)
            if state != self._state:
                self._publish(state)

    def file(self, name: str) -> bytes | None:
        """The sound file with this name; None if there is none, or no longer."""
        return self._files.get(name)

    def wait(self, revision: int, timeout_seconds: float) -> ListenState | None:
        """The first state after a revision; None if none came in time, or none will."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._state.revision > revision, timeout_seconds)
            return self._state if self._state.revision > revision and not self._closed else None

    @property
    def closed(self) -> bool:
        """Whether nothing will change any more."""
        return self._closed

    def close(self) -> None:
        """Let everybody who waits go."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _publish(self, state: ListenState) -> None:
        self._state = replace(state, revision=self._state.revision + 1)
        self._changed.notify_all()
