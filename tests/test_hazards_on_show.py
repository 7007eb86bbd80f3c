"""Hazards and weights that FP16 cannot hold: what the workbench makes of them, and where a user reads of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import InputError
from kokoro_tui.tui.describe import describe_node
from kokoro_tui.tui.rows import RowSource
from kokoro_tui.workbench import Workbench
from tests.core.test_hazards import source_model
from tests.models import toy_kokoro, write

FP32, FP16, INT8, W8 = Precision
NOISE = "/decoder/noise/Add"
CONV, UPSAMPLER = "/decoder/encode/Conv", "/decoder/generator/ups.0/ConvTranspose"


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    """The miniature of the harmonic source, open."""
    return Workbench.open(write(source_model(), tmp_path / "source.onnx"))


def told(bench: Workbench, plan: PrecisionPlan, key: str) -> str:
    return "".join(part.text for part in describe_node(bench, plan, key))


def test_cycling_passes_over_risky_precisions(bench: Workbench) -> None:
    def cycle(key: str, precision: Precision = FP32) -> list[Precision]:
        seen = [precision]
        while len(seen) < 4:
            seen.append(bench.next_precision(PrecisionPlan({key: seen[-1]}), key))
        return seen

    assert cycle("p") == [FP32, FP16, INT8, W8]
    assert cycle("c") == [FP32, FP16, W8, FP32]
    assert cycle("e") == [FP32, FP32, FP32, FP32]
    assert cycle("e", FP16) == [FP16, FP32, FP32, FP32]


def test_an_explicit_choice_stands_and_its_row_and_details_say_why_it_is_risky(bench: Workbench) -> None:
    change = bench.set_precision(PrecisionPlan(), ["c", "e", "p"], W8)
    assert change.changed == ("c", "e", "p")
    assert bench.risky(change.plan) == ("e",)
    source = RowSource(bench)
    before = source.row(("e",), PrecisionPlan())
    assert (before.risky, source.updated(before, change.plan).risky) == (False, True)
    assert [source.row((key,), change.plan).risky for key in "cep"] == [False, True, False]
    assert "risky  FP16, INT8, W8: it makes the F0 curve, whose errors add up" in told(bench, change.plan, "e")
    assert "risky  INT8: it predicts F0" in told(bench, change.plan, "c")
    assert "risky" not in told(bench, change.plan, "p")
    assert "risky" not in told(bench, change.plan, "j")  # a CumSum has no other form


def spoilt(folder: Path) -> Path:
    """A miniature Kokoro with a weight that overflows and one that vanishes."""
    model = toy_kokoro()
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        if tensor.name == "encode.weight":
            values[3, 1, 1] = 1e6
        elif tensor.name == "ups.weight":
            values *= np.float32(1e-9)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    return write(model, folder / "spoilt.onnx")


def test_weights_that_half_precision_cannot_hold_stay_float_with_the_reason(tmp_path: Path) -> None:
    bench = Workbench.open(spoilt(tmp_path))
    plan = PrecisionPlan(dict.fromkeys(bench.inventory.candidate_keys, FP16))
    change = bench.without_faults(plan)
    assert change.changed == (CONV, UPSAMPLER)
    assert {key for key in plan.choices if key not in change.plan.choices} == {CONV, UPSAMPLER}
    reasons = change.refused or {}
    assert reasons[CONV] == "its weight encode.weight holds 1e+06, more than FP16 can (65504)"
    assert "its weight ups.weight holds nothing larger than" in reasons[UPSAMPLER]
    again = bench.without_faults(change.plan)
    assert (again.plan, again.changed) == (change.plan, ())
    w8 = PrecisionPlan({CONV: W8})
    assert bench.without_faults(w8).plan is w8
    bench.inventory.path.unlink()
    with pytest.raises(InputError, match="there is no file"):
        bench.without_faults(plan)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command line in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run(
        [sys.executable, "-m", "kokoro_tui", *words], cwd=folder, env=environment, text=True, capture_output=True
    )


def test_the_command_line_builds_around_them_and_notes_what_is_risky(tmp_path: Path) -> None:
    spoilt(tmp_path)
    rule = f'version = 1\n[thresholds]\ncast = 5\n[[rules]]\nnode = "{NOISE}"\nprecision = "fp16"\n'
    (tmp_path / "r.toml").write_text(rule)
    words = ("export-optimized", "spoilt.onnx", "--no-verify", "--save-recipe", "saved.toml")
    found = command(tmp_path, *words, "--recipe", "r.toml", "--output-path", "small.onnx")
    assert found.returncode == 0, found.stderr
    assert f"note: {CONV} stays FP32: its weight encode.weight holds 1e+06" in found.stderr
    assert f"note: {NOISE}: FP16 is risky: it carries random draws" in found.stderr
    # The saved recipe gives the same bytes in another process.
    again = command(
        tmp_path, "export-optimized", "spoilt.onnx", "--no-verify", "--recipe", "saved.toml", "--output-path", "b.onnx"
    )
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "b.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()
