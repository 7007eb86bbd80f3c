"""What the export command asks of the exporter, and what it tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kokoro_tui.cli import export
from kokoro_tui.reference.export import ExportReport
from kokoro_tui.reference.weights import WeightsSource
from tests.cli.conftest import Runner

SOURCE = WeightsSource("bundled", "a" * 64, "the hub cannot be reached: using the bundled weights")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """How the exporter was called; it answers without exporting."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def answer(_out: object, _task: object, *words: Any, **options: Any) -> ExportReport:
        calls.append((words, options))
        distance = 0.0123 if options["score_difference"] else None
        return ExportReport(words[0], 325_434_169, 2280, SOURCE, distance)

    monkeypatch.setattr(export, "run_job", answer)
    return calls


def test_defaults_and_json(kokoro_tui: Runner, asked: list[Any]) -> None:
    outcome = kokoro_tui("export", "--json")
    assert outcome.json == {
        "output_path": "kokoro.onnx", "bytes": 325_434_169, "nodes": 2280, "weights": "bundled",
        "weights_sha256": "a" * 64, "mel_distance": 0.0123,
    }  # fmt: skip
    assert outcome.err == f"note: {SOURCE.note}\n"
    switches = ("remove_weight_norm", "quant_preprocess", "score_difference", "export_duration")
    assert asked == [((Path("kokoro.onnx"), "auto"), {**dict.fromkeys(switches, True), "writes_into": Path()})]


def test_every_switch_can_be_turned_off(kokoro_tui: Runner, asked: list[Any]) -> None:
    switches = ("remove-weight-norm", "quant-preprocess", "score-difference", "export-duration")
    words = ("--output-path", "x/k.onnx", "--weights", "w.pth", *(f"--no-{switch}" for switch in switches))
    outcome = kokoro_tui("export", *words)
    off = {switch.replace("-", "_"): False for switch in switches}
    assert asked == [((Path("x/k.onnx"), "w.pth"), {**off, "writes_into": Path("x")})]
    assert "310.36 MiB in 2,280 nodes" in outcome.out
    assert "Mel distance" not in outcome.out
