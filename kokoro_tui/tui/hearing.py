"""From an auditioned sentence to what is played and drawn of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kokoro_tui.audio.analysis import Analysis
    from kokoro_tui.audio.tracks import Tracks
    from kokoro_tui.jobs.tasks import AuditionedSentence

    Durations = NDArray[np.int64]


def analyse_sentence(clip: AuditionedSentence) -> Analysis:
    """Level-match, align and analyse both renderings; a few dozen milliseconds, so not for the UI thread.

    Raises:
        InputError: A rendering has gone from the cache.
        WaveformError: A rendering is broken.
        DurationError: The durations of both are not of the same phonemes.
    """
    # numpy's FFT and the vocabulary are needed only once there is something to hear.
    from kokoro_tui.audio.analysis import analyse, tokens_of
    from kokoro_tui.speech.vocabulary import encode

    tracks, durations = _prepare(clip)
    if durations is None:
        return analyse(tracks)
    # Token ids are those of the symbols that the vocabulary knows, between padding.
    symbols = ("", *(symbol for symbol in clip.phonemes if encode(symbol).ids), "")
    return analyse(tracks, tokens_of(symbols, *durations))


def _prepare(clip: AuditionedSentence) -> tuple[Tracks, tuple[Durations, Durations] | None]:
    """What is heard, and the durations if both are known; the renderings are let go of before the analysis."""
    from kokoro_tui.audio.align import TimeMap
    from kokoro_tui.audio.tracks import prepare_tracks

    found = clip.read_renderings()
    durations_a, durations_b = found.reference_durations, found.candidate_durations
    if durations_a is None or durations_b is None:
        return prepare_tracks(found.reference, found.candidate), None
    time_map = TimeMap.from_durations(durations_a, durations_b)
    pinned = found.pinned_candidate if time_map is not None else None
    tracks = prepare_tracks(found.reference, found.candidate, pinned=pinned, time_map=time_map)
    return tracks, (durations_a, durations_b)
