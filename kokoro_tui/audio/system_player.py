"""Playing through a program of the system where PortAudio or its device is missing.

The program plays a WAV file that holds what is still to be heard, and is started anew for every command: so a
switch goes on at the same place, with a short pause. How far it has come is told by the clock.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kokoro_tui.audio.align import TimeMap
from kokoro_tui.audio.device import NO_SOUND
from kokoro_tui.audio.levels import amplify
from kokoro_tui.audio.playback import MixerPlayer, PlaybackError, PlayerState
from kokoro_tui.audio.wav import write_wav
from kokoro_tui.audio.waveform import SAMPLE_RATE, FloatArray
from kokoro_tui.errors import KokoroTuiError

logger = logging.getLogger(__name__)

_COMMANDS = (
    ("pw-play",),
    ("paplay",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
)
"""Programs that play a WAV file given as their last word, the better ones first."""
_CLOSE_SECONDS = 1.0


def find_commands() -> tuple[tuple[str, ...], ...]:
    """Those of the known programs that are installed, the better ones first."""
    return tuple(command for command in _COMMANDS if shutil.which(command[0]) is not None)


@dataclass(frozen=True)
class _Run:
    """One start of the program."""

    command: tuple[str, ...]
    start_seconds: float
    """On the common time axis."""
    end_seconds: float


class SystemPlayer(MixerPlayer):
    """Plays by programs of the system; the next one is tried when one fails.

    Args:
        commands: Programs to try in turn, at least one; the path of a WAV file is added to their words.
        reason: Why there is no better player, as the end of a sentence.
        on_problem: Told when all programs have failed, on any thread; must return soon and not raise.
    """

    output = None

    def __init__(
        self, commands: Sequence[tuple[str, ...]], reason: str, on_problem: Callable[[KokoroTuiError], None]
    ) -> None:
        super().__init__(SAMPLE_RATE)
        self._commands = list(commands)
        self._reason = reason
        self._on_problem = on_problem
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._closing = False
        self._process: subprocess.Popen[bytes] | None = None
        self._run: _Run | None = None
        self._started_at = 0.0
        self._folder = tempfile.TemporaryDirectory(prefix="kokoro-tui-")
        self._thread = threading.Thread(target=self._serve, name="system-player", daemon=True)
        self._thread.start()

    @property
    def silence_reason(self) -> str | None:
        """See `Player.silence_reason`."""
        return None if self._commands else self._reason

    @property
    def note(self) -> str | None:
        """See `Player.note`."""
        if not self._commands:
            return None
        return f"{Path(self._commands[0][0]).name} plays, with a pause at every switch, since {self._reason}"

    def load(self, tracks: Sequence[FloatArray], time_maps: Sequence[TimeMap | None] = ()) -> None:
        """See `Player.load`."""
        with self._changing():
            super().load(tracks, time_maps)

    def play(self, position_seconds: float | None = None) -> None:
        """See `Player.play`."""
        with self._changing():
            self._mixer.play(None if position_seconds is None else self._frame(position_seconds))

    def pause(self) -> None:
        """See `Player.pause`."""
        with self._changing():
            super().pause()

    def stop(self) -> None:
        """See `Player.stop`."""
        with self._changing():
            super().stop()

    def seek(self, position_seconds: float) -> None:
        """See `Player.seek`."""
        with self._changing():
            super().seek(position_seconds)

    def switch(self, which: int) -> None:
        """See `Player.switch`."""
        with self._changing():
            super().switch(which)

    def repeat(self, span: tuple[float, float] | None) -> None:
        """See `Player.repeat`."""
        with self._changing():
            super().repeat(span)

    def set_volume(self, volume: float) -> None:
        """See `Player.set_volume`."""
        with self._changing():
            super().set_volume(volume)

    def set_gain(self, which: int, gain: float) -> None:
        """See `Player.set_gain`."""
        with self._changing():
            super().set_gain(which, gain)

    def state(self) -> PlayerState:
        """See `Player.state`."""
        with self._lock:
            self._hold_position()
            return super().state()

    def outputs(self) -> tuple[str, ...]:
        """See `Player.outputs`; the program chooses for itself."""
        return ()

    def choose_output(self, name: str | None) -> None:
        """See `Player.choose_output`; the program chooses for itself."""

    def wait(self, timeout_seconds: float) -> bool:
        """Blocks until nothing plays; False if that took too long."""
        return self._idle.wait(timeout_seconds)

    def close(self) -> None:
        """See `Player.close`."""
        self._closing = True
        self.stop()
        self._thread.join(_CLOSE_SECONDS)
        self._folder.cleanup()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Takes note of the place, lets something change, and starts the program anew if it is to play."""
        with self._lock:
            self._hold_position()
            yield
            if self._mixer.playing:
                self._idle.clear()
            self._wake.set()
            if self._process is not None:
                self._process.terminate()
                self._process = None

    def _hold_position(self) -> None:
        """Tells the mixer, which only keeps the place here, how far the program has come."""
        run = self._run
        if run is not None and self._process is not None:
            elapsed = time.monotonic() - self._started_at
            self._mixer.seek(self._frame(min(run.start_seconds + elapsed, run.end_seconds)))

    # The thread

    def _serve(self) -> None:
        while not self._closing:
            self._wake.wait()
            self._wake.clear()
            run = self._due()
            if run is None:
                self._idle.set()
            else:
                self._play(run)

    def _due(self) -> _Run | None:
        """Writes what is to be heard now, or says that it is nothing."""
        with self._lock:
            state = super().state()
            if not state.playing or self._closing or not self._commands:
                return None
            start, end = state.position_seconds, state.duration_seconds
            if state.loop is not None:
                end = state.loop[1]
                start = start if start < end else state.loop[0]
            time_map = (*self._time_maps, *[None] * len(self._tracks))[state.which]
            place = [self._frame(s if time_map is None else time_map.to_track(s)) for s in (start, end)]
            frames = self._tracks[state.which][place[0] : place[1]]
            gain = state.volume * self._mixer.gains[state.which]
        if frames.size:
            write_wav(self._wav, amplify(frames, gain))
        return _Run(self._commands[0], start, end) if frames.size else _Run((), start, end)

    @property
    def _wav(self) -> Path:
        """One name for all tracks, so that it does not tell which is heard."""
        return Path(self._folder.name, "playing.wav")

    def _play(self, run: _Run) -> None:
        """Starts the program and waits for its end, whoever brings it about."""
        failure = ""
        if run.command:
            try:
                process = subprocess.Popen(
                    [*run.command, str(self._wav)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
            except OSError as error:
                failure = str(error)
            else:
                failure = self._await(process, run)
        with self._lock:
            if not self._wake.is_set():
                self._ended(run, failure)

    def _await(self, process: subprocess.Popen[bytes], run: _Run) -> str:
        """Waits for the program; returns why it failed, or nothing."""
        with self._lock:
            if self._wake.is_set():
                process.terminate()
            else:
                self._process, self._run, self._started_at = process, run, time.monotonic()
        complaint = process.communicate()[1].decode(errors="replace").strip()
        if process.returncode == 0:
            return ""
        return complaint.splitlines()[-1] if complaint else f"it ended with {process.returncode}"

    def _ended(self, run: _Run, failure: str) -> None:
        """Goes on from a program that nobody has ended: at the start of the loop, by another program, or not at all."""
        self._process = self._run = None
        if failure:
            logger.warning("%s: %s", run.command[0], failure)
            self._commands.pop(0)
            if not self._commands:
                self._mixer.halt()
                problem = PlaybackError(f"{run.command[0]} cannot play: {failure}", "listen to the WAV files")
                self._reason = f"{NO_SOUND}{problem.message}; {problem.hint}"
                self._on_problem(problem)
        elif self._mixer.loop is not None:
            self._mixer.seek(self._mixer.loop[0])
        else:
            self._mixer.stop()
        self._wake.set()
