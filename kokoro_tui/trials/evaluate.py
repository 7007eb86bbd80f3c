"""Evaluate trials: rebuild the pieces that hold the nodes, rerun what has really changed, compare the sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np

from kokoro_tui.audio.distance import Comparison, Reference, frames_moved
from kokoro_tui.core.trials import TrialKind
from kokoro_tui.engine.session import OrtValue, noise_feeds, ort_values, speech_feeds
from kokoro_tui.errors import WorkError
from kokoro_tui.graph.harness import PINNED_DURATIONS
from kokoro_tui.graph.pieces import rewrite_piece
from kokoro_tui.trials.context import Tensor, TrialContext, inputs_of, last_uses, open_piece, run_piece

_UNCHANGED = Comparison(0.0, 0.0, length_difference_samples=0, compared_frames=0, frame_difference=0)
_PROBE = 4096
"""Elements that are kept in memory and compared first: tensors that differ nearly always differ there."""


@dataclass(frozen=True)
class TrialSpec:
    """One trial: some nodes that change together, and how."""

    members: tuple[str, ...]
    """First output names of the nodes."""
    kind: TrialKind


@dataclass(frozen=True)
class TrialFigures:
    """What one trial gave, over all clips."""

    mel_distance: float
    """Mean; paired, and pinned where the context says so."""
    mel_distance_worst: float
    mel_distance_free: float
    """Mean, with the trial's own durations."""
    added_noise_db: float
    """Mean, in dB."""
    frames_moved: float | None
    """Mean; None where the model tells no durations."""
    frames_moved_worst: float | None
    seconds: float


class Evaluator:
    """Evaluates trials one at a time; keeps the unchanged pieces as open sessions.

    Args:
        context: The run that the trials belong to.
        threads: Threads of every session; results do not depend on it.
    """

    def __init__(self, context: TrialContext, *, threads: int = 1) -> None:
        self._context = context
        self._threads = threads
        self._pieces = context.cut.pieces
        # All at once: what they keep stays together at the start of the arena.
        self._sessions = [open_piece(file.path, threads) for file in self._pieces]
        self._last_uses = last_uses(context.cut)
        self._noise = ort_values(noise_feeds(context.cut.noise, context.seed))
        self._probes: dict[tuple[int, str], Tensor] = {}

    @cached_property
    def _references(self) -> tuple[Reference, ...]:
        context = self._context
        name = context.signature.waveform
        waveforms = (np.load(context.value_file(i, name), allow_pickle=False) for i in range(len(context.clips)))
        return tuple(Reference(np.asarray(w, dtype=np.float32).reshape(-1)) for w in waveforms)

    def evaluate(self, spec: TrialSpec) -> TrialFigures:
        """Try one change on every clip.

        Raises:
            InputError: A node cannot take the precision.
            WorkError: The changed model cannot be run, or its audio is not finite.
        """
        started = perf_counter()
        changed = self._changed_sessions(spec)
        distances, free, noises, moved = [], [], [], []
        for index in range(len(self._context.clips)):
            run = _ClipRun(self, index, changed)
            pinned = run.compare()
            distances.append(pinned.mel_distance)
            noises.append(pinned.added_noise_db)
            frames = run.frames_moved()
            if frames is not None:
                moved.append(frames)
            free.append(run.rerun_free().mel_distance if frames and self._context.pinned else pinned.mel_distance)
        return TrialFigures(
            mel_distance=fmean(distances),
            mel_distance_worst=max(distances),
            mel_distance_free=fmean(free),
            added_noise_db=fmean(noises),
            frames_moved=fmean(moved) if moved else None,
            frames_moved_worst=max(moved, default=None),
            seconds=perf_counter() - started,
        )

    def _changed_sessions(self, spec: TrialSpec) -> dict[int, Any]:
        """Sessions of the pieces that hold the trial's nodes, rewritten."""
        found = {}
        for index, file in enumerate(self._pieces):
            inside = [name for name in spec.members if name in file.members]
            if inside:
                calibration = self._context.calibration if spec.kind is TrialKind.STATIC else None
                model = rewrite_piece(file.path, inside, spec.kind.precision, self._context.weight_type, calibration)
                found[index] = open_piece(model, self._threads)
        return found


class _ClipRun:
    """One trial on one clip."""

    def __init__(self, evaluator: Evaluator, clip: int, changed: Mapping[int, Any]) -> None:
        self._evaluator = evaluator
        self._context = evaluator._context
        self._clip = clip
        self._changed = changed
        context = self._context
        feeds = speech_feeds(context.clips[clip], context.signature)
        reference = context.durations[clip]
        if context.pinned and reference is not None:
            feeds[PINNED_DURATIONS] = np.array(reference, dtype=np.int64)
        self._feeds = {**evaluator._noise, **ort_values(feeds)}
        self._outputs = self._run({})

    def compare(self) -> Comparison:
        """Distance of the trial's waveform to the reference's."""
        return self._compare(self._outputs)

    def frames_moved(self) -> int | None:
        """Frames by which the trial's durations differ from the reference's."""
        reference = self._context.durations[self._clip]
        if reference is None or self._context.signature.duration is None:
            return None
        own = self._outputs.get(self._context.signature.duration)
        return 0 if own is None else frames_moved(np.array(reference), own.numpy().reshape(-1))

    def rerun_free(self) -> Comparison:
        """Distance with the trial's own durations."""
        duration = self._context.signature.duration or ""
        own = self._outputs[duration].numpy().astype(np.int64).reshape(-1)
        return self._compare(self._run(ort_values({PINNED_DURATIONS: own})))

    def _compare(self, outputs: Mapping[str, OrtValue]) -> Comparison:
        reference = self._evaluator._references[self._clip]
        waveform = outputs.get(self._context.signature.waveform)
        if waveform is None:
            return _UNCHANGED
        samples = np.asarray(waveform.numpy(), dtype=np.float32).reshape(-1)
        if not np.isfinite(samples).all():
            raise WorkError("the changed model's audio is not finite", "leave this node at FP32")
        return reference.compare(samples)

    def _run(self, overrides: Mapping[str, OrtValue]) -> dict[str, OrtValue]:
        """Rerun what the change reaches.

        Args:
            overrides: Graph inputs that differ from the reference's.

        Returns:
            The graph outputs that differ from the reference's.
        """
        evaluator, wanted = self._evaluator, self._context.signature
        differing: dict[str, OrtValue] = dict(overrides)
        found: dict[str, OrtValue] = {}
        for index, file in enumerate(evaluator._pieces):
            piece = file.piece
            if index not in self._changed and not any(name in differing for name in piece.inputs):
                continue
            session = self._changed.get(index) or evaluator._sessions[index]
            values = {name: self._value(name, differing) for name in piece.inputs}
            outputs = run_piece(session, piece.outputs, inputs_of(piece.inputs, values))
            for name, value in zip(piece.outputs, outputs, strict=True):
                if not self._equals_reference(name, value):
                    differing[name] = value
            found.update({n: differing[n] for n in (wanted.waveform, wanted.duration) if n and n in differing})
            for name in evaluator._last_uses.get(index, ()):
                differing.pop(name, None)
        return found

    def _value(self, name: str, differing: Mapping[str, OrtValue]) -> OrtValue:
        """The trial's value where it differs, else the reference's, mapped from its file without a copy."""
        if name in differing:
            return differing[name]
        if name in self._feeds:
            return self._feeds[name]
        return ort_values({name: self._reference(name)})[name]

    def _reference(self, name: str) -> Tensor:
        path = self._context.value_file(self._clip, name)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
        except ValueError:  # an empty tensor or a scalar cannot be mapped
            return np.load(path, allow_pickle=False)  # type: ignore[no-any-return]

    def _equals_reference(self, name: str, value: OrtValue) -> bool:
        """Bit by bit, so that a NaN equals itself and -0 does not equal 0."""
        own = np.from_dlpack(value)  # no copy; truth values come as bytes
        bits, probes, key = _bits(own), self._evaluator._probes, (self._clip, name)
        if key not in probes:
            probes[key] = _bits(self._reference(name))[:_PROBE].copy()
        if not np.array_equal(bits[:_PROBE], probes[key]):
            return False
        reference = self._reference(name)
        return own.shape == reference.shape and np.array_equal(bits, _bits(reference))


def _bits(value: Tensor) -> Tensor:
    return np.ascontiguousarray(value).reshape(-1).view(f"u{value.itemsize}")
