"""Two recipes side by side."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Runner

BEFORE = 'version = 1\n[[rules]]\nmatch = "bert.*MatMul"\nprecision = "fp16"\n'
AFTER = BEFORE.replace("fp16", "int8") + '[[rules]]\nmatch = "encode/Conv"\nprecision = "w8"\n'


def test_changed_nodes_and_bytes(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(BEFORE)
    (tmp_path / "b.toml").write_text(AFTER)
    words = ("recipe", "diff", "a.toml", "b.toml", "--onnx-path", toy_model)
    found = kokoro_tui(*words, "--json").json
    assert found["changed"] == [
        {"node": "/encoder/bert/layer/query/MatMul", "before": "fp16", "after": "int8"},
        {"node": "/encoder/bert/layer/query_1/MatMul", "before": "fp16", "after": "int8"},
        {"node": "/decoder/encode/Conv", "before": "fp32", "after": "w8"},
    ]
    assert found["bytes"] == found["bytes_after"] - found["bytes_before"] < 0
    assert found["weight_type"] == {"before": "QInt8", "after": "QInt8"}
    shown = kokoro_tui(*words).out
    assert "/decoder/encode/Conv" in shown
    assert f"({found['bytes']:+,} bytes)" in shown


def test_equal_recipes(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(BEFORE)
    (tmp_path / "b.toml").write_text(BEFORE.replace("[[rules]]", '[quantization]\ntype = "QUInt8"\n[[rules]]'))
    (tmp_path / "kokoro.onnx").write_bytes(toy_model.read_bytes())
    shown = kokoro_tui("recipe", "diff", "a.toml", "b.toml").out
    assert "Both recipes give every node the same precision." in shown
    assert "Type of INT8 weights: QInt8, then QUInt8" in shown


def test_the_model_that_a_recipe_names_is_found_beside_it(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    words = ("export-optimized", toy_model, "--preset", "fp16", "--no-verify", "--save-recipe", "s.toml")
    assert kokoro_tui(*words).code == 0
    assert kokoro_tui("recipe", "diff", "s.toml", "s.toml", "--json").json["changed"] == []


def test_without_a_model_there_is_nothing_to_compare_on(kokoro_tui: Runner, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(BEFORE)
    outcome = kokoro_tui("recipe", "diff", "a.toml", "a.toml")
    assert outcome.code == 2
    assert outcome.error_and_hint[1] == "name it with --onnx-model FILE"
