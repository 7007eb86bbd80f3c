"""Comparing two models by their sound."""

from __future__ import annotations

from pathlib import Path

from onnx import TensorProto

from tests.cli.conftest import Runner
from tests.models import toy_kokoro, write

SPEECH = ("--phonemes", "ðə lˈaɪthaʊs kˈiːpɚ", "--voice", "jf_alpha")


def test_against_another_model(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    other = write(toy_kokoro(tokens="tokens", speed=TensorProto.INT32), tmp_path / "other.onnx")
    words = ("verify", "--onnx-model", toy_model, "--against", other, "--output-dir", "made/wavs", *SPEECH)
    found = kokoro_tui(*words, "--json").json
    assert found["reference"] == str(other)
    assert (found["mel_distance"], found["frames_moved"], found["added_noise_db"]) == (0.0, 0, 0.0)
    assert found["mel_distance_unpaired"] > 0.01
    assert found["files"] == ["made/wavs/reference_output.wav", "made/wavs/onnx_output.wav"]
    assert all((tmp_path / name).stat().st_size > 1000 for name in found["files"])
    assert found["provider"] == "CPUExecutionProvider"


def test_the_profile_names_the_costliest_operators(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    outcome = kokoro_tui("verify", toy_model, "--against", toy_model, "--profile", "--gpu", *SPEECH)
    assert outcome.code == 0
    for words in ("Mel distance:    0.0000", "unpaired:", "Frames moved:    0", "Costliest operators", "Conv"):
        assert words in outcome.out
    assert {"reference_output.wav", "onnx_output.wav", "onnx_profile.json"} <= {p.name for p in tmp_path.iterdir()}


def test_a_model_that_does_not_name_its_weights_is_refused(kokoro_tui: Runner, toy_model: Path) -> None:
    outcome = kokoro_tui("verify", toy_model, *SPEECH)
    assert outcome.code == 2
    error, hint = outcome.error_and_hint
    assert error.endswith("does not say which weights it was made of")
    assert "--against OTHER.onnx" in hint
