"""What is drawn of two renderings: computed once for a sentence, then reduced to as many columns as there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kokoro_tui.audio.align import DURATION_FRAME, TimeMap
from kokoro_tui.audio.mel import HOP_LENGTH, N_MELS
from kokoro_tui.audio.tracks import Tracks, curve_of, difference_levels, mel_levels, worst_of
from kokoro_tui.audio.waveform import SAMPLE_RATE, Waveform

Span = tuple[float, float]
"""Start and end in seconds on the original's time axis."""
Levels = NDArray[np.float32]
"""Decibels to be drawn, shape [bands, frames]: single precision, as they are kept for as long as the sentence is."""


@dataclass(frozen=True)
class Token:
    """A phoneme as both renderings time it."""

    symbol: str
    """Empty for the padding at the ends."""
    start_seconds: float
    """In the original."""
    frames_a: int
    """Duration in the original, in frames of 25 ms."""
    frames_b: int
    """Duration in the candidate."""

    @property
    def end_seconds(self) -> float:
        """In the original."""
        return self.start_seconds + self.frames_a * DURATION_FRAME / SAMPLE_RATE

    @property
    def moved(self) -> int:
        """Frames that the candidate gives it more, or less."""
        return self.frames_b - self.frames_a


@dataclass(frozen=True, eq=False)
class Analysis:
    """Two renderings, ready to be heard and drawn; times are those of the original."""

    tracks: Tracks
    levels_a: Levels
    """Mel levels of the original in dB, shape [bands, frames of 256 samples]."""
    levels_b: Levels
    """Those of the candidate on its own time axis."""
    difference: Levels
    """Level of the candidate above the original in dB, on the original's time axis."""
    curve: NDArray[np.float64]
    """Root mean square of the difference over the bands, shape [frames]."""
    worst: Span | None
    """The half second that differs most; None if the renderings are equal."""
    tokens: tuple[Token, ...] = ()
    """Empty where the model does not tell durations."""

    @property
    def seconds(self) -> float:
        """Length of the time axis."""
        return self.tracks.a.size / SAMPLE_RATE

    def token_at(self, seconds: float) -> Token | None:
        """The phoneme that sounds at a place of the original."""
        return next((token for token in self.tokens if token.start_seconds <= seconds < token.end_seconds), None)

    def peaks(self, which: int, span: Span, columns: int) -> NDArray[np.float64]:
        """Largest magnitude of A (0) or B (1) in every column, shape [columns]."""
        track: Waveform = (self.tracks.a, self.tracks.b)[which]
        edges = self._edges(span, columns, 1, track.size, self._map_of(which))
        return np.maximum(_pool(np.maximum, track, edges), -_pool(np.minimum, track, edges))

    def image(self, what: str, span: Span, rows: int, columns: int) -> NDArray[np.float64]:
        """A spectrogram of so many rows and columns, low bands first.

        Args:
            what: `a`, `b` or `difference`.
            span: What to show.
            rows: From the lowest band to the highest.
            columns: From the start of the span to its end.

        Returns:
            dB, shape [rows, columns]: the mean over the cells that fall together; of differences, which are rare
            and would be averaged away, the largest one.
        """
        levels = {"a": self.levels_a, "b": self.levels_b, "difference": self.difference}[what]
        edges = self._edges(span, columns, HOP_LENGTH, levels.shape[1], self._map_of(1) if what == "b" else None)
        bands = np.linspace(0, N_MELS, rows + 1).round().astype(np.int64)
        pooled = _mean(levels.T, bands).T
        if what != "difference":
            return _mean(pooled, edges)
        highest, lowest = _pool(np.maximum, pooled, edges), _pool(np.minimum, pooled, edges)
        return np.where(highest >= -lowest, highest, lowest)

    def strip(self, span: Span, columns: int) -> NDArray[np.float64]:
        """Largest value of the difference curve in every column, in dB, shape [columns]."""
        edges = self._edges(span, columns, HOP_LENGTH, self.curve.size, None)
        return _pool(np.maximum, self.curve, edges)

    def _map_of(self, which: int) -> TimeMap | None:
        return self.tracks.time_map if which == 1 else None

    @staticmethod
    def _edges(span: Span, columns: int, hop: int, size: int, time_map: TimeMap | None) -> NDArray[np.int64]:
        """Where the columns begin and end, in units of `hop` samples, shape [columns + 1]."""
        seconds = np.linspace(span[0], span[1], columns + 1)
        if time_map is not None:
            seconds = np.array([time_map.to_track(place) for place in seconds])
        edges = (seconds * SAMPLE_RATE / hop).astype(np.int64)
        return np.clip(edges, 0, size - 1)


def analyse(tracks: Tracks, tokens: Sequence[Token] = ()) -> Analysis:
    """Computes what is drawn; about 20 ms for five seconds of sound, so not for the UI thread.

    Args:
        tracks: From `tracks.prepare_tracks`.
        tokens: From `tokens_of`.
    """
    levels_a = mel_levels(tracks.a)
    levels_b = mel_levels(tracks.b)
    # What the difference was taken with: the candidate in step with the original.
    straight = levels_b if tracks.time_map is None else mel_levels(tracks.a + tracks.difference)
    difference = difference_levels(levels_a, straight)
    curve = curve_of(difference)
    seconds = tracks.a.size / SAMPLE_RATE
    return Analysis(
        tracks=tracks,
        levels_a=levels_a.astype(np.float32),
        levels_b=levels_b.astype(np.float32),
        difference=difference.astype(np.float32),
        curve=curve,
        worst=worst_of(curve, seconds) if curve.any() else None,
        tokens=tuple(tokens),
    )


def tokens_of(
    symbols: Sequence[str], durations_a: NDArray[np.int64], durations_b: NDArray[np.int64]
) -> tuple[Token, ...]:
    """The phonemes with their durations in both renderings.

    Args:
        symbols: One for each token, shape [tokens]; where there are too few or too many, none is shown.
        durations_a: Frames of 600 samples of each token in the original, shape [tokens].
        durations_b: The same in the candidate.
    """
    names = symbols if len(symbols) == durations_a.size else [""] * durations_a.size
    starts = np.concatenate(([0], np.cumsum(durations_a)))[:-1] * DURATION_FRAME / SAMPLE_RATE
    return tuple(
        Token(symbol, float(start), int(a), int(b))
        for symbol, start, a, b in zip(names, starts, durations_a, durations_b, strict=True)
    )


def _pool(operation: np.ufunc, values: NDArray[Any], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Reduces the last axis from edge to edge; between equal edges stands the cell there."""
    stop = max(int(edges[-1]), int(edges[-2]) + 1)
    return np.asarray(operation.reduceat(values[..., :stop], edges[:-1], axis=-1), dtype=np.float64)


def _mean(values: NDArray[Any], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean of the last axis from edge to edge."""
    return _pool(np.add, values, edges) / np.maximum(np.diff(edges), 1)
