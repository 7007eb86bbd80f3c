"""What is heard in a comparison, made so that nothing but the sound tells one rendering from another."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kokoro_tui.audio.align import find_offset
from kokoro_tui.audio.levels import match_levels
from kokoro_tui.audio.wav import write_wav
from kokoro_tui.audio.waveform import FloatArray, Waveform, check_waveform
from kokoro_tui.listening.session import AbxSession, PreferenceSession

_DITHER = 1e-6
"""Amplitude of the noise that keeps files of the same sound apart: 120 dB under full scale, far below hearing."""


@dataclass(frozen=True, eq=False)
class ClipPair:
    """One sentence by both models: equally loud, in step, equally long."""

    text: str
    voice: str
    """Who speaks."""
    a: Waveform
    """At 24 kHz, shape [samples]."""
    b: Waveform
    """Shape [samples] like ``a``."""


def prepare_pair(text: str, voice: str, a: FloatArray, b: FloatArray) -> ClipPair:
    """A pair from two renderings; see `make_comparable`."""
    return ClipPair(text, voice, *make_comparable([a, b]))


def make_comparable(renderings: Sequence[FloatArray]) -> tuple[Waveform, ...]:
    """Renderings of one sentence, level-matched, aligned and of one length.

    Each is shifted by the peak of its cross-correlation with the first; shorter ones end in silence.

    Args:
        renderings: Finite mono samples at 24 kHz, shape [any] each.

    Returns:
        Float32 samples at 24 kHz, shape [samples] each.

    Raises:
        WaveformError: One is not finite, floating or mono, or holds no sample.
    """
    for rendering in renderings:
        check_waveform(rendering, name="given")
    late = [find_offset(renderings[0], rendering) for rendering in renderings]
    ahead = [max(late) - samples for samples in late]
    length = max(rendering.size + silence for rendering, silence in zip(renderings, ahead, strict=True))
    return tuple(
        np.pad(track, (silence, length - silence - track.size))
        for track, silence in zip(match_levels(renderings), ahead, strict=True)
    )


def abx_tracks(session: AbxSession, pairs: Sequence[ClipPair]) -> tuple[Waveform, Waveform, Waveform]:
    """A, B and X of the present trial, each an array of its own, to be played by the same means."""
    pair = pairs[session.clip]
    return pair.a.copy(), pair.b.copy(), session.x_of(pair.a, pair.b).copy()


def preference_tracks(session: PreferenceSession, pairs: Sequence[ClipPair]) -> tuple[Waveform, Waveform]:
    """What is first and what is second in the present trial."""
    pair = pairs[session.clip]
    first, second = session.pair_of(pair.a, pair.b)
    return first.copy(), second.copy()


def write_blind_files(folder: Path, trial: int, tracks: Mapping[str, Waveform]) -> tuple[Path, ...]:
    """WAV files of one trial, for machines where nothing can be played.

    Neither name, size, time nor checksum tells which of them are the same: every file gets noise of its own, 120 dB
    under full scale.

    Args:
        folder: Where to, which exists.
        trial: Number of the trial, from 1.
        tracks: By the letter that stands for each, all equally long.

    Raises:
        WriteError: A file cannot be written.
    """
    noise = np.random.default_rng()
    paths = []
    for letter, track in tracks.items():
        path = folder / f"trial-{trial}-{letter}.wav"
        write_wav(path, track + noise.uniform(-_DITHER, _DITHER, track.size).astype(np.float32))
        paths.append(path)
    for path in paths:
        os.utime(path, ns=(0, 0))
    return tuple(paths)
