"""How far an exported model is from the torch model that it came from, with the same noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kokoro_tui.audio.distance import compare, frames_moved
from kokoro_tui.engine.session import Rendering, SpeechModel, Waveform
from kokoro_tui.engine.signature import recognise
from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.reference.torch_model import TorchReference
from kokoro_tui.speech.utterance import Utterance


@dataclass(frozen=True)
class TorchComparison:
    """One clip, spoken by torch and by the ONNX model."""

    torch_waveform: Waveform
    """Samples [t] at 24 kHz."""
    rendering: Rendering
    """What the ONNX model gave with its own durations."""
    mel_distance: float
    """Paired noise; over the common frames where the durations differ."""
    added_noise_db: float
    """95th percentile of the one-sided mel energy gain, in dB."""
    frames_moved: int | None
    """Duration frames that differ; None where the ONNX model tells none."""


def compare_with_torch(torch_model: TorchReference, path: Path, clip: Utterance) -> TorchComparison:
    """Speak one clip with both models, with the same noise.

    Raises:
        InputError: The file is not a Kokoro model.
        WorkError: It cannot be run, or gives audio that is not finite.
    """
    signature = recognise(read_inventory(path))
    if signature is None:
        raise InputError(f"{path} does not have Kokoro's inputs", "name a Kokoro export")
    model = SpeechModel(path, signature)
    rendering = model.run(clip)
    speed = np.array([clip.speed], dtype=np.float32)
    waveform, durations = torch_model.run(clip.input_ids, clip.style, speed, model.noise)
    found = compare(waveform, rendering.waveform)
    moved = frames_moved(durations, rendering.durations) if rendering.durations is not None else None
    return TorchComparison(waveform, rendering, found.mel_distance, found.added_noise_db, moved)
