"""Give a static plan its ranges; runs in a child process, as what stands in ``kokoro_tui.jobs.tasks`` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import calibrated_values
from kokoro_tui.engine.calibrate import calibrate
from kokoro_tui.engine.session import NOISE_SEED
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.jobs.child import Progress
from kokoro_tui.speech.utterance import Utterance, prepare
from kokoro_tui.store.text_set import calibration_set


def calibrate_plan(
    source: Path,
    plan: PrecisionPlan,
    clips: Sequence[Utterance] | None = None,
    *,
    progress: Progress,
) -> PrecisionPlan:
    """The plan with the ranges that it needs; the plan itself if it needs none that it does not have.

    Args:
        source: The FP32 model.
        plan: Static or not.
        clips: Calibration clips; the shipped ones unless given.
        progress: Receives stages and shares.

    Raises:
        InputError: It is not a Kokoro model, so it cannot be made to speak.
        WorkError: It cannot be run, or holds values that are not finite.
    """
    if plan.calibration is None:
        return plan
    inventory = read_inventory(source)
    values = calibrated_values(inventory, plan)
    if not plan.calibration.missing(values):
        return plan
    signature = recognise(inventory)
    if signature is None:
        raise InputError(
            f"{source.name} does not have Kokoro's inputs, so it cannot be calibrated", "quantize it dynamically"
        )
    spoken = shipped_clips(signature, plan.calibration.samples) if clips is None else clips
    return replace(plan, calibration=calibrate(source, signature, spoken, values, plan.calibration, progress=progress))


def calibrate_for_trials(
    source: Path,
    signature: Signature,
    keys: Sequence[str],
    clips: Sequence[Utterance],
    request: Calibration,
    seed: int = NOISE_SEED,
    *,
    progress: Progress,
) -> Calibration:
    """The ranges that static trials of the given nodes need; see ``calibrate``."""
    plan = PrecisionPlan(calibration=request).with_precision(keys, Precision.INT8)
    values = calibrated_values(read_inventory(source), plan)
    return calibrate(source, signature, clips, values, request, seed=seed, progress=progress)


def shipped_clips(signature: Signature, samples: int = 0) -> tuple[Utterance, ...]:
    """The calibration clips that ship with the package, as many as asked for; 0 for all of them.

    Voices that are not on this machine are not fetched: the default voice speaks instead.
    """
    pairs = calibration_set()[: samples or None]
    return tuple(
        clip
        for voice, text in pairs
        for clip in prepare(text, voice=voice, vocabulary_size=signature.vocabulary_size, allow_network=False)
    )
