"""What the tests of players have in common."""

from __future__ import annotations

from kokoro_tui.audio.tracks import prepare_tracks
from kokoro_tui.errors import KokoroTuiError
from tests.audio.signals import noise

ORIGINAL = noise(1.0, 0.1, seed=1)
CANDIDATE = noise(1.0, 0.3, seed=2)
TRACKS = prepare_tracks(ORIGINAL, CANDIDATE)
LOADED = (TRACKS.a, TRACKS.b, TRACKS.difference)
"""A, B and their difference, as the screen loads them."""
SECONDS = 5.0


def no_problem(problem: KokoroTuiError) -> None:
    """For players that are to have none.

    Raises:
        AssertionError: Always.
    """
    raise AssertionError(problem)
