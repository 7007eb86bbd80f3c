"""A trial context of the miniature Kokoro."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.speech.utterance import Utterance
from kokoro_tui.trials.context import TrialContext, prepare_context


def clip(*ids: int, text: str = "", voice: str = "toy") -> Utterance:
    """An utterance of the given tokens with a seeded style."""
    style = np.random.default_rng(len(ids)).standard_normal((1, 256)).astype(np.float32)
    return Utterance(
        text=text,
        phonemes="".join(chr(96 + i % 26) for i in ids),
        input_ids=np.array([[0, *ids, 0]], dtype=np.int64),
        style=style,
        voice=voice,
        voice_requested=None,
        language="en-us",
        speed=1.0,
        notes=(),
    )


@pytest.fixture
def toy_clip() -> Utterance:
    """One short clip."""
    return clip(5, 17, 42, 80, 99, 120)


@pytest.fixture
def toy_signature(toy_model: Path) -> Signature:
    """How the miniature names its inputs."""
    signature = recognise(read_inventory(toy_model))
    assert signature is not None
    return signature


@pytest.fixture
def toy_context(toy_model: Path, toy_signature: Signature, toy_clip: Utterance, tmp_path: Path) -> TrialContext:
    """The miniature, cut and run."""
    folder = tmp_path / "work"
    folder.mkdir()
    return prepare_context(toy_model, toy_signature, [toy_clip], folder)
