"""Costs by operator from onnxruntime's profiler."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kokoro_tui.engine.profile import OpCost, operator_costs, profile_run
from kokoro_tui.engine.providers import CPU
from kokoro_tui.engine.signature import recognise
from kokoro_tui.errors import WorkError
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.speech.utterance import prepare


def kernel(op: str, microseconds: int) -> dict[str, object]:
    return {"cat": "Node", "name": f"/x/{op}_kernel_time", "dur": microseconds, "args": {"op_name": op}}


def test_costs_are_summed_by_operator_and_sorted() -> None:
    events = [
        kernel("Conv", 1000), kernel("Sin", 3000), kernel("Conv", 4000),
        {"cat": "Session", "name": "model_run", "dur": 99999, "args": {}},
        {"cat": "Node", "name": "/x/Conv_fence_before", "dur": 7, "args": {"op_name": "Conv"}},
    ]  # fmt: skip
    assert operator_costs(events) == (OpCost("Conv", 2, 5.0, 0.625), OpCost("Sin", 1, 3.0, 0.375))
    assert operator_costs([]) == ()


def test_a_run_is_profiled_and_its_file_kept(toy_model: Path, tmp_path: Path) -> None:
    signature = recognise(read_inventory(toy_model))
    assert signature is not None
    clip = prepare(phonemes="həlˈoʊ", allow_network=False)[0]
    target = tmp_path / "profile.json"
    costs = profile_run(toy_model, signature, clip, target, (CPU,))
    assert {"Conv", "LSTM", "ConvTranspose"} <= {cost.op for cost in costs}
    assert sum(cost.share for cost in costs) == pytest.approx(1.0)
    assert operator_costs(json.loads(target.read_text())) == costs


def test_a_model_that_onnxruntime_refuses_leaves_no_file(toy_model: Path, tmp_path: Path) -> None:
    signature = recognise(read_inventory(toy_model))
    assert signature is not None
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(toy_model.read_bytes()[:500])
    target = tmp_path / "profile.json"
    with pytest.raises(WorkError, match=r"could not profile broken.onnx"):
        profile_run(broken, signature, prepare(phonemes="a", allow_network=False)[0], target, (CPU,))
    assert not target.exists()
