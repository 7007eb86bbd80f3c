"""What runs in the planner's worker processes: probing inner values, rendering the original, measuring a plan."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import numpy.typing as npt

from kokoro_tui.audio.distance import frames_moved
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.engine.measure import measure, render_all
from kokoro_tui.engine.session import NOISE_SEED, Rendering, SpeechModel, create_session, feeds_of
from kokoro_tui.engine.signature import Signature
from kokoro_tui.errors import WorkError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.harness import PINNED_DURATIONS
from kokoro_tui.graph.probe import PartialModel
from kokoro_tui.planner.values import InnerValues
from kokoro_tui.speech.utterance import Utterance

Tensor = npt.NDArray[Any]


@dataclass(frozen=True)
class PlanContext:
    """What all tasks of one run share; small enough to be sent with each."""

    source: Path
    signature: Signature
    clips: tuple[Utterance, ...]
    """What plans are measured on."""
    probed: tuple[Utterance, ...]
    """What inner values are compared on: more, since that takes a tenth of the time."""
    values: InnerValues
    weight_type: WeightType
    folder: Path
    """Where plans are built; removed when the run ends."""
    threads: int = 1
    seed: int = NOISE_SEED


@dataclass(frozen=True)
class ProbeFigures:
    """How far inner values are from the original's; means over the clips."""

    pitch: float
    """Mean square of the running sum of the F0 curve's error, in (Hz · frames)², with the original's durations."""
    length: float
    """Mean square error of the durations before rounding, in frames²."""
    frames_moved: float


@dataclass(frozen=True)
class Heard:
    """What measuring a plan gave."""

    nbytes: int
    mel_distance: float
    added_noise_db: float
    frames_moved: int | None
    """The most of any clip."""


def render_original(context: PlanContext) -> tuple[Rendering, ...]:
    """What the original says to every clip."""
    model = SpeechModel(context.source, context.signature, threads=context.threads, seed=context.seed)
    return render_all(model, context.clips)


def measure_plan(context: PlanContext, plan: PrecisionPlan, references: tuple[Rendering, ...]) -> Heard:
    """Build a plan, say every clip with it, and compare.

    Raises:
        InputError, WorkError: See ``build_model``; also if the audio is not finite.
    """
    target = context.folder / f"{plan.digest}-{os.getpid()}.onnx"
    try:
        report = build_model(context.source, plan, target)
        model = SpeechModel(target, context.signature, threads=context.threads, seed=context.seed)
        found = measure(model, context.clips, references)
    finally:
        target.unlink(missing_ok=True)
    return Heard(report.final_bytes, found.mel_distance, found.added_noise_db, found.frames_moved)


def probe_plan(context: PlanContext, precisions: Mapping[str, Precision]) -> ProbeFigures:
    """Compare inner values of a plan with the original's, without rendering anything.

    Args:
        context: What is shared.
        precisions: By the nodes' first output names.

    Raises:
        InputError, WorkError: See ``PartialModel.build``; also if the values are not finite.
    """
    return _probe_of(context).compare(precisions)


class _Probe:
    """The part of the model that makes the inner values, and what the original makes of every clip."""

    def __init__(self, context: PlanContext) -> None:
        self._context = context
        duration = context.signature.duration
        self._names = (*context.values.names, *((duration,) if duration else ()))
        self._model = PartialModel(context.source, duration, self._names)
        session = self._session({})
        self._durations = [self._own_durations(session, clip) for clip in context.probed]
        self._originals = [self._run(session, index) for index in range(len(context.probed))]

    def compare(self, precisions: Mapping[str, Precision]) -> ProbeFigures:
        session = self._session(precisions)
        found = [self._run(session, index) for index in range(len(self._context.probed))]
        pairs = list(zip(self._originals, found, strict=True))
        duration = self._context.signature.duration
        moved = [
            frames_moved(a[duration].reshape(-1), b[duration].reshape(-1)) if duration is not None else 0
            for a, b in pairs
        ]
        values = self._context.values
        return ProbeFigures(
            fmean(sum(_mean_square(_errors(a[n], b[n]).cumsum()) for n in values.curves) for a, b in pairs),
            fmean(sum(_mean_square(_errors(a[n], b[n])) for n in values.lengths) for a, b in pairs),
            fmean(moved),
        )

    def _session(self, precisions: Mapping[str, Precision]) -> Any:
        model = self._model.build(precisions, self._context.weight_type)
        return create_session(model, threads=self._context.threads, arena=False, name="a part of the model")

    def _feeds(self, clip: Utterance) -> dict[str, Tensor]:
        feeds = feeds_of(clip, self._context.signature, self._model.noise, self._context.seed)
        return {name: value for name, value in feeds.items() if name in self._model.inputs}

    def _own_durations(self, session: Any, clip: Utterance) -> Tensor | None:
        duration = self._context.signature.duration
        if duration is None or PINNED_DURATIONS not in self._model.inputs:
            return None
        unused = np.ones(clip.input_ids.size, dtype=np.int64)
        (own,) = _call(session, [duration], {**self._feeds(clip), PINNED_DURATIONS: unused})
        return np.asarray(own)

    def _run(self, session: Any, index: int) -> dict[str, Tensor]:
        feeds = self._feeds(self._context.probed[index])
        durations = self._durations[index]
        if durations is not None:
            feeds[PINNED_DURATIONS] = durations
        found = dict(zip(self._names, _call(session, list(self._names), feeds), strict=True))
        if not all(np.isfinite(value).all() for value in found.values()):
            raise WorkError("the plan gives values that are not finite", "leave more nodes at FP32")
        return found


_cached: tuple[PlanContext, _Probe] | None = None


def _probe_of(context: PlanContext) -> _Probe:
    """The probe of the run that this process works for; reading the model for every task would cost seconds."""
    global _cached
    if _cached is None or _cached[0].folder != context.folder:
        _cached = (context, _Probe(context))
    return _cached[1]


def _call(session: Any, names: list[str], feeds: Mapping[str, Tensor]) -> list[Tensor]:
    try:
        return list(session.run(names, dict(feeds)))
    except Exception as error:
        raise WorkError(f"a part of the model failed: {str(error).splitlines()[0]}", "see the log") from error


def _errors(original: Tensor, other: Tensor) -> npt.NDArray[np.float64]:
    """Differences, flat; of values that differ in length, over what both have."""
    first, second = (np.asarray(value, dtype=np.float64).reshape(-1) for value in (original, other))
    common = min(first.size, second.size)
    return second[:common] - first[:common]


def _mean_square(errors: npt.NDArray[np.float64]) -> float:
    return float(np.mean(errors**2)) if errors.size else 0.0
