"""One model on one provider: figures, placements, and what a bad model says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from kokoro_tui.engine.bench import BenchRunner, BenchSubject, Pass, Placement, figures_of, place
from kokoro_tui.errors import InputError, WorkError
from tests.engine.toy_speech import CLIP, clip, signature_of
from tests.models import toy_kokoro, write

CPU, FAST = "CPUExecutionProvider", "FastExecutionProvider"


def runner(path: Path, *, provider: str = CPU) -> BenchRunner:
    return BenchRunner(BenchSubject(path, signature_of(path)), [CLIP, clip(0, 7, 9, 0)], provider, threads=1)


def never() -> Sequence[str]:
    raise AssertionError("the order is plain without a profiled run")


def test_figures_of_five_runs() -> None:
    passes = [Pass(seconds, 48_000) for seconds in (1.0, 2.0, 3.0, 4.0, 10.0)]
    found = figures_of(passes)
    assert found.avg_ms == 4000
    assert found.p50_ms == 3000
    assert found.p95_ms == pytest.approx(4000 + 0.8 * 6000)
    assert found.qps == 0.25
    assert found.rtf == 2.0


def test_all_nodes_on_one_provider_are_one_partition() -> None:
    assert place((CPU,), [(CPU, 1)] * 9, never) == (Placement(CPU, 9, 1),)


def test_a_provider_that_takes_nothing_is_named() -> None:
    assert place((FAST, CPU), [(CPU, 1)] * 9, never) == (Placement(FAST, 0, 0), Placement(CPU, 9, 1))


def test_compiled_subgraphs_are_partitions_and_single_nodes_go_by_the_order_of_execution() -> None:
    subgraphs = [(FAST, 6), (FAST, 1), (FAST, 2), (CPU, 1), (CPU, 1), (CPU, 1)]
    order = [FAST, CPU, CPU, FAST, FAST, CPU]
    assert place((FAST, CPU), subgraphs, lambda: order) == (Placement(FAST, 9, 3), Placement(CPU, 3, 2))


def test_two_providers_with_kernels_of_their_own_both_go_by_the_order_of_execution() -> None:
    subgraphs = [(FAST, 1)] * 4 + [(CPU, 1)]
    order = [FAST, FAST, CPU, FAST, FAST]
    assert place((FAST, CPU), subgraphs, lambda: order) == (Placement(FAST, 4, 2), Placement(CPU, 1, 1))


def test_a_model_is_loaded_speaks_and_tells_its_memory(toy_model: Path) -> None:
    found = runner(toy_model)
    assert 0 < found.load() < 30
    first, second = found.speak(), found.speak()
    assert first.samples == second.samples
    assert first.samples % 600 == 0
    assert first.seconds > 0
    memory = found.memory()
    assert memory.before_bytes is not None
    assert memory.peak_bytes is not None
    assert memory.peak_bytes >= memory.before_bytes
    in_bodies, nodes = 2, len(onnx.load(str(toy_model)).graph.node)
    (placement,) = found.placements()
    assert (placement.provider, placement.partitions) == (CPU, 1)
    assert nodes / 2 < placement.nodes <= nodes + in_bodies


def test_the_order_of_execution_is_read_from_a_profiled_run(toy_model: Path, tmp_path: Path) -> None:
    found = runner(toy_model)
    found.load()
    order = found._execution_order()
    assert set(order) == {CPU}
    assert len(order) > 20
    assert [path.name for path in tmp_path.iterdir()] == [toy_model.name]


def test_audio_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    model = toy_kokoro()
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    bad = numpy_helper.to_array(weights["ups.bias"]).copy()
    bad[0] = np.nan
    weights["ups.bias"].CopyFrom(numpy_helper.from_array(bad, "ups.bias"))
    found = runner(write(model, tmp_path / "bad.onnx"))
    found.load()
    with pytest.raises(WorkError, match=r"^bad\.onnx on CPUExecutionProvider gives audio that is not finite$"):
        found.speak()


def test_ids_outside_the_vocabulary_are_refused_before_the_model_is_loaded(toy_model: Path) -> None:
    subject = BenchSubject(toy_model, replace(signature_of(toy_model), vocabulary_size=100))
    with pytest.raises(InputError, match="token id 120 is outside the model's vocabulary of 100"):
        BenchRunner(subject, [CLIP], CPU).load()


def test_a_model_that_onnxruntime_refuses_is_named(tmp_path: Path) -> None:
    model = toy_kokoro()
    path = write(model, tmp_path / "odd.onnx")
    found = runner(path)
    model.graph.node[0].op_type = "Gathr"
    write(model, path)
    with pytest.raises(WorkError, match=r"cannot load odd\.onnx on CPUExecutionProvider: .*Gathr"):
        found.load()


def test_a_provider_that_is_not_there_is_named(toy_model: Path) -> None:
    with (
        pytest.warns(UserWarning, match="not in available provider names"),
        pytest.raises(InputError, match="FastExecutionProvider could not be started on this machine"),
    ):
        runner(toy_model, provider=FAST).load()
