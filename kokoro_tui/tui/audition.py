"""Building a plan and rendering it beside the original, as one call for a thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.speech.sentences import Speech
from kokoro_tui.store.atomic import remove_stale_partials
from kokoro_tui.store.paths import cache_folder, log_path, make_folder

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.engine.measure import Figures
    from kokoro_tui.jobs.tasks import AuditionedSentence
    from kokoro_tui.workbench import Workbench

__all__ = ["AuditionResult", "Auditioner", "Speech"]

MOST_CACHED_BYTES = 256 * 1024 * 1024
"""What renderings may take on the disk: about an hour of speech."""
_numbers = count(1)


@dataclass(frozen=True, eq=False)
class AuditionResult:
    """A built plan beside the original."""

    plan: PrecisionPlan
    original_bytes: int
    final_bytes: int
    clips: tuple[AuditionedSentence, ...] = ()
    """One for each sentence, in the order that was asked for; none for a model that does not speak."""
    figures: Figures | None = None
    """Over all sentences; None for a model that does not speak."""
    remarks: tuple[str, ...] = ()
    """What the user should know besides what the clips have to say."""

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """What was asked for."""
        return tuple(clip.speech for clip in self.clips)

    @property
    def speech(self) -> Speech | None:
        """The first sentence; None for a model that does not speak."""
        return self.clips[0].speech if self.clips else None

    @property
    def voice(self) -> str:
        """The voice that spoke first."""
        return self.clips[0].voice if self.clips else ""

    @property
    def original_wav(self) -> Path | None:
        """What the original said first."""
        return self.clips[0].original_wav if self.clips else None

    @property
    def candidate_wav(self) -> Path | None:
        """What the build said first."""
        return self.clips[0].candidate_wav if self.clips else None

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, one sentence each."""
        return tuple(dict.fromkeys((*self.remarks, *(note for clip in self.clips for note in clip.notes))))


class Auditioner:
    """Builds and renders one plan after another; what has been said before, in any session, is not said again.

    Args:
        workbench: The open model.
    """

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench

    def run(
        self,
        plan: PrecisionPlan,
        speeches: Sequence[Speech],
        on_progress: Callable[[str, float], None],
        cancel: threading.Event,
        *,
        background: bool = False,
    ) -> AuditionResult:
        """Build ``plan`` and say ``speeches`` with it and with the original; blocks until all WAVs are written.

        Args:
            plan: What to build.
            speeches: At least one sentence with its voice.
            on_progress: Receives stages and shares, on this thread.
            cancel: Set it from anywhere to stop.
            background: Nobody waits for it, so that it gives way to everything else.

        Raises:
            KokoroTuiError: See ``jobs.tasks.audition_text`` and ``jobs.tasks.build``.
            Cancelled: ``cancel`` was set.
        """
        # The engine, soundfile and their like load only where something is built.
        from kokoro_tui.jobs import tasks
        from kokoro_tui.jobs.child import run_in_child
        from kokoro_tui.store.prune import prune_folder

        inventory, signature = self._workbench.inventory, self._workbench.signature
        root = make_folder(cache_folder() / "auditions")
        # The name marks it as unfinished business of this process, so that a killed one leaves nothing for good; the
        # number keeps builds apart that go on at the same time.
        target = root / f".candidate-{next(_numbers)}.onnx.partial-{os.getpid()}"
        log = make_folder(log_path().parent) / log_path().name
        try:
            remove_stale_partials(root)
            if signature is None:
                report = run_in_child(
                    tasks.build, inventory.path, plan, target, on_progress=on_progress, cancel=cancel, log_path=log
                )
                note = "the model does not have Kokoro's inputs, so nothing is rendered"
                return AuditionResult(plan, report.original_bytes, report.final_bytes, remarks=(note,))
            folder = make_folder(root / f"{inventory.path.stem}-{self._workbench.model_sha256[:12]}")
            prune_folder(root, MOST_CACHED_BYTES)
            found = run_in_child(
                tasks.audition_text,
                inventory.path,
                plan,
                target,
                signature,
                tuple(speeches),
                folder,
                background=background,
                on_progress=on_progress,
                cancel=cancel,
                log_path=log,
            )
        finally:
            target.unlink(missing_ok=True)
            remove_stale_partials(root)
        return AuditionResult(
            plan=plan,
            original_bytes=found.original_bytes,
            final_bytes=found.final_bytes,
            clips=found.sentences,
            figures=found.figures,
        )
