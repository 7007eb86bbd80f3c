"""Verifying a model in a child process: against the torch model of its weights, or against another ONNX model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from kokoro_tui.audio.distance import compare
from kokoro_tui.engine.measure import Measurement, measure, render_all
from kokoro_tui.engine.profile import OpCost, profile_run
from kokoro_tui.engine.providers import fallback_note, provider_order
from kokoro_tui.engine.session import NOISE_SEED, Rendering, SpeechModel
from kokoro_tui.engine.signature import Signature
from kokoro_tui.errors import InputError
from kokoro_tui.jobs.child import Progress
from kokoro_tui.speech.utterance import Utterance

if TYPE_CHECKING:
    from kokoro_tui.reference.torch_model import TorchReference


@dataclass(frozen=True)
class TorchSource:
    """The torch model of the weights that an ONNX model says it was made of."""

    weights: str
    """``kokoro_tui.weights`` of the model's metadata."""
    sha256: str
    """``kokoro_tui.weights_sha256`` of the model's metadata."""


@dataclass(frozen=True)
class OnnxSource:
    """Another ONNX model."""

    path: Path
    signature: Signature


@dataclass(frozen=True)
class Verification:
    """How far a model is from its reference."""

    measurement: Measurement
    """With the same noise in both, and pinned durations where the model lets them be pinned."""
    unpaired_distance: float
    """Mel distance with other noise and own durations, as two plain runs would give it; mean over the clips."""
    provider: str
    """The execution provider that ran the model."""
    costs: tuple[OpCost, ...]
    """Costs by operator, costliest first; empty without a profile."""
    notes: tuple[str, ...]
    """What the user should know, one sentence each."""


def verify(
    path: Path,
    signature: Signature,
    clips: Sequence[Utterance],
    source: TorchSource | OnnxSource,
    *,
    gpu: bool = False,
    profile: Path | None = None,
    progress: Progress,
) -> Verification:
    """Render clips with a model and its reference and compare them.

    Args:
        path: The model to judge.
        signature: How it names its inputs.
        clips: What to say.
        source: What it is judged against; it runs on the CPU.
        gpu: Run the model with the best provider there is.
        profile: Where onnxruntime's profile of one run goes; None takes no profile.
        progress: Receives stages and shares.

    Raises:
        InputError: The weights of the reference cannot be had, or a file cannot be written.
        WorkError: A model cannot be run, or gives audio that is not finite.
    """
    progress("loading the model", 0.0)
    order = provider_order(gpu)
    model = SpeechModel(path, signature, providers=order)
    note = fallback_note(order, model.provider, gpu=gpu)
    references = _references(source, model, clips, progress)
    progress("rendering", 0.6)
    found = measure(model, clips, references, lambda share: progress("rendering", 0.6 + 0.2 * share))
    provider = model.provider
    del model  # two sessions of a large model at a time would take twice the memory
    progress("rendering with other noise", 0.8)
    stranger = SpeechModel(path, signature, pin=False, seed=NOISE_SEED + 1, providers=order)
    plain = render_all(stranger, clips)
    unpaired = fmean(compare(r.waveform, p.waveform).mel_distance for r, p in zip(references, plain, strict=True))
    del stranger
    costs: tuple[OpCost, ...] = ()
    if profile is not None:
        progress("profiling", 0.9)
        costs = profile_run(path, signature, clips[0], profile, order)
    progress("done", 1.0)
    return Verification(found, unpaired, provider, costs, (note,) if note else ())


def _references(
    source: TorchSource | OnnxSource, model: SpeechModel, clips: Sequence[Utterance], progress: Progress
) -> tuple[Rendering, ...]:
    if isinstance(source, OnnxSource):
        progress("rendering the reference", 0.2)
        other = SpeechModel(source.path, source.signature)
        return render_all(other, clips, lambda share: progress("rendering the reference", 0.2 + 0.4 * share))
    from kokoro_tui.reference.torch_model import NOISE_INPUTS, TorchReference  # torch: seconds to import
    from kokoro_tui.reference.weights import resolve_recorded_weights

    if len(model.noise) != NOISE_INPUTS:
        raise InputError(
            f"the model draws noise {len(model.noise)} times, the torch model {NOISE_INPUTS} times",
            "compare it with another ONNX model: --against OTHER.onnx",
        )
    progress("building the torch model", 0.1)
    torch_model = TorchReference.from_weights(resolve_recorded_weights(source.weights, source.sha256))
    progress("rendering with torch", 0.4)
    return tuple(_speak(torch_model, clip, model) for clip in clips)


def _speak(torch_model: TorchReference, clip: Utterance, model: SpeechModel) -> Rendering:
    speed = np.array([clip.speed], dtype=np.float32)
    started = perf_counter()
    waveform, durations = torch_model.run(clip.input_ids, clip.style, speed, model.noise)
    return Rendering(waveform, durations, perf_counter() - started)
