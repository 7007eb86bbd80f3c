"""Building from the command line, on the miniature Kokoro."""

from __future__ import annotations

import tomllib
from pathlib import Path

import onnx
import pytest

from kokoro_tui.graph.read_inventory import read_inventory
from tests.cli.conftest import Runner
from tests.cli.test_estimate_size import write_trials
from tests.models import write
from tests.python_versions import needs_kokoro

SPEECH = ("--phonemes", "həlˈoʊ wˈɜːld", "--eval-voice", "jf_alpha")


def test_build_measure_and_save_the_recipe(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    words = ("export-optimized", "--onnx-path", toy_model, *SPEECH, "--json")
    found = kokoro_tui(*words, "--preset", "q8f16", "--save-recipe", "r.toml", "--output-path", "small.onnx").json
    assert (tmp_path / "small.onnx").stat().st_size == found["final_bytes"] == found["estimated_bytes"]
    assert found["output_path"] == "small.onnx"
    assert found["original_bytes"] == toy_model.stat().st_size
    assert found["nodes"]["int8"] == 5
    assert found["added_ops"]["ConvInteger"] == 1
    assert found["removed_ops"] == {"Conv": 1, "Gemm": 1, "LSTM": 1, "MatMul": 2}
    assert found["mel_distance"] > 0
    assert found["added_noise_db"] >= 0
    assert found["frames_moved"] >= 0
    assert (found["voice"], found["voice_requested"], found["paired"]) == ("jf_alpha", "jf_alpha", True)
    assert (tmp_path / found["wav_path"]).name == "small.wav"
    assert (tmp_path / "small.wav").stat().st_size > 10_000

    saved = tomllib.loads((tmp_path / "r.toml").read_text())
    assert saved["result"]["bytes"] == found["final_bytes"]
    assert saved["result"]["mel_distance"] == pytest.approx(found["mel_distance"])
    again = kokoro_tui(*words, "--recipe", "r.toml", "--no-verify", "--output-path", "again.onnx").json
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "small.onnx").read_bytes()
    assert (again["mel_distance"], again["wav_path"], again["voice"]) == (None, None, None)


def test_the_report_of_the_source_document(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    write_trials(tmp_path / "quantization_trials.csv", read_inventory(toy_model))
    outcome = kokoro_tui(
        "export-optimized", toy_model, "--quant-threshold=2", "--quant-exclude",
        "(^/decoder/generator/conv_post/Conv)", "--quant-type", "QInt8", "--samples", "2", *SPEECH,
    )  # fmt: skip
    assert outcome.code == 0
    lines = [" ".join(line.split()) for line in outcome.out.splitlines()]
    for expected in (
        "FP16 nodes: 2", "Quantized nodes: 5", "Added operations", "ConvInteger: 1 nodes", "Removed operations",
        "Total nodes", "Final size:", "Size reduction:", "Mel distance:", "Frames moved:", "Added noise:",
        "Audio: kokoro_optimized.wav",
    ):  # fmt: skip
        assert any(line.startswith(expected) for line in lines), expected
    assert (tmp_path / "kokoro_optimized.onnx").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


@needs_kokoro
def test_static_int8_calibrates_and_its_recipe_replays_without_the_data(
    kokoro_tui: Runner, toy_model: Path, tmp_path: Path
) -> None:
    data = tmp_path / "calibration.csv"
    data.write_text('Voice,Text\njf_alpha,"One, two."\n,Never read.\n')
    words = ("export-optimized", toy_model, "--json", "--no-verify")
    static = ("--quant-static", "--samples", "1", "--calibration-data", data, "--save-recipe", "r.toml")
    found = kokoro_tui(*words, "--preset", "quantized", *static, "--output-path", "s.onnx").json
    assert found["final_bytes"] == found["estimated_bytes"] == (tmp_path / "s.onnx").stat().st_size
    assert found["added_ops"]["QGemm"] == 1
    assert "LSTM" not in found["removed_ops"]
    data.unlink()
    again = kokoro_tui(*words, "--recipe", "r.toml", "--output-path", "again.onnx").json
    assert again["final_bytes"] == found["final_bytes"]
    assert (tmp_path / "again.onnx").read_bytes() == (tmp_path / "s.onnx").read_bytes()
    kokoro_tui(*words, "--recipe", "r.toml", "--samples", "2", "--output-path", "other.onnx")
    assert (tmp_path / "other.onnx").read_bytes() != (tmp_path / "s.onnx").read_bytes()
    missing = kokoro_tui(*words, "--preset", "uint8", "--calibration-data", data)
    assert missing.code == 2
    assert "calibration.csv" in missing.error_and_hint[0]


def test_static_goes_by_quant_rows_with_a_note_where_there_are_no_static_ones(
    kokoro_tui: Runner, toy_model: Path, tmp_path: Path
) -> None:
    write_trials(tmp_path / "quantization-trials.csv", read_inventory(toy_model))
    words = ("export-optimized", toy_model, "--quant-static", "--samples", "1", "--quant-threshold=2", "--no-verify")
    outcome = kokoro_tui(*words)
    assert outcome.code == 0
    assert "the table has no static rows" in outcome.err
    assert "QLinearConv: 2 nodes" in " ".join(outcome.out.split())


def test_a_model_without_kokoros_inputs_gets_no_audio_step(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(toy_model))
    for value in model.graph.input:
        value.name = f"my_{value.name}"
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            if name in ("input_ids", "style", "speed"):
                node.input[index] = f"my_{name}"
    other = write(model, tmp_path / "other.onnx")
    outcome = kokoro_tui("export-optimized", other, "--preset", "w8")
    assert outcome.code == 0
    assert "other.onnx does not have Kokoro's inputs, so nothing is rendered" in outcome.err
    assert "Mel distance" not in outcome.out
    assert (tmp_path / "kokoro_optimized.onnx").exists()
    assert not (tmp_path / "kokoro_optimized.wav").exists()


def test_a_published_voice_that_is_not_here_is_replaced_with_a_note(kokoro_tui: Runner, toy_model: Path) -> None:
    words = ("export-optimized", toy_model, "--preset", "fp16", "--phonemes", "a", "--voice", "af_heart", "--json")
    outcome = kokoro_tui(*words)
    assert (outcome.json["voice"], outcome.json["voice_requested"]) == ("jf_alpha", "af_heart")
    assert "note: voice af_heart is not on this machine" in outcome.err


def test_the_model_itself_is_never_the_target(kokoro_tui: Runner, toy_model: Path) -> None:
    before = toy_model.read_bytes()
    outcome = kokoro_tui("export-optimized", toy_model, "--preset", "fp16", "--output-path", toy_model)
    assert outcome.code == 2
    assert "is the model itself" in outcome.error_and_hint[0]
    assert toy_model.read_bytes() == before


def test_a_plan_that_changes_nothing_is_refused(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    outcome = kokoro_tui("export-optimized", toy_model, "--preset", "fp16", "--lock", ".")
    assert outcome.code == 2
    assert outcome.error_and_hint[0] == "the plan changes no node"
    assert not (tmp_path / "kokoro_optimized.onnx").exists()
