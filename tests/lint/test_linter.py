"""Findings for plans and files: what is added, by whom, and what to choose instead."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from kokoro_tui.lint.linter import Linter, blocked_precisions
from kokoro_tui.lint.report import Finding, TargetReport
from kokoro_tui.lint.targets import TARGET_NAMES, find_target
from kokoro_tui.lint.verdicts import Status
from tests.graph.plans import everything_at, plans, wide_calibration
from tests.models import toy_kokoro, write

TOY = inventory_of(toy_kokoro(), Path("toy.onnx"), 1_000_000)
CALIBRATION = wide_calibration(TOY)
INT8 = everything_at(TOY, Precision.INT8)
W8 = everything_at(TOY, Precision.W8)
FP16 = everything_at(TOY, Precision.FP16)
STATIC = everything_at(TOY, Precision.INT8, CALIBRATION)
DYNAMIC_OPS = {"ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "DynamicQuantizeLSTM"}


def ours(plan: PrecisionPlan, target: str) -> dict[str, Finding]:
    """What needs attention because of a plan, by operator."""
    found = Linter(TOY, find_target(target), plan).report(plan).added
    return {finding.op: finding for finding in found}


@pytest.mark.parametrize("target", ["cuda", "coreml", "webgpu", "nnapi"])
def test_dynamic_int8_falls_back_on_every_accelerator(target: str) -> None:
    found = ours(INT8, target)
    assert set(found) == DYNAMIC_OPS
    assert {finding.status for finding in found.values()} == {Status.FALLBACK}
    assert found["MatMulInteger"].nodes[0].endswith("_quant")


@pytest.mark.parametrize("target", ["cpu", "cpu@1.20", "wasm"])
def test_dynamic_int8_runs_on_the_cpu(target: str) -> None:
    assert ours(INT8, target) == {}


@pytest.mark.parametrize("target", ["cpu", "cpu@1.17", "wasm", "cuda", "webgpu"])
def test_w8_brings_nothing(target: str) -> None:
    assert ours(W8, target) == {}


def test_w8_on_coreml_takes_constant_weights_away() -> None:
    found = ours(W8, "coreml")
    assert set(found) == {"DequantizeLinear", "Gemm", "ConvTranspose"}
    assert found["Gemm"].nodes == ("/encoder/style/Gemm",)
    assert found["Gemm"].reason == "its input 1 must be an initializer there"
    assert {finding.advice for finding in found.values()} == {"FP16 instead of W8"}


def test_fp16_on_the_cpu_computes_in_fp32() -> None:
    report = Linter(TOY, find_target("cpu"), FP16).report(FP16)
    assert report.ok
    assert {finding.status for finding in report.added} == {Status.RUNS}
    assert {"Conv", "MatMul", "LSTM"} <= {finding.op for finding in report.added}
    assert "Transpose" not in {finding.op for finding in report.added}
    assert ours(FP16, "cuda") == {}


def test_fp16_lstm_is_what_webgpu_lacks() -> None:
    found = ours(FP16, "webgpu")
    assert set(found) == {"LSTM"}
    assert (found["LSTM"].reason, found["LSTM"].advice) == ("no kernel for FLOAT16", "W8 instead of FP16")


def test_static_int8() -> None:
    assert ours(STATIC, "cpu") == {}
    found = ours(STATIC, "cuda")
    assert set(found) == {"QLinearConv", "QLinearMatMul", "QGemm", "QLinearMul"}
    assert found["QLinearConv"].advice == "W8 or FP16 instead of INT8"


def test_what_the_model_holds_already_is_not_the_plans() -> None:
    before = Linter(TOY, find_target("webgpu")).report()
    after = Linter(TOY, find_target("webgpu"), W8).report(W8)
    assert before.added == after.added == ()
    assert {finding.op for finding in before.findings} == {finding.op for finding in after.findings}
    assert {"RandomNormalLike", "Round"} <= {finding.op for finding in before.findings}
    assert before.ok


def test_every_node_is_counted_once() -> None:
    report = Linter(TOY, find_target("nnapi")).report()
    assert sum(report.counts.values()) == len(TOY.nodes)
    names = [name for finding in (*report.findings, *report.running) for name in finding.nodes]
    assert sorted(names) == sorted(node.key for node in TOY.nodes)


def test_nodes_inside_bodies_are_judged_too() -> None:
    report = Linter(TOY, find_target("coreml")).report()
    assert next(finding for finding in report.findings if finding.op == "Neg").nodes == ("else",)


def test_the_worst_comes_first() -> None:
    findings = Linter(TOY, find_target("webgpu"), INT8).report(INT8).findings
    order = [(-finding.status.severity, not finding.added_by_plan) for finding in findings]
    assert order == sorted(order)
    assert findings[0].added_by_plan


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan=st.one_of(plans(TOY), plans(TOY, CALIBRATION)), target=st.sampled_from(TARGET_NAMES))
def test_a_plan_reads_like_the_file_that_it_builds(plan: PrecisionPlan, target: str, tmp_path: Path) -> None:
    source = write(toy_kokoro(), tmp_path / "source.onnx")
    build_model(source, plan, tmp_path / "built.onnx")
    built = read_inventory(tmp_path / "built.onnx")
    planned = Linter(TOY, find_target(target), plan).report(plan)
    assert totals(Linter(built, find_target(target)).report()) == totals(planned)


def totals(report: TargetReport) -> Counter[tuple[str, Status, bool]]:
    """Nodes by operator, status and whether there is anything to say."""
    found: Counter[tuple[str, Status, bool]] = Counter()
    for finding in (*report.findings, *report.running):
        found[finding.op, finding.status, bool(finding.reason)] += finding.count
    return found


@pytest.mark.parametrize("plan", [INT8, W8, FP16, STATIC], ids=["int8", "w8", "fp16", "static"])
@pytest.mark.parametrize("target", ["cpu", "coreml", "webgpu"])
def test_the_quick_answer_is_the_one_of_the_report(plan: PrecisionPlan, target: str) -> None:
    linter = Linter(TOY, find_target(target), plan)
    quick = linter.added(plan)
    assert set(quick) == set(linter.report(plan).added)
    assert linter.added(plan) == quick
    assert linter.added(PrecisionPlan(calibration=plan.calibration)) == ()


def test_shared_weights_and_values_are_counted_once() -> None:
    found = ours(W8, "coreml")
    assert found["DequantizeLinear"].count == len(set(found["DequantizeLinear"].nodes)) == 9


# For the planner and the screen


def test_blocked_precisions() -> None:
    blocked = blocked_precisions(TOY, find_target("webgpu"))
    assert blocked["/encoder/lstm/LSTM"] == {
        Precision.FP16: "LSTM falls back to CPU: no kernel for FLOAT16",
        Precision.INT8: "DynamicQuantizeLSTM falls back to CPU: no kernel",
    }
    assert set(blocked["/decoder/encode/Conv"]) == {Precision.INT8}
    assert blocked["/decoder/encode/Conv"][Precision.INT8] == "DynamicQuantizeLinear falls back to CPU: no kernel"
    assert "/decoder/scale/Mul" not in blocked
    assert blocked_precisions(TOY, find_target("cpu")) == {}


def test_blocked_precisions_of_static_plans() -> None:
    static = PrecisionPlan(calibration=CALIBRATION)
    assert Precision.INT8 in blocked_precisions(TOY, find_target("cuda"), static)["/decoder/scale/Mul"]
    assert "/decoder/scale/Mul" not in blocked_precisions(TOY, find_target("cuda"))


@pytest.mark.parametrize("target", TARGET_NAMES)
def test_a_plan_of_open_precisions_brings_nothing_that_falls_back(target: str) -> None:
    linter = Linter(TOY, find_target(target))
    for precision in (Precision.W8, Precision.INT8):
        keys = [key for key in everything_at(TOY, precision).choices if precision in linter.native_precisions(key)]
        found = linter.added(PrecisionPlan().with_precision(keys, precision))
        assert [finding for finding in found if finding.status is not Status.RUNS] == []


def test_native_precisions_are_those_that_are_not_blocked() -> None:
    linter = Linter(TOY, find_target("webgpu"))
    assert linter.native_precisions("/encoder/lstm/LSTM") == {Precision.W8}
    assert linter.native_precisions("/decoder/encode/Conv") == {Precision.W8, Precision.FP16}
    assert linter.native_precisions("/decoder/noise/RandomNormalLike") == frozenset()


def test_the_effect_of_one_precision_on_one_node() -> None:
    linter = Linter(TOY, find_target("webgpu"))
    key = "/decoder/encode/Conv"
    effect = linter.effect(key, Precision.INT8)
    assert {(f.op, f.advice) for f in effect} == {
        ("DynamicQuantizeLinear", "W8 or FP16 instead of INT8"), ("ConvInteger", "W8 or FP16 instead of INT8"),
    }  # fmt: skip
    assert linter.effect(key, Precision.W8) == linter.effect(key, Precision.FP32) == ()
    (own,) = linter.effect("/decoder/noise/RandomNormalLike", Precision.FP32)
    assert (own.op, own.added_by_plan, own.status) == ("RandomNormalLike", False, Status.FALLBACK)


def test_types_that_the_file_does_not_state_are_worked_out(tmp_path: Path) -> None:
    """A built file says nothing of the UINT8 that DynamicQuantizeLinear hands to MatMulInteger."""
    source = write(toy_kokoro(), tmp_path / "source.onnx")
    build_model(source, INT8, tmp_path / "built.onnx")
    built: Inventory = read_inventory(tmp_path / "built.onnx")
    found = {finding.op: finding for finding in Linter(built, find_target("cuda")).report().findings}
    assert set(found) >= DYNAMIC_OPS
    assert found["MatMulInteger"].reason == "no kernel for UINT8"
    assert found["MatMulInteger"].advice == "build it with W8 or FP16 instead of INT8"
    assert not found["MatMulInteger"].added_by_plan
