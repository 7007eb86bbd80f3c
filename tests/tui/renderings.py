"""Auditions that take no time: no child, no model, sounds that differ by plan, sentence and voice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from kokoro_tui.audio.wav import write_wav
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.engine.measure import Measurement, combine
from kokoro_tui.errors import Cancelled
from kokoro_tui.jobs.tasks import AuditionedSentence
from kokoro_tui.speech.sentences import Speech
from kokoro_tui.store.paths import cache_folder, make_folder
from kokoro_tui.tui.audition import Auditioner, AuditionResult

SECONDS = 0.5
ORIGINAL_BYTES = 1_000_000
_numbers = count(1)


class FakeAuditions:
    """Takes the place of ``Auditioner.run``; can be held up."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, tuple[Speech, ...]]] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.failure: Exception | None = None

    def run(
        self,
        plan: PrecisionPlan,
        speeches: Sequence[Speech],
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
        *,
        background: bool = False,
    ) -> AuditionResult:
        """See ``Auditioner.run``."""
        self.runs.append((plan.digest, tuple(speeches)))
        on_progress("render candidate", 0.5)
        while not self.go_on.wait(0.01):
            if cancel.is_set():
                raise Cancelled
        if self.failure is not None:
            raise self.failure
        clips = tuple(_clip(plan, speech) for speech in speeches)
        size = ORIGINAL_BYTES - 1000 * len(plan.choices)
        return AuditionResult(
            plan, ORIGINAL_BYTES, size, clips, combine([clip.read_renderings() for clip in clips]).figures
        )


def install(monkeypatch: object) -> FakeAuditions:
    """Let all auditions be of this kind."""
    fake = FakeAuditions()

    def run(self: Auditioner, *arguments: Any, **options: Any) -> AuditionResult:
        return fake.run(*arguments, **options)

    monkeypatch.setattr(Auditioner, "run", run)  # type: ignore[attr-defined]
    return fake


def kept(
    found: Measurement, speech: Speech, voice: str, phonemes: str, speed: tuple[float, ...] = ()
) -> AuditionedSentence:
    """A sentence whose renderings lie on the disk, as those of ``jobs.tasks.audition_text`` do."""
    folder = make_folder(cache_folder() / "renderings" / f"{next(_numbers)}")
    original, candidate = folder / "original.wav", folder / "candidate.wav"
    write_wav(original, found.reference)
    write_wav(candidate, found.candidate)
    if found.frames_moved:
        pinned = found.candidate if found.pinned_candidate is None else found.pinned_candidate
        write_wav(folder / "candidate-pinned.wav", pinned)
    return AuditionedSentence(speech, voice, phonemes, found.figures, original, candidate, (), speed)


def _clip(plan: PrecisionPlan, speech: Speech) -> AuditionedSentence:
    reference = _sound(f"{speech.text} {speech.voice}")
    candidate = (reference + 0.1 * _sound(plan.digest)).astype(np.float32)
    found = Measurement(
        mel_distance=0.1 * len(plan.choices), added_noise_db=0.5, frames_moved=len(plan.choices), pinned=True,
        reference_factor=0.4, candidate_factor=0.25, reference=reference, candidate=candidate,
    )  # fmt: skip
    return kept(found, speech, "tester", "fəʊniːmz", (0.6, 0.7, 0.65))


def _sound(name: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    seed = int.from_bytes(name.encode()[-6:].rjust(6, b"\0"), "big")
    samples = np.random.default_rng(seed).standard_normal(round(SECONDS * 24_000)) * 0.1
    return samples.astype(np.float32)
