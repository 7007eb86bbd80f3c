"""Timing models from the command line, on the miniature Kokoro."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest

from tests.cli.conftest import Runner
from tests.models import toy_kokoro, write

SPEECH = ("--phonemes", "həlˈoʊ", "--voice", "jf_alpha")
CPU = "CPUExecutionProvider"
FILE = "quantization_comparison_results.json"


@pytest.fixture
def two_models(toy_model: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Two models whose inputs have other names."""
    return toy_model, write(toy_kokoro(tokens="tokens"), tmp_path / "other.onnx")


def test_the_figures_of_two_models(kokoro_tui: Runner, two_models: tuple[Path, Path], tmp_path: Path) -> None:
    outcome = kokoro_tui("bench", *two_models, "--runs", "3", *SPEECH, "--json")
    found = outcome.json
    assert (outcome.code, outcome.err) == (0, "")
    assert json.loads((tmp_path / FILE).read_text()) == found
    assert (found["output_path"], found["runs"], found["warm_up_runs"], found["threads"]) == (FILE, 3, 1, None)
    assert (found["voice"], found["voice_requested"], found["phonemes"]) == ("jf_alpha", "jf_alpha", "həlˈoʊ")
    assert found["machine"]["onnxruntime"].startswith("1.")
    assert found["machine"]["cpus"] >= 1
    assert [model["path"] for model in found["models"]] == [str(path) for path in two_models]
    assert [model["bytes"] for model in found["models"]] == [path.stat().st_size for path in two_models]
    first, second = (model["providers"][CPU] for model in found["models"])
    assert [list(model["providers"]) for model in found["models"]] == [[CPU], [CPU]]
    for figures in (first, second):
        assert len(figures["runs_ms"]) == 3
        assert figures["avg_ms"] == pytest.approx(sum(figures["runs_ms"]) / 3)
        assert figures["p50_ms"] == sorted(figures["runs_ms"])[1]
        assert figures["p50_ms"] <= figures["p95_ms"] <= max(figures["runs_ms"])
        assert figures["qps"] == pytest.approx(1000 / figures["avg_ms"])
        assert figures["rtf"] == pytest.approx(figures["avg_ms"] / 1000 / figures["audio_seconds"])
        assert figures["load_ms"] > 0
        assert figures["memory_before_bytes"] <= figures["peak_memory_bytes"]
        assert figures["placements"][CPU]["partitions"] == 1
    assert set(first["change"].values()) == {0.0}
    assert second["change"]["avg_ms"] == pytest.approx(second["avg_ms"] / first["avg_ms"] - 1)


def test_the_table_and_the_bars(kokoro_tui: Runner, two_models: tuple[Path, Path]) -> None:
    outcome = kokoro_tui("bench", *two_models, "--runs", "2", "--providers", "cpu", *SPEECH, "--output", "b.json")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    rows = {line.split("│")[1].strip(): [c.strip() for c in line.split("│")[2:4]] for line in lines if "│" in line}
    names = ("Size (MiB)", "Average (ms)", "P50 (ms)", "P95 (ms)", "Runs/s (QPS)", "RTF",
             "Load (ms)", "Memory (MiB)", "CPU nodes", "CPU partitions")  # fmt: skip
    assert tuple(rows) == names
    assert rows["CPU partitions"] == ["1", "1"]
    assert all("%" not in first and second.endswith("%)") for first, second in list(rows.values())[:8])
    assert f"onnxruntime {onnxruntime.__version__}" in lines[0]
    assert lines[1].startswith("2 runs by turns, default threads, ")
    (chart,) = (number for number, line in enumerate(lines) if line.startswith("P50 (ms) on "))
    assert [line.split()[0] for line in lines[chart + 1 : chart + 3]] == ["toy", "other"]
    assert max(line.count("█") for line in lines[chart + 1 : chart + 3]) == 36
    assert lines[-1] == "Written: b.json"
    assert "\x1b" not in outcome.out


def test_the_table_for_a_document(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    left_by_it = tmp_path / f".{FILE}.partial-{gone.stdout.strip()}"
    left_by_it.touch()
    outcome = kokoro_tui("bench", "--onnx-model", toy_model, "--runs", "1", "--markdown", *SPEECH)
    assert not left_by_it.exists()
    table = [line for line in outcome.out.splitlines() if line.startswith("|")]
    assert table[0].split("|")[1].strip() == CPU
    assert table[1].startswith("|---")
    assert len(table) == 12
    assert "█" not in outcome.out


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("toy.onnx", "./toy.onnx"), "toy.onnx was named twice", "name each model once"),
        (("toy.onnx", "--providers", "Cuda"), "this onnxruntime has no provider 'Cuda'", f"choose from {CPU}"),
        (("toy.onnx", "--providers", "AzureExecutionProvider"), "no provider 'AzureExecutionProvider'", CPU),
        (("toy.onnx", "--output", "no/such/b.json"), "no/such/b.json cannot be written", "folder"),
        (("toy.onnx", "--runs", "0"), "'--runs'", "bench --help"),
    ],
)
def test_wrong_usage(
    kokoro_tui: Runner, toy_model: Path, tmp_path: Path, words: tuple[str, ...], message: str, hint: str
) -> None:
    outcome = kokoro_tui("bench", *words, *SPEECH)
    error, advice = outcome.error_and_hint
    assert outcome.code == 2
    assert message in error
    assert hint in advice
    assert [path.name for path in tmp_path.iterdir()] == [toy_model.name]


def test_an_interrupt_ends_the_processes_and_leaves_no_file(toy_model: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kokoro_tui", "bench", str(toy_model), "--runs", "1000000", *SPEECH]
    process = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, env=dict(os.environ), start_new_session=True
    )
    try:
        while not list(tmp_path.glob(f".{FILE}.partial-*")):
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()  # it would run for days, and its children with it
    assert process.returncode == 130
    assert errors == "error: stopped\nhint: run it again to start over\n"
    assert [path.name for path in tmp_path.iterdir()] == [toy_model.name]
