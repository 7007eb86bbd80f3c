"""Calibration data to clips, and a static plan to one that can be built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.cli.job import run_job
from kokoro_tui.cli.options import SpeechOptions
from kokoro_tui.cli.output import Output
from kokoro_tui.cli.planning import ResolvedPlan
from kokoro_tui.cli.speech import prepare_clips

if TYPE_CHECKING:
    from kokoro_tui.engine.signature import Signature
    from kokoro_tui.speech.utterance import Utterance


def calibrated(out: Output, resolved: ResolvedPlan, data: Path | None, g2p: str, *, writes_into: Path) -> ResolvedPlan:
    """The plan with the ranges that it needs; the same plan where it is not static or brings them.

    Args:
        out: Where the progress goes.
        resolved: An open model and a plan.
        data: Calibration sentences; the shipped ones if None.
        g2p: How English becomes phonemes.
        writes_into: The folder that the build will write into.

    Raises:
        InputError: The data cannot be read, or the model is not a Kokoro model.
        WorkError: The model cannot be run on them.
    """
    request, signature = resolved.plan.calibration, resolved.bench.signature
    if request is None:
        return resolved
    from kokoro_tui.jobs.calibrate import calibrate_plan  # onnx: 0.2 s

    clips = None
    if data is not None and signature is not None:
        clips = calibration_clips(out, signature, data, request.samples, g2p)
    arguments = (resolved.bench.inventory.path, resolved.plan, clips)
    return replace(resolved, plan=run_job(out, calibrate_plan, *arguments, writes_into=writes_into))


def calibration_clips(out: Output, signature: Signature, data: Path, samples: int, g2p: str) -> tuple[Utterance, ...]:
    """The clips of a calibration file, those of its first ``samples`` sentences; 0 takes all.

    Raises:
        InputError: The file or a voice in it cannot be used.
    """
    from kokoro_tui.store.text_set import read_text_set  # CSV: only where it is read

    pairs = read_text_set(data)[: samples or None]
    spoken = (SpeechOptions(text, voice=voice, g2p=g2p) for voice, text in pairs)
    return tuple(clip for speech in spoken for clip in prepare_clips(out, signature, speech))
