"""Verifying on the miniature Kokoro, in this process."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.engine.session import SpeechModel
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.errors import InputError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.jobs.verify import OnnxSource, TorchSource, verify
from kokoro_tui.speech.utterance import Utterance, prepare
from kokoro_tui.workbench import Workbench
from tests.models import toy_kokoro, write


@pytest.fixture(scope="module")
def clips() -> tuple[Utterance, ...]:
    return prepare(phonemes="ðə lˈaɪthaʊs kˈiːpɚ", allow_network=False)


def signature_of(path: Path) -> Signature:
    signature = recognise(read_inventory(path))
    assert signature is not None
    return signature


def test_a_model_against_itself_is_at_zero_with_paired_noise_only(
    toy_model: Path, clips: tuple[Utterance, ...]
) -> None:
    signature = signature_of(toy_model)
    stages: list[float] = []
    found = verify(
        toy_model,
        signature,
        clips,
        OnnxSource(toy_model, signature),
        progress=lambda _, share: stages.append(round(share, 6)),
    )
    assert (found.measurement.mel_distance, found.measurement.frames_moved) == (0.0, 0)
    assert found.measurement.added_noise_db == 0.0
    assert found.unpaired_distance > 0.01
    assert (found.provider, found.costs, found.notes) == ("CPUExecutionProvider", (), ())
    assert stages == sorted(stages)
    assert stages[-1] == 1.0


def test_a_model_with_other_input_names_can_be_the_reference(
    toy_model: Path, tmp_path: Path, clips: tuple[Utterance, ...]
) -> None:
    other = write(toy_kokoro(tokens="tokens", speed=TensorProto.INT32, duration=False), tmp_path / "other.onnx")
    source = OnnxSource(other, signature_of(other))
    found = verify(toy_model, signature_of(toy_model), clips, source, progress=lambda *_: None)
    assert found.measurement.mel_distance == 0.0
    assert found.measurement.frames_moved == 0


def test_a_quantized_model_differs_and_its_profile_is_kept(
    toy_model: Path, tmp_path: Path, clips: tuple[Utterance, ...]
) -> None:
    bench = Workbench.open(toy_model)
    plan = bench.set_precision(PrecisionPlan(), ["/decoder/encode/Conv"], Precision.INT8).plan
    built = tmp_path / "built.onnx"
    build_model(toy_model, plan, built)
    profile = tmp_path / "profile.json"
    signature = signature_of(built)
    source = OnnxSource(toy_model, signature)
    found = verify(built, signature, clips, source, gpu=True, profile=profile, progress=lambda *_: None)
    assert found.measurement.mel_distance > 0.001
    assert "ConvInteger" in {cost.op for cost in found.costs}
    assert profile.exists()
    assert [note for note in found.notes if "CPU" not in note] == []


def test_a_model_with_other_noise_than_torch_is_refused(
    toy_model: Path, clips: tuple[Utterance, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SpeechModel, "noise", (np.zeros(1, np.float32),) * 3)
    with pytest.raises(InputError, match="draws noise 3 times, the torch model 2 times"):
        verify(toy_model, signature_of(toy_model), clips, TorchSource("bundled", "0"), progress=lambda *_: None)
