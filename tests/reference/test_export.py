"""The export around the trace: what is checked first, what is told, and what stays behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.reference import export
from kokoro_tui.reference.export import export_model
from kokoro_tui.reference.weights import WEIGHTS_KEY, WEIGHTS_SHA256_KEY, Weights, WeightsSource
from tests.python_versions import needs_kokoro


@needs_kokoro
def test_an_unwritable_target_is_refused_before_the_weights_are_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        export_model(
            tmp_path / "no" / "k.onnx",
            weights="bundled",
            progress=lambda stage, _: pytest.fail(f"began {stage}"),
            score=None,
        )


@needs_kokoro
@pytest.mark.real
@pytest.mark.parametrize("last_stage", ["reading the weights", "tracing the torch model"])
def test_an_interrupt_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bundled_weights: Weights, last_stage: str
) -> None:
    monkeypatch.setattr(export, "resolve_weights", lambda *_: bundled_weights)
    target = tmp_path / "k.onnx"
    target.write_bytes(b"old")
    fractions: list[float] = []

    def interrupt(stage: str, fraction: float) -> None:
        fractions.append(fraction)
        assert len(list(tmp_path.iterdir())) >= 2
        if stage == last_stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_model(target, weights="bundled", progress=interrupt, score=None)
    assert fractions == sorted(fractions)
    assert [path.name for path in tmp_path.iterdir()] == ["k.onnx"]
    assert target.read_bytes() == b"old"


@pytest.mark.real
def test_the_real_export_is_the_model_that_was_measured(real_model: Path, bundled_weights: Weights) -> None:
    model = onnx.load(str(real_model))
    assert len(model.graph.node) == 2280
    assert real_model.stat().st_size == pytest.approx(325_434_092, rel=0.002)
    assert [value.name for value in model.graph.input] == ["input_ids", "style", "speed"]
    assert [value.name for value in model.graph.output] == ["waveform", "duration"]
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    recorded = WeightsSource(metadata[WEIGHTS_KEY], metadata[WEIGHTS_SHA256_KEY])
    assert recorded == bundled_weights.source
    assert len(read_inventory(real_model).candidates) == 463


@pytest.mark.real
def test_the_exported_weights_are_the_chosen_ones(real_model: Path, bundled_weights: Weights) -> None:
    model = onnx.load(str(real_model))
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    node = next(n for n in model.graph.node if n.name == "/decoder/generator/resblocks.2/convs1.0/Conv")
    exported = onnx.numpy_helper.to_array(tensors[node.input[1]])
    chosen = bundled_weights.parameters["decoder.generator.resblocks.2.convs1.0.weight"]
    # One unit in the last place is lost where the weight is split by weight norm and put together again.
    np.testing.assert_allclose(exported, chosen, rtol=3e-7)
