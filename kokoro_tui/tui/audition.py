"""Building a plan and rendering it beside the original, as one call for a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.store.atomic import remove_stale_partials
from kokoro_tui.store.paths import cache_folder, log_path, make_folder

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.engine.measure import Measurement
    from kokoro_tui.engine.session import Rendering
    from kokoro_tui.speech.utterance import Utterance
    from kokoro_tui.workbench import Workbench

CANDIDATE_NAME = "candidate.onnx"


@dataclass(frozen=True)
class Speech:
    """What is said, and by whom."""

    text: str
    voice: str | None = None
    """A voice name or file; None for the default voice."""


@dataclass(frozen=True)
class References:
    """What the original gave for one text and voice."""

    speech: Speech
    clips: tuple[Utterance, ...]
    renderings: tuple[Rendering, ...]


@dataclass(frozen=True)
class AuditionResult:
    """A built plan beside the original."""

    plan: PrecisionPlan
    original_bytes: int
    final_bytes: int
    speech: Speech | None = None
    """None for a model that does not speak."""
    voice: str = ""
    """The voice that spoke."""
    measurement: Measurement | None = None
    original_wav: Path | None = None
    candidate_wav: Path | None = None
    notes: tuple[str, ...] = ()


class Auditioner:
    """Builds and renders one plan after another; what the original says is rendered once for each text and voice.

    Args:
        workbench: The open model.
    """

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._references: References | None = None

    def run(
        self,
        plan: PrecisionPlan,
        speech: Speech,
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
    ) -> AuditionResult:
        """Build ``plan`` and render ``speech`` with it and with the original; blocks until both WAVs are written.

        Raises:
            KokoroTuiError: See ``jobs.tasks.audition_text`` and ``jobs.tasks.build``.
            Cancelled: ``cancel`` was set.
        """
        # The engine, soundfile and their like load only where something is built.
        from kokoro_tui.jobs import tasks
        from kokoro_tui.jobs.child import run_in_child

        inventory = self._workbench.inventory
        folder = make_folder(cache_folder() / "auditions" / f"{inventory.path.stem}-{plan.digest}")
        # The name marks it as unfinished business of this process, so that a killed one leaves nothing for good.
        target = folder.parent / f".{CANDIDATE_NAME}.partial-{os.getpid()}"
        log = make_folder(log_path().parent) / log_path().name
        known = self._references if self._references is not None and self._references.speech == speech else None
        signature = self._workbench.signature
        try:
            remove_stale_partials(folder.parent)
            if signature is None:
                report = run_in_child(
                    tasks.build, inventory.path, plan, target, on_progress=on_progress, cancel=cancel, log_path=log
                )
                note = "the model does not have Kokoro's inputs, so nothing is rendered"
                return AuditionResult(plan, report.original_bytes, report.final_bytes, notes=(note,))
            clips, found = run_in_child(
                tasks.audition_text,
                inventory.path,
                plan,
                target,
                signature,
                tasks.SpeechRequest(speech.text, speech.voice),
                folder,
                None if known is None else (known.clips, known.renderings),
                on_progress=on_progress,
                cancel=cancel,
                log_path=log,
            )
        finally:
            target.unlink(missing_ok=True)
            remove_stale_partials(folder.parent)
        self._references = References(speech, clips, found.references)
        return AuditionResult(
            plan=plan,
            original_bytes=found.build.original_bytes,
            final_bytes=found.build.final_bytes,
            speech=speech,
            voice=clips[0].voice,
            measurement=found.measurement,
            original_wav=found.original_wav,
            candidate_wav=found.candidate_wav,
            notes=tuple(dict.fromkeys(note for clip in clips for note in clip.notes)),
        )
