"""The count table in its three forms."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from tests.cli.conftest import Runner
from tests.models import write


def test_sizes_by_operator_and_type(kokoro_tui: Runner, toy_model: Path) -> None:
    found = kokoro_tui("count", toy_model, "--size", "--count-by", "op+dtype", "--json").json
    assert set(found) == {"file_bytes", "nodes", "total_bytes", "total_parameters", "groups"}
    assert found["file_bytes"] == toy_model.stat().st_size
    groups = {group.pop("group"): group for group in found["groups"]}
    assert groups["MatMul (FP32)"] == {"count": 3, "bytes": 4 * (32 * 32 + 32), "parameters": 32 * 32 + 32}
    assert groups["LSTM (FP32)"]["parameters"] == 2 * 64 * 32 + 2 * 64 * 16 + 2 * 128
    assert sum(group["bytes"] for group in groups.values()) == pytest.approx(found["total_bytes"])
    model = onnx.load(str(toy_model))
    weights = sum(onnx.numpy_helper.to_array(t).size for t in model.graph.initializer)
    assert found["total_parameters"] == weights


def cells(line: str, bar: str) -> list[str]:
    return [cell.strip() for cell in line.strip(f"{bar} ").split(bar)]


def test_the_table_of_the_source_document(kokoro_tui: Runner, toy_model: Path) -> None:
    outcome = kokoro_tui("count", "--size", "--count-by", "op+dtype", "--onnx-path", toy_model, "--max-rows", "3")
    lines = outcome.out.splitlines()
    assert outcome.code == 0
    assert lines[0] == f"Size of the file: {toy_model.stat().st_size / 1024:,.2f} KB"
    assert cells(lines[3], "┃") == ["Group", "Size (KB)", "Percentage", "Parameters"]
    rows = [cells(line, "│") for line in lines if line.startswith("│")]
    assert len(rows) == 5
    assert rows[3][0].startswith("… and ")
    assert rows[3][0].endswith(" more rows")
    assert rows[4][0] == "Total"
    assert rows[4][2] == "100%"
    sizes = [float(row[1].replace(",", "")) for row in rows]
    assert sum(sizes[:4]) == pytest.approx(sizes[4], abs=0.03)


def test_both_spellings_and_the_plain_argument_are_the_same(kokoro_tui: Runner, toy_model: Path) -> None:
    spellings = ((toy_model,), ("--onnx-path", toy_model), ("--onnx-model", toy_model))
    outcomes = [kokoro_tui("count", *words) for words in spellings]
    assert len({outcome.out for outcome in outcomes}) == 1
    assert {outcome.code for outcome in outcomes} == {0}


def test_nodes_as_markdown(kokoro_tui: Runner, toy_model: Path) -> None:
    lines = kokoro_tui("count", toy_model, "--markdown", "--filter-op", "matmul").out.splitlines()
    assert lines == [
        "| Group  | Count | Percentage |",
        "|--------|------:|-----------:|",
        "| MatMul |     3 |     100.0% |",
        "| Total  |     3 |       100% |",
    ]


def test_json_is_complete_unless_rows_are_asked_for(kokoro_tui: Runner, toy_model: Path) -> None:
    words = ("count", toy_model, "--count-by", "individual", "--json")
    complete = kokoro_tui(*words).json
    in_bodies = 2
    assert len(complete["groups"]) == complete["nodes"] == len(onnx.load(str(toy_model)).graph.node) + in_bodies
    cut = kokoro_tui(*words, "--max-rows", "2").json
    assert len(cut["groups"]) == 2
    assert cut["nodes"] == complete["nodes"]


def test_hostile_names_are_shown_escaped(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(toy_model))
    model.graph.node[0].name = "/[/bold]\x1b[31m\u202eevil"
    hostile = write(model, tmp_path / "hostile.onnx")
    shown = kokoro_tui("count", hostile, "--count-by", "individual").out
    assert "/[/bold]\\x1b[31m\\u202eevil (Gather)" in shown
    assert "\x1b" not in shown


def test_counting_loads_nothing_heavy(toy_model: Path) -> None:
    code = (
        "import sys, json\n"
        "from kokoro_tui.cli.main import run\n"
        f"code = run(['count', {str(toy_model)!r}, '--size', '--json'])\n"
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, modules = json.loads(done.stderr)
    assert exit_code == 0
    assert "onnx" in modules
    heavy = {"torch", "kokoro", "textual", "sounddevice", "soundfile", "pandas", "onnx_ir", "onnxruntime", "misaki"}
    assert heavy.isdisjoint(modules)


def test_the_command_line_itself_loads_neither_onnx_nor_rich() -> None:
    code = "import sys; import kokoro_tui.cli.main; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"numpy", "onnx", "rich", "textual", "onnxruntime", "torch"}.isdisjoint(modules)
