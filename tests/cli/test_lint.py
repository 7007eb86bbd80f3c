"""``lint``: its JSON, its tables, and what is wrong usage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.store.presets import read_preset
from kokoro_tui.workbench import Workbench
from tests.cli.conftest import Runner

INTEGERS = {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeLSTM"}
ACCELERATORS = ("cuda", "coreml", "webgpu", "nnapi")


def added(target: dict[str, Any]) -> dict[str, int]:
    """Operators that the plan adds and that need attention, with their nodes."""
    return {finding["op"]: finding["count"] for finding in target["findings"] if finding["added_by_plan"]}


def test_a_preset_is_linted_without_building_it(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    outcome = kokoro_tui("lint", toy_model, "--preset", "quantized", "--json")
    targets = outcome.json["targets"]
    assert (outcome.code, outcome.json["planned"]) == (0, True)
    assert list(targets) == ["cpu", "cuda", "coreml", "webgpu", "wasm", "nnapi"]
    assert {name: set(added(target)) for name, target in targets.items()} == {
        "cpu": set(), "wasm": set(), **dict.fromkeys(ACCELERATORS, INTEGERS),
    }  # fmt: skip
    assert all(target["ok"] for target in targets.values())
    assert list(tmp_path.glob("*.onnx")) == [toy_model]


def test_what_a_finding_holds(kokoro_tui: Runner, toy_model: Path) -> None:
    target = kokoro_tui("lint", toy_model, "--preset", "quantized", "--target", "cuda", "--json").json["targets"][
        "cuda"
    ]
    finding = next(f for f in target["findings"] if f["op"] == "DynamicQuantizeLSTM")
    assert finding == {
        "op": "DynamicQuantizeLSTM", "domain": "com.microsoft", "count": 1, "status": "fallback", "added_by_plan": True,
        "reason": "no kernel", "advice": "W8 or FP16 instead of INT8", "nodes": ["/encoder/lstm/LSTM_quant"],
    }  # fmt: skip
    assert target["nodes"]["fallback"] == sum(f["count"] for f in target["findings"])
    assert (target["release"], target["date"][:3]) == ("1.31", "202")
    assert "onnxruntime-gpu" in target["source"]


def test_a_built_model_is_linted_as_it_is(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    bench = Workbench.open(toy_model)
    build_model(toy_model, bench.resolve(read_preset("quantized")), tmp_path / "built.onnx")
    found = kokoro_tui("lint", "built.onnx", "--json").json
    assert not found["planned"]
    for name in ACCELERATORS:
        findings = {f["op"]: f for f in found["targets"][name]["findings"]}
        assert set(findings) >= INTEGERS
        assert not any(f["added_by_plan"] for f in findings.values())
    assert found["targets"]["cpu"]["findings"] == []


def test_recipes_and_thresholds_make_a_plan(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    (tmp_path / "r.toml").write_text('version = 1\n[[rules]]\nmatch = "lstm"\nprecision = "fp16"\n')
    found = kokoro_tui("lint", toy_model, "--recipe", "r.toml", "--target", "webgpu,cuda", "--json").json["targets"]
    assert {name: added(target) for name, target in found.items()} == {"webgpu": {"LSTM": 1}, "cuda": {}}
    locked = kokoro_tui("lint", toy_model, "--preset", "quantized", "--lock", ".", "--target", "cuda", "--json").json
    assert (locked["planned"], added(locked["targets"]["cuda"])) == (True, {})


def test_all_lists_what_runs_too(kokoro_tui: Runner, toy_model: Path) -> None:
    found = kokoro_tui("lint", toy_model, "--target", "cpu@1.20", "--all", "--json").json["targets"]["cpu@1.20"]
    assert {f["status"] for f in found["findings"]} == {"runs"}
    assert sum(f["count"] for f in found["findings"]) == found["nodes"]["runs"]
    assert "Conv" in {f["op"] for f in found["findings"]}


def test_the_table_for_people(kokoro_tui: Runner, toy_model: Path) -> None:
    out = kokoro_tui("lint", toy_model, "--preset", "quantized", "--target", "nnapi,cpu").out
    assert "NNAPI: loads; of the nodes" in out
    assert "MatMulInteger" in out
    assert "falls back to CPU" in out
    assert "the plan" in out
    assert "FP32 instead of INT8" in out
    assert "Source, read on 20" in out
    assert "more (--all)" in out
    assert "CPU: loads; of the nodes" in out
    full = kokoro_tui("lint", toy_model, "--target", "nnapi", "--all").out
    assert "more (--all)" not in full
    assert "RandomUniformLike" in full


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("--target", "cdua"), "there is no target 'cdua'", "did you mean 'cuda'?"),
        (("--target", "cpu,webgl"), "there is no target 'webgl'", "webgpu"),
        (("--target", "cpu@0.9"), "there is no release '0.9' of cpu", "1.17"),
        (("--preset", "quantised"), "there is no preset 'quantised'", "quantized"),
        (("--preset", "w8", "--recipe", "r.toml"), "a preset and a recipe were both named", "name one"),
        (("--quant-threshold", "0.2"), "there is no quantization-trials.csv here", "--trial-results"),
    ],
)
def test_wrong_usage(kokoro_tui: Runner, toy_model: Path, words: tuple[str, ...], message: str, hint: str) -> None:
    outcome = kokoro_tui("lint", toy_model, *words, "--json")
    assert outcome.code == 2
    assert outcome.error_and_hint[0] == message
    assert hint in outcome.error_and_hint[1]
    assert set(outcome.json) == {"error", "hint", "exit_code"}


def test_a_missing_model(kokoro_tui: Runner) -> None:
    outcome = kokoro_tui("lint", "missing.onnx")
    assert (outcome.code, outcome.error_and_hint[0]) == (2, "there is no file missing.onnx")
