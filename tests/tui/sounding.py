"""An app with two sentences to hear and to see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.engine.measure import Measurement
from kokoro_tui.jobs.tasks import AuditionedSentence
from kokoro_tui.speech.sentences import Speech
from kokoro_tui.tui.audition import Auditioner, AuditionResult
from tests.audio.signals import noise, speech_like
from tests.tui.conftest import Open, Opened
from tests.tui.renderings import kept

DURATIONS_A = np.array([10, 20, 30, 20], dtype=np.int64)
DURATIONS_B = np.array([10, 20, 31, 20], dtype=np.int64)
"""One frame more for the third of four tokens."""


def _sentence(text: str, *, moved: bool = True) -> AuditionedSentence:
    """Two seconds that differ most from 1.2 to 1.5 s."""
    original = speech_like(2.0)
    pinned = original.copy()
    pinned[28_800:36_000] += noise(0.3, 0.03, seed=4)
    free = np.concatenate([pinned[:36_000], noise(0.025, 0.01), pinned[36_000:]]) if moved else pinned
    measurement = Measurement(
        mel_distance=0.41, added_noise_db=1.5, frames_moved=1 if moved else 0, pinned=True, reference_factor=0.2,
        candidate_factor=0.18, reference=original, candidate=free, reference_durations=DURATIONS_A,
        candidate_durations=DURATIONS_B if moved else DURATIONS_A, pinned_candidate=pinned,
    )  # fmt: skip
    return kept(measurement, Speech(text), "af_heart", "hɛ")


Ready = Callable[..., AbstractAsyncContextManager[Opened]]


@pytest.fixture
def ready(open_app: Open, toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> Ready:
    """A function that opens an app in which two sentences have been auditioned."""

    sentences = (_sentence("the first one"), _sentence("the second one", moved=False))

    def run(self: Auditioner, plan: PrecisionPlan, *arguments: object) -> AuditionResult:
        return AuditionResult(plan, 3_000_000, 1_000_000, sentences, sentences[0].figures)

    monkeypatch.setattr(Auditioner, "run", run)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (120, 40)) -> AsyncIterator[Opened]:
        async with open_app(toy_model, size=size) as found:
            await found.press("b")
            await found.until(lambda: found.main.can_play)
            yield found

    return opened


async def focus_player(opened: Opened) -> None:
    """Go to the player without playing."""
    opened.main.player_bar.focus()
    await opened.pilot.pause()
