"""The presets on the real Kokoro, by the figures of the source documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from kokoro_tui.core.precision import Precision
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.lint.linter import Linter
from kokoro_tui.lint.targets import TARGET_NAMES, find_target
from kokoro_tui.lint.verdicts import Status
from kokoro_tui.store.presets import read_preset
from kokoro_tui.workbench import Workbench

pytestmark = pytest.mark.real

DYNAMIC = {"MatMulInteger": 148, "ConvInteger": 85, "DynamicQuantizeLSTM": 6, "DynamicQuantizeLinear": 137}


@pytest.fixture(scope="module")
def bench(real_model: Path) -> Workbench:
    return Workbench.open(real_model)


def brought(bench: Workbench, preset: str, target: str) -> dict[str, int]:
    """What a preset brings that falls back or does not load."""
    plan = bench.resolve(read_preset(preset))
    found = Linter(bench.inventory, find_target(target), plan).added(plan)
    return {finding.op: finding.count for finding in found if finding.status is not Status.RUNS}


@pytest.mark.parametrize("target", ["cuda", "coreml", "webgpu", "nnapi"])
def test_quantized_falls_back_on_accelerators(bench: Workbench, target: str) -> None:
    found = brought(bench, "quantized", target)
    assert set(found) == set(DYNAMIC)
    assert all(found[op] <= count for op, count in DYNAMIC.items())
    assert found["MatMulInteger"] == 148


@pytest.mark.parametrize("target", ["cpu", "cpu@1.17", "wasm"])
@pytest.mark.parametrize("preset", ["quantized", "uint8", "fp16", "w8", "matmul-int8"])
def test_every_preset_runs_on_the_cpu(bench: Workbench, preset: str, target: str) -> None:
    assert brought(bench, preset, target) == {}


@pytest.mark.parametrize("target", ["cpu", "cuda", "webgpu", "wasm"])
def test_w8_brings_nothing_where_dequantize_linear_runs(bench: Workbench, target: str) -> None:
    plan = bench.resolve(read_preset("w8"))
    assert Linter(bench.inventory, find_target(target), plan).report(plan).added == ()


def test_the_fp32_export_loads_everywhere(bench: Workbench) -> None:
    reports = {name: Linter(bench.inventory, find_target(name)).report() for name in TARGET_NAMES}
    assert all(report.ok for report in reports.values())
    counts = {name: report.counts[Status.FALLBACK] for name, report in reports.items()}
    assert counts["cpu"] == counts["wasm"] == 0
    assert 0 < counts["cuda"] < 20
    assert min(counts["webgpu"], counts["coreml"]) > 200
    assert counts["nnapi"] > 800


def test_fp16_lstms_are_blocked_on_webgpu(bench: Workbench) -> None:
    linter = Linter(bench.inventory, find_target("webgpu"))
    lstms = [node.key for node in bench.inventory.main_nodes if node.op == "LSTM"]
    assert len(lstms) == 6
    assert {linter.native_precisions(key) for key in lstms} == {frozenset({Precision.W8})}


def test_the_built_file_holds_what_the_plan_was_said_to_bring(bench: Workbench, tmp_path: Path) -> None:
    plan = bench.resolve(read_preset("quantized"))
    build_model(bench.inventory.path, plan, tmp_path / "built.onnx")
    built = Linter(read_inventory(tmp_path / "built.onnx"), find_target("cuda")).report()
    found = {finding.op: finding.count for finding in built.findings}
    expected = brought(bench, "quantized", "cuda")
    assert {op: found[op] for op in expected} == expected
