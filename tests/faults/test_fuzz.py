"""Damaged and hostile models, tables, recipes, voices: a good result or one clear message, soon, in little memory."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import TensorProto

from kokoro_tui.cli.main import run
from kokoro_tui.core.precision import Precision
from kokoro_tui.workbench import Workbench
from tests.faults.budget import rounds
from tests.models import toy_kokoro, write

_SILENCE_SECONDS = 60.0
"""A worker that names no new case for so long hangs; a case has 5 s of processor time."""
_WORKERS = 2


def test_no_case_gives_a_traceback_hangs_or_takes_all_memory(tmp_path: Path) -> None:
    share = rounds(600, 20_000) // _WORKERS
    workers = {
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.fuzz_cases", *map(str, (tmp_path / f"{index}", index * share, share))],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ),
        ): index * share
        for index in range(_WORKERS)
    }  # fmt: skip
    faults: list[str] = []
    finished = 0
    try:
        with selectors.DefaultSelector() as selector:
            for worker in workers:
                assert worker.stdout is not None
                selector.register(worker.stdout, selectors.EVENT_READ, worker)
            while selector.get_map():
                ready = selector.select(_SILENCE_SECONDS)
                assert ready, f"it hangs in one of the cases {sorted(workers.values())}"
                for key, _ in ready:
                    line = key.fileobj.readline()  # type: ignore[union-attr]
                    if not line:
                        selector.unregister(key.fileobj)
                        code = key.data.wait()
                        if code:
                            faults.append(f"{workers[key.data]}: the process ended with {code}")
                    elif line.strip().isdigit():
                        workers[key.data] = int(line)
                        finished += 1
                    else:
                        faults.append(line.strip())
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()
    assert faults == []
    assert finished == share * _WORKERS


# What fuzzing has found.


def test_a_tensor_of_no_known_type_cannot_claim_more_than_the_file_holds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = toy_kokoro()
    model.graph.initializer[0].data_type = TensorProto.UNDEFINED
    model.graph.initializer[0].dims.extend([2**40] * 200)
    assert run(["count", str(write(model, tmp_path / "toy.onnx")), "--size"]) == 2
    assert "but its shape asks for" in capsys.readouterr().err


def test_an_lstm_whose_weights_are_flat_is_left_as_it_is(tmp_path: Path) -> None:
    model = toy_kokoro()
    (lstm,) = (node for node in model.graph.node if node.op_type == "LSTM")
    (weight,) = (tensor for tensor in model.graph.initializer if tensor.name == lstm.input[1])
    directions, rows, columns = weight.dims
    weight.dims[:] = [directions * rows, columns]
    bench = Workbench.open(write(model, tmp_path / "toy.onnx"))
    assert bench.refusals(bench.inventory.by_key[lstm.name])[Precision.W8] == "its weights are not three-dimensional"
    assert run(["estimate-size", str(tmp_path / "toy.onnx"), "--preset", "w8"]) == 0


def test_nodes_without_an_output_or_an_input_are_passed_over(tmp_path: Path) -> None:
    model = toy_kokoro()
    for op in ("CumSum", "Pow"):
        node = next(node for node in model.graph.node if node.op_type in (op, "Mul"))
        node.op_type = op
        del node.output[:], node.input[:]
    assert run(["lint", str(write(model, tmp_path / "toy.onnx"))]) == 0
    assert run(["estimate-size", str(tmp_path / "toy.onnx"), "--preset", "fp16"]) == 0


def test_a_tensor_of_more_dimensions_than_an_array_can_have_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = toy_kokoro()
    tensor = next(tensor for tensor in model.graph.initializer if len(tensor.raw_data) == 4)
    tensor.dims.extend([1] * 200)
    assert run(["count", str(write(model, tmp_path / "toy.onnx")), "--size"]) == 2
    assert "dimensions" in capsys.readouterr().err
