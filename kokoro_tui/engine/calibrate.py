"""Take the ranges of activations that static INT8 needs, by running the FP32 model on calibration clips."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.engine.session import NOISE_SEED, check_ids, create_session, feeds_of, first_line
from kokoro_tui.engine.signature import Signature
from kokoro_tui.errors import WorkError
from kokoro_tui.graph.harness import read_harness
from kokoro_tui.speech.utterance import Utterance

METHOD_VERSION = 1
"""Raised whenever the same clips would give other ranges."""


def calibrate(
    source: Path,
    signature: Signature,
    clips: Sequence[Utterance],
    values: Sequence[str],
    request: Calibration,
    *,
    seed: int = NOISE_SEED,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Calibration:
    """The smallest and largest number that each value holds over all clips, with the model's own durations.

    The extremes are taken inside the graph, so no activation outlives its last reader.

    Args:
        source: The FP32 model.
        signature: Of it.
        clips: What to say.
        values: Names of the values to watch.
        request: What the ranges are put into.
        seed: Of the noise, which is the same in every run.
        progress: Receives stages and shares.

    Raises:
        InputError: The model cannot be read, or a token id lies outside its vocabulary.
        WorkError: The model cannot be run, or a value is not finite.
    """
    for clip in clips:
        check_ids(clip.input_ids, signature.vocabulary_size)
    progress("calibrate", 0.0)
    harness = read_harness(source, None, observed=values)
    session = create_session(harness.model, arena=False, name=source.name)
    low, high = np.full(len(values), np.inf, np.float32), np.full(len(values), -np.inf, np.float32)
    for index, clip in enumerate(clips):
        try:
            found = session.run(list(harness.extremes), feeds_of(clip, signature, harness.noise, seed))
        except Exception as error:
            raise WorkError(
                f"onnxruntime could not run the model on a calibration clip: {first_line(error)}",
                "run `kokoro-tui verify` on the source model",
            ) from error
        extremes = np.array(found, dtype=np.float32).reshape(-1, 2)
        low, high = np.minimum(low, extremes[:, 0]), np.maximum(high, extremes[:, 1])
        progress("calibrate", (index + 1) / len(clips))
    bad = np.flatnonzero(~(np.isfinite(low) & np.isfinite(high)))
    if bad.size:
        raise WorkError(f"{values[bad[0]]} is not finite on the calibration clips", "calibrate on other sentences")
    ranges = {name: (float(low[i]), float(high[i])) for i, name in enumerate(values)}
    return replace(request, ranges=ranges)


def calibration_identity(clips: Sequence[Utterance], request: Calibration, seed: int = NOISE_SEED) -> str:
    """A short digest of everything but the model that ranges depend on."""
    content = {
        "method": METHOD_VERSION,
        "activation_type": request.activation_type,
        "seed": seed,
        "clips": [
            [clip.input_ids.tolist(), hashlib.sha256(clip.style.tobytes()).hexdigest(), clip.speed] for clip in clips
        ],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
