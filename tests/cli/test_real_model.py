"""The figures of the source documents, from the command line, on the real Kokoro."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest

from tests.cli.conftest import Runner
from tests.python_versions import needs_kokoro

pytestmark = pytest.mark.real

FP32 = {"Conv (FP32)": 54_711_192, "LSTM (FP32)": 10_772_480, "Gemm (FP32)": 6_409_236}
ANCESTOR_KILOBYTES = {
    "fp16": {
        "Conv (FP16)": 106_856.92, "LSTM (FP16)": 21_040.00, "Gemm (FP16)": 12_518.04, "MatMul (FP16)": 11_762.00,
        "ConvTranspose (FP16)": 5_905.27, "Gather (FP32)": 702.00,
    },
    "q8f16": {
        "ConvInteger (UINT8)": 53_385.33, "DynamicQuantizeLSTM (INT8)": 10_496.02, "ConvTranspose (FP16)": 5_905.27,
    },
    "quantized": {
        "ConvInteger (UINT8)": 53_385.33, "MatMulInteger (INT8)": 12_091.58, "ConvTranspose (FP32)": 11_812.25,
        "DynamicQuantizeLSTM (INT8)": 10_496.02, "DynamicQuantizeLSTM (FP32)": 96.09, "Gather (FP32)": 702.00,
    },
}  # fmt: skip
INTEGER_NODES = {"ConvInteger": 85, "MatMulInteger": 148, "DynamicQuantizeLSTM": 6}
MOST_NODES = {"DynamicQuantizeLinear": 137, "Cast": 633}
ANCESTOR_MIB = {"fp16": 156.13, "q8f16": 82.37, "quantized": 88.17, "matmul-int8": 275.5}


def test_parameters_by_operator_and_type(kokoro_tui: Runner, real_model: Path) -> None:
    found = kokoro_tui("count", "--size", "--count-by", "op+dtype", "--onnx-path", real_model, "--json").json
    parameters = {group["group"]: group["parameters"] for group in found["groups"]}
    assert {name: parameters[name] for name in FP32} == FP32
    assert found["nodes"] == 2296
    assert sum(parameters.values()) == pytest.approx(found["total_parameters"])


@pytest.mark.parametrize("preset", ANCESTOR_MIB)
def test_presets_have_the_size_of_the_source_documents(kokoro_tui: Runner, real_model: Path, preset: str) -> None:
    found = kokoro_tui("estimate-size", real_model, "--preset", preset, "--json").json
    tolerance = 0.003 if preset == "matmul-int8" else 0.001
    assert found["estimated_bytes"] / 2**20 == pytest.approx(ANCESTOR_MIB[preset], rel=tolerance)


@pytest.mark.parametrize("preset", ANCESTOR_KILOBYTES)
def test_built_presets_have_the_tables_of_the_source_document(
    kokoro_tui: Runner, real_model: Path, preset: str
) -> None:
    built = kokoro_tui("export-optimized", real_model, "--preset", preset, "--no-verify", "--json").json
    assert built["final_bytes"] == built["estimated_bytes"]
    assert built["final_bytes"] / 2**20 == pytest.approx(ANCESTOR_MIB[preset], rel=0.001)
    added = built["added_ops"]
    assert {op: added[op] for op in INTEGER_NODES if op in added} == ({} if preset == "fp16" else INTEGER_NODES)
    assert all(added.get(op, 0) <= most for op, most in MOST_NODES.items())
    found = kokoro_tui("count", "kokoro_optimized.onnx", "--size", "--count-by", "op+dtype", "--json").json
    kilobytes = {group["group"]: round(group["bytes"] / 1024, 2) for group in found["groups"]}
    expected = ANCESTOR_KILOBYTES[preset]
    assert {name: kilobytes[name] for name in expected} == expected


@needs_kokoro
def test_an_optimized_model_is_verified_against_the_weights_that_it_was_made_of(
    kokoro_tui: Runner, real_model: Path, tmp_path: Path
) -> None:
    words = ("--preset", "w8", "--no-verify")
    assert kokoro_tui("export-optimized", real_model, *words).code == 0
    outcome = kokoro_tui(
        "verify", "--onnx-model", "kokoro_optimized.onnx", "--text", "Hello, world!", "--voice", "af_heart", "--json"
    )
    found = outcome.json
    assert found["reference"] == "torch"
    assert 0.05 < found["mel_distance"] < 0.6
    assert found["mel_distance"] < found["mel_distance_unpaired"]
    assert found["files"] == ["torch_output.wav", "onnx_output.wav"]
    assert all((tmp_path / name).stat().st_size > 50_000 for name in found["files"])


def test_an_interrupted_build_leaves_nothing(real_model: Path, tmp_path: Path) -> None:
    words = [
        "export-optimized",
        str(real_model),
        "--preset",
        "quantized",
        "--voice",
        "jf_alpha",
        "--output-path",
        "o.onnx",
        "--quiet",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "kokoro_tui", *words],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(tmp_path.glob(".o.onnx.partial-*")):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)
    os.killpg(process.pid, signal.SIGINT)
    started = monotonic()
    _, errors = process.communicate(timeout=30)
    assert monotonic() - started < 2
    assert process.returncode == 130
    assert errors == "error: stopped\nhint: run it again to start over\n"
    assert list(tmp_path.iterdir()) == []
