"""Sizes before anything is built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.store.trial_meta import write_meta
from kokoro_tui.store.trial_table import append_rows
from tests.cli.conftest import Runner
from tests.store.test_trial_meta import META


def write_trials(table: Path, inventory: Inventory, cast: float = 0.1, quant: float = 0.1) -> None:
    """A table in which every candidate has the same two distances."""
    for node in inventory.candidates:
        rows = [
            TrialRow(node.key, TrialKind.CAST, mel_distance=cast),
            TrialRow(node.key, TrialKind.QUANT, mel_distance=quant),
        ]
        append_rows(table, rows)


def test_a_preset_needs_no_trials(kokoro_tui: Runner, toy_model: Path) -> None:
    found = kokoro_tui("estimate-size", toy_model, "--preset", "fp16", "--json").json
    candidates = len(read_inventory(toy_model).candidates)
    assert found["original_bytes"] == toy_model.stat().st_size
    assert found["estimated_bytes"] < 0.6 * found["original_bytes"]
    assert found["nodes"] == {"fp32": 0, "fp16": candidates, "int8": 0, "w8": 0}
    assert found["reduction"] == pytest.approx(1 - found["estimated_bytes"] / found["original_bytes"])
    assert len(found["largest_tensors"]) == 10
    assert set(found["largest_tensors"][0]) == {"name", "dtype", "bytes"}


def test_the_report_for_people(kokoro_tui: Runner, toy_model: Path) -> None:
    outcome = kokoro_tui("estimate-size", "--onnx-model", toy_model, "--preset", "w8")
    assert outcome.code == 0
    for words in ("Original size:", "Estimated size:", "Size reduction:", "Largest remaining tensors", "│ W8 "):
        assert words in outcome.out


def test_the_thresholds_work_on_the_table_in_the_folder(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    inventory = read_inventory(toy_model)
    write_trials(tmp_path / "quantization-trials.csv", inventory)
    candidates = len(inventory.candidates)
    both = kokoro_tui("estimate-size", toy_model, "--json").json
    assert both["nodes"]["int8"] == 6
    assert both["nodes"]["fp32"] + both["nodes"]["fp16"] == candidates - 6
    assert both["predicted_mel_distance"] > 0.1
    cast = kokoro_tui("estimate-size", toy_model, "--quant-threshold=-1", "--json").json
    assert cast["nodes"] == {"fp32": 0, "fp16": candidates, "int8": 0, "w8": 0}
    strict = kokoro_tui("estimate-size", toy_model, "--quant-threshold=0.1", "--fp16-threshold=0.1", "--json").json
    assert strict["nodes"]["fp32"] == candidates
    assert strict["estimated_bytes"] == strict["original_bytes"]


def test_options_narrow_the_plan(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    table = tmp_path / "named.csv"
    write_trials(table, read_inventory(toy_model))
    words = ("estimate-size", toy_model, "--trial-results", table, "--fp16-threshold=0", "--json")
    assert kokoro_tui(*words).json["nodes"]["int8"] == 6
    assert kokoro_tui(*words, "--quant-exclude", "bert|lstm").json["nodes"]["int8"] == 3
    assert kokoro_tui(*words, "--quant-op-types", "Conv,MatMul").json["nodes"]["int8"] == 4
    assert kokoro_tui(*words, "--lock", "Conv", "--lock", "bert").json["nodes"]["int8"] == 2
    rows = [TrialRow(node.key, TrialKind.WEIGHT, mel_distance=0.1) for node in read_inventory(toy_model).candidates]
    append_rows(table, rows)
    only_weights = kokoro_tui(*words, "--weight-only").json["nodes"]
    assert only_weights["int8"] == 0
    assert only_weights["w8"] == 7


def test_a_table_of_another_model_is_refused(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    table = tmp_path / "quantization-trials.csv"
    write_trials(table, read_inventory(toy_model))
    write_meta(table, replace(META, model_sha256="b" * 64))
    outcome = kokoro_tui("estimate-size", toy_model)
    assert outcome.code == 2
    assert "is of another model" in outcome.error_and_hint[0]
    assert kokoro_tui("estimate-size", toy_model, "--preset", "w8").code == 0


def test_a_table_without_a_row_for_the_model_is_noted(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    append_rows(tmp_path / "t.csv", [TrialRow("/elsewhere/Conv", TrialKind.QUANT, mel_distance=0.1)])
    outcome = kokoro_tui("estimate-size", toy_model, "--trial-results", "t.csv", "--json")
    assert "note: t.csv has no row for any node of this model" in outcome.err
    assert "no trial yet" not in outcome.err
    assert outcome.json["estimated_bytes"] == outcome.json["original_bytes"]


def test_candidates_without_a_row_are_noted(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    first, *_ = candidates = read_inventory(toy_model).candidates
    append_rows(tmp_path / "t.csv", [TrialRow(first.key, TrialKind.QUANT, mel_distance=0.1)])
    words = ("estimate-size", toy_model, "--trial-results", "t.csv")
    assert (
        f"note: {len(candidates) - 1} of {len(candidates)} candidates have no trial yet, so the thresholds leave them "
        "at FP32"
    ) in kokoro_tui(*words).err
    switched_off = kokoro_tui(*words, "--quant-threshold", "0", "--fp16-threshold", "0")
    assert "no trial yet" not in switched_off.err
