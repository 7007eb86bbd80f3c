"""Several models against one original."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import KokoroTuiError, WorkError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.jobs import comparison
from kokoro_tui.jobs.child import run_in_child
from kokoro_tui.jobs.comparison import Candidate, Comparison, FileCandidate, PlanCandidate, compare_models
from kokoro_tui.speech.utterance import Utterance, prepare
from kokoro_tui.workbench import Workbench

CONV = "/decoder/encode/Conv"


@pytest.fixture(scope="module")
def sentences() -> list[tuple[Utterance, ...]]:
    return [prepare(phonemes=text, allow_network=False) for text in ("ðə lˈaɪthaʊs kˈiːpɚ", "sˈɪks ʃˈɪps")]


@pytest.fixture
def bench(toy_model: Path) -> Workbench:
    return Workbench.open(toy_model)


def w8(bench: Workbench) -> PrecisionPlan:
    return bench.set_precision(PrecisionPlan(), [CONV], Precision.W8).plan


def compare(
    bench: Workbench, sentences: list[tuple[Utterance, ...]], *candidates: Candidate, stages: list[tuple[str, float]]
) -> Comparison:
    assert bench.signature is not None
    return compare_models(
        bench.inventory.path, bench.signature, candidates, sentences, bench.inventory.path.parent,
        progress=lambda stage, share: stages.append((stage, share)),
    )  # fmt: skip


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_plans_and_files_are_measured_alike(
    bench: Workbench, sentences: list[tuple[Utterance, ...]], tmp_path: Path
) -> None:
    assert bench.signature is not None
    built = tmp_path / "built.onnx"
    size = build_model(bench.inventory.path, w8(bench), built).final_bytes
    stages: list[tuple[str, float]] = []
    found = compare(
        bench, sentences, PlanCandidate("plan", w8(bench)), FileCandidate("file", built, bench.signature, size),
        FileCandidate("same", bench.inventory.path, bench.signature, 7), stages=stages,
    )  # fmt: skip
    plan, file, same = found.models
    assert found.original_sha256 == same.sha256 == sha256(bench.inventory.path)
    assert (plan.name, plan.file_bytes, plan.sha256, plan.plan) == ("plan", size, sha256(built), w8(bench))
    assert (file.name, file.file_bytes, file.sha256, file.plan) == ("file", size, plan.sha256, None)
    assert len(plan.measurements) == len(file.measurements) == len(sentences)
    for ours, theirs, itself in zip(plan.measurements, file.measurements, same.measurements, strict=True):
        assert ours.mel_distance == theirs.mel_distance > 0
        assert np.array_equal(ours.candidate, theirs.candidate)
        assert (itself.mel_distance, itself.frames_moved) == (0.0, 0)
        assert np.array_equal(itself.reference, itself.candidate)
    assert plan.overall.reference.size == sum(m.reference.size for m in plan.measurements)
    assert found.machine.onnxruntime
    shares = [share for _, share in stages]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert {stage.partition(":")[0] for stage, _ in stages} >= {"rendering the original", "plan", "file", "same"}
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_static_plan_comes_back_with_its_ranges(bench: Workbench, sentences: list[tuple[Utterance, ...]]) -> None:
    from kokoro_tui.core.calibration import Calibration
    from kokoro_tui.core.plan import WeightType

    plan = PrecisionPlan({CONV: Precision.INT8}, calibration=Calibration(WeightType.QUINT8, {}, 1))
    found = compare(bench, sentences[:1], PlanCandidate("static", plan), stages=[]).models[0].plan
    assert found is not None
    assert found.calibration is not None
    assert found.calibration.ranges


def test_a_model_that_fails_leaves_no_file(
    bench: Workbench, sentences: list[tuple[Utterance, ...]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object) -> None:
        raise WorkError("no audio")

    monkeypatch.setattr(comparison, "measure", fail)
    with pytest.raises(WorkError, match="no audio"):
        compare(bench, sentences, PlanCandidate("plan", w8(bench)), stages=[])
    assert [path.name for path in tmp_path.iterdir()] == ["toy.onnx"]


def test_it_runs_in_a_child(bench: Workbench, sentences: list[tuple[Utterance, ...]], tmp_path: Path) -> None:
    candidates = [PlanCandidate("plan", w8(bench))]
    found = run_in_child(compare_models, bench.inventory.path, bench.signature, candidates, sentences, tmp_path)
    assert found.models[0].measurements[0].pinned
    missing = tmp_path / "missing.onnx"
    with pytest.raises(KokoroTuiError, match="missing"):
        run_in_child(compare_models, missing, bench.signature, candidates, sentences, tmp_path)
