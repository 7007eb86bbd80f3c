"""A whole trial run as both front ends start it: check the table, prepare, run, leave nothing behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import WeightType
from kokoro_tui.core.support import check_integer_types
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialTable
from kokoro_tui.engine.calibrate import calibration_identity
from kokoro_tui.engine.session import NOISE_SEED
from kokoro_tui.errors import InputError
from kokoro_tui.jobs.calibrate import calibrate_for_trials, shipped_clips
from kokoro_tui.jobs.child import run_in_child
from kokoro_tui.speech.utterance import Utterance
from kokoro_tui.store.atomic import remove_stale_partials
from kokoro_tui.store.lock import busy, holding, owner_of
from kokoro_tui.store.paths import cache_folder, log_path, make_folder
from kokoro_tui.store.trial_meta import TrialMeta, differences, read_meta, write_meta
from kokoro_tui.store.trial_table import append_rows, move_aside, read_trials
from kokoro_tui.trials.context import ALGORITHM_VERSION, TrialContext, prepare_context
from kokoro_tui.trials.run import TrialControl, TrialEvent, TrialRun
from kokoro_tui.trials.schedule import DEFAULT_KINDS, schedule
from kokoro_tui.trials.workers import ProcessWorkers, Workers
from kokoro_tui.workbench import Workbench

FRESH_HINT = "add --fresh to move it aside and start anew, or name another file with --output-path"


@dataclass(frozen=True)
class TrialRequest:
    """What to try, on what, and where the table goes."""

    output_path: Path
    clips: tuple[Utterance, ...]
    keys: tuple[str, ...]
    """Nodes to try; their shared-weight groups are tried with them."""
    kinds: tuple[TrialKind, ...] = DEFAULT_KINDS
    per_node: bool = False
    weight_type: WeightType = WeightType.QINT8
    calibration: Calibration = field(default_factory=Calibration)
    """How static trials are calibrated; its ranges are not used."""
    calibration_clips: tuple[Utterance, ...] = ()
    """What static trials are calibrated on; the shipped sentences if empty."""
    workers: int = 0
    """Worker processes; 0 takes one a core."""
    fresh: bool = False
    """Move an existing table aside."""
    seed: int = NOISE_SEED


class TrialSession:
    """One run.

    Args:
        workbench: The open model.
        request: What to do.
        workers: Where trials run; processes of this machine unless given.

    Raises:
        InputError: The model is not a Kokoro model, there is nothing to try, or the table belongs to another run.
        BusyError: Another process runs trials into the same table.
    """

    def __init__(self, workbench: Workbench, request: TrialRequest, workers: Workers | None = None) -> None:
        self.signature = workbench.require_signature()
        if not request.keys or not request.kinds or not request.clips:
            raise InputError("there is nothing to try", "widen --only, or lower --min-params")
        self.workbench = workbench
        self.request = request
        self.control = TrialControl()
        self._calibration_clips = self._choose_calibration_clips()
        self.meta = _meta(workbench, request, self._calibration_clips)
        self.notes: tuple[str, ...] = ()
        if (owner := owner_of(request.output_path)) is not None:
            raise busy(request.output_path, owner)
        if request.fresh and (aside := move_aside(request.output_path)) is not None:
            self.notes = (f"the old table is now {aside}",)
        self._take_stock()
        self.context: TrialContext | None = None
        self._workers = workers

    def events(self, on_stage: Callable[[str, float], None] = lambda stage, share: None) -> Iterator[TrialEvent]:
        """Prepare and run; the table on the disk is complete after every event.

        Args:
            on_stage: Receives stages and shares of the preparation, on the calling thread.

        Raises:
            Cancelled: ``control.stop`` was set.
            BusyError: Another process has begun to run trials into the same table.
            KokoroTuiError: The reference cannot be run, or the table cannot be written.
        """
        with holding(self.request.output_path, "running trials"):
            self._take_stock()  # somebody else's rows may have come in before the lock was ours
            yield from self._run(on_stage)

    def _take_stock(self) -> None:
        """Read the table and plan what it lacks."""
        request = self.request
        self.table = self._open_table()
        self.plan = schedule(
            self.workbench.inventory, request.keys, request.kinds, per_node=request.per_node, known=self.table
        )

    def _run(self, on_stage: Callable[[str, float], None]) -> Iterator[TrialEvent]:
        self._write(self.plan.skipped)
        if not self.plan.trials:
            return
        with _work_folder() as folder:
            calibration = self._calibrate(on_stage)
            self.context = run_in_child(
                prepare_context,
                self.workbench.inventory.path,
                self.signature,
                self.request.clips,
                folder,
                weight_type=self.request.weight_type,
                calibration=calibration,
                seed=self.request.seed,
                on_progress=on_stage,
                cancel=self.control.stop,
                log_path=log_path(),
            )
            workers = self._workers or ProcessWorkers(self.request.workers or os.cpu_count() or 1, log_path())
            finished = False
            try:
                run = TrialRun(self.workbench.inventory, self.context, self.plan, workers, self._write, self.control)
                yield from run.events()
                finished = True
            finally:
                workers.close(now=not finished)

    def _choose_calibration_clips(self) -> tuple[Utterance, ...]:
        """What static trials are calibrated on; nothing where there are none.

        Raises:
            InputError: The static operators have no kernel for the types.
        """
        request = self.request
        if TrialKind.STATIC not in request.kinds:
            return ()
        check_integer_types(request.weight_type, request.calibration.activation_type)
        return request.calibration_clips or shipped_clips(self.signature, request.calibration.samples)

    def _calibrate(self, on_stage: Callable[[str, float], None]) -> Calibration | None:
        """The ranges for the static trials of this run; None where it has none."""
        keys = [key for trial in self.plan.trials if trial.kind is TrialKind.STATIC for key in trial.keys]
        if not keys:
            return None
        return run_in_child(
            calibrate_for_trials,
            self.workbench.inventory.path,
            self.signature,
            keys,
            self._calibration_clips,
            self.request.calibration,
            self.request.seed,
            on_progress=on_stage,
            cancel=self.control.stop,
            log_path=log_path(),
        )

    def _open_table(self) -> TrialTable:
        """The rows of an earlier run under the same conditions.

        Raises:
            InputError: The file holds another run's rows.
        """
        path = self.request.output_path
        if not path.exists() or path.stat().st_size == 0:
            return TrialTable()
        stored = read_meta(path)
        if stored is None:
            raise InputError(f"{path} does not say what it was measured on", FRESH_HINT)
        # Only static rows depend on the calibration: without them a table takes one on, and a run keeps the table's.
        if not self.meta.calibration:
            self.meta = replace(self.meta, calibration=stored.calibration)
        elif not stored.calibration:
            stored = replace(stored, calibration=self.meta.calibration)
        if found := differences(stored, self.meta):
            raise InputError(f"{path} is not continued: {'; '.join(found)}", FRESH_HINT)
        loaded = read_trials(path)
        self.notes = tuple(dict.fromkeys((*self.notes, *loaded.notes)))
        return loaded.table

    def _write(self, rows: Sequence[TrialRow]) -> None:
        if not rows:
            return
        if read_meta(self.request.output_path) != self.meta:
            write_meta(self.request.output_path, self.meta)
        append_rows(self.request.output_path, rows)
        self.table = self.table.with_rows(rows)


def _meta(workbench: Workbench, request: TrialRequest, calibration_clips: Sequence[Utterance]) -> TrialMeta:
    identity = ""
    if calibration_clips:
        identity = calibration_identity(calibration_clips, request.calibration, request.seed)
    return TrialMeta(
        model_sha256=workbench.model_sha256,
        phonemes=tuple(clip.phonemes for clip in request.clips),
        input_ids=tuple(tuple(int(i) for i in clip.input_ids.reshape(-1)) for clip in request.clips),
        voice=tuple(clip.voice for clip in request.clips),
        noise_seed=request.seed,
        weight_type=request.weight_type,
        calibration=identity,
        algorithm_version=ALGORITHM_VERSION,
    )


@contextmanager
def _work_folder() -> Iterator[Path]:
    """A folder for pieces and tensors that is gone afterwards; those of killed runs go first."""
    parent = make_folder(cache_folder())
    remove_stale_partials(parent)
    # The name ends like that of a half-written file, so that the next run removes what a kill leaves.
    number = 0
    while (folder := parent / f".trials-{number}.partial-{os.getpid()}").exists():
        number += 1
    make_folder(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
