"""The real model speaks what this package prepares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kokoro_tui.speech.utterance import DEFAULT_TEXT, prepare

SAMPLE_RATE = 24_000


@pytest.mark.real
def test_real_model_speaks_english_with_a_bundled_voice(real_model: Path) -> None:
    # Late: the other speech tests do without onnxruntime.
    import onnxruntime

    (utterance,) = prepare(DEFAULT_TEXT, voice="jf_alpha")
    session = onnxruntime.InferenceSession(str(real_model), providers=["CPUExecutionProvider"])
    inputs = {
        "input_ids": utterance.input_ids,
        "style": utterance.style,
        "speed": np.array([utterance.speed], np.float32),
    }
    waveform = session.run(["waveform"], inputs)[0].ravel()
    assert np.isfinite(waveform).all()
    assert 0.1 < np.abs(waveform).max() < 1
    assert 4 < waveform.size / SAMPLE_RATE < 8
