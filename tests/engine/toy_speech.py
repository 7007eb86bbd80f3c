"""What the miniature Kokoro is given to say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from kokoro_tui.engine.session import SpeechModel
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.speech.utterance import Utterance

CLIP = Utterance(
    text="",
    phonemes="toy",
    input_ids=np.array([[0, 5, 17, 42, 80, 99, 120, 0]], dtype=np.int64),
    style=np.random.default_rng(3).standard_normal((1, 256)).astype(np.float32),
    voice="toy",
    voice_requested=None,
    language="en-us",
    speed=1.0,
    notes=(),
)


def clip(*ids: int, speed: float = 1.0) -> Utterance:
    """Another utterance of the same voice."""
    return replace(CLIP, input_ids=np.array([ids], dtype=np.int64), speed=speed)


def signature_of(path: Path) -> Signature:
    """How a model names its inputs."""
    signature = recognise(read_inventory(path))
    assert signature is not None
    return signature


def speech_model(path: Path, *, pin: bool = True, seed: int = 1) -> SpeechModel:
    """A model that is ready to run on one thread."""
    return SpeechModel(path, signature_of(path), pin=pin, threads=1, seed=seed)
