"""A blind test with its player and its log, without any widget."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.listening.records import ListeningSetup, Mode, finished, started, stopped
from kokoro_tui.listening.session import AbxSession, Preference, PreferenceSession, RandomBits, Side
from kokoro_tui.store.listening_log import append_line

if TYPE_CHECKING:
    from kokoro_tui.audio.player import Player, PlayerState
    from kokoro_tui.audio.waveform import Waveform
    from kokoro_tui.listening.material import ClipPair
    from kokoro_tui.listening.session import AbxResult, PreferenceResult

AT_END_SECONDS = 0.05
"""Closer to the end than this, playing starts over."""


@dataclass(frozen=True)
class Compared:
    """What a blind test is about."""

    model: str
    """Name of the model file."""
    model_sha256: str
    recipe: str
    """Digest of the plan of B."""
    recipe_name: str
    against: str
    """Digest of the plan of A, or ``listening.records.ORIGINAL``."""
    against_name: str
    pairs: tuple[ClipPair, ...]
    """One for each sentence."""


class BlindTest:
    """One test from its first trial to its result. What blocks is marked so and belongs on a thread.

    Args:
        compared: What it is about.
        mode: Which kind of test.
        trials: How many trials.
        player: Plays A, B and X, all by the same means.
        random: Where the draws come from; the system's randomness unless given.

    Raises:
        InputError: No such number of trials is possible.
    """

    def __init__(
        self, compared: Compared, mode: Mode, trials: int, player: Player, random: RandomBits | None = None
    ) -> None:
        kind = AbxSession if mode is Mode.ABX else PreferenceSession
        self._session: AbxSession | PreferenceSession = kind(trials, len(compared.pairs), random)
        self._player = player
        self._pairs = compared.pairs
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self.files: tuple[Path, ...] = ()
        """Where nothing can be played: the WAV files of the present trial."""
        self.mode = mode
        self.note = ""
        """In the listener's words."""
        self.setup = ListeningSetup(
            session=secrets.token_hex(8),
            mode=mode,
            model=compared.model,
            model_sha256=compared.model_sha256,
            recipe=compared.recipe,
            recipe_name=compared.recipe_name,
            against=compared.against,
            against_name=compared.against_name,
            texts=tuple(pair.text for pair in compared.pairs),
            voices=tuple(pair.voice for pair in compared.pairs),
            trials=trials,
        )

    @property
    def letters(self) -> str:
        """What can be heard in a trial, in the order of the player's tracks."""
        return "ABX" if self.mode is Mode.ABX else "12"

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return self._session.trials

    @property
    def answered(self) -> int:
        """How many are answered."""
        return self._session.answered

    @property
    def finished(self) -> bool:
        """Whether all are."""
        return self._session.finished

    @property
    def clip(self) -> int:
        """Index of the sentence of the present trial."""
        return self._session.clip

    # On a thread

    def begin(self) -> None:
        """Log the start and load the first trial; blocks.

        Raises:
            WriteError: The log or a WAV file cannot be written.
        """
        append_line(started(self.setup, _now()))
        self.load()

    def load(self) -> None:
        """Hand the sound of the present trial to the player; blocks.

        Raises:
            WriteError: A WAV file cannot be written.
        """
        from kokoro_tui.listening.material import abx_tracks, preference_tracks, write_blind_files

        session = self._session
        if isinstance(session, AbxSession):
            tracks: Sequence[Waveform] = abx_tracks(session, self._pairs)
        else:
            tracks = preference_tracks(session, self._pairs)
        self._player.load(tracks)
        if self._player.silence_reason is not None:
            self._folder = self._folder or tempfile.TemporaryDirectory(prefix="kokoro-tui-blind-")
            by_letter = dict(zip(self.letters, tracks, strict=True))
            self.files = write_blind_files(Path(self._folder.name), self.answered + 1, by_letter)

    def conclude(self) -> AbxResult | PreferenceResult:
        """Log the result and give it; blocks.

        Raises:
            WriteError: The log cannot be written.
        """
        found = self._session.result()
        append_line(finished(self.setup, _now(), found, self.note))
        return found

    def break_off(self) -> None:
        """Log that the test came to nothing; blocks. A log that cannot be written loses nothing that counts."""
        with suppress(KokoroTuiError):
            append_line(stopped(self.setup, _now(), self.answered))

    # At once

    def result(self) -> AbxResult | PreferenceResult:
        """Every answer with the truth, once all are given."""
        return self._session.result()

    def answer(self, answer: Side | Preference) -> None:
        """Take the answer to the present trial."""
        self._player.stop()
        if isinstance(self._session, AbxSession):
            self._session.answer(Side(answer))
        else:
            self._session.answer(Preference(answer))

    def hear(self, which: int) -> None:
        """Play one of the ``letters``: from the start, or at the same place if something plays already."""
        self._player.switch(which)
        if not self._player.state().playing:
            self._player.play(0.0)

    def pause(self) -> None:
        """Stop, or play on."""
        state = self._player.state()
        if state.playing:
            self._player.pause()
        else:
            at_end = state.position_seconds >= state.duration_seconds - AT_END_SECONDS
            self._player.play(0.0 if at_end else None)

    def seek(self, seconds: float) -> None:
        """Go to another place."""
        self._player.seek(seconds)

    def state(self) -> PlayerState:
        """What the player does; places are the same for A, B and X."""
        return self._player.state()

    @property
    def silence(self) -> str:
        """Why nothing is heard; empty where sound works."""
        return self._player.silence_reason or ""

    def close(self) -> None:
        """Fall silent and remove the files; blocks for a second at most."""
        self._player.close()
        if self._folder is not None:
            self._folder.cleanup()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
