"""Trials from the command line, on the miniature Kokoro."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kokoro_tui.store.trial_table import read_trials
from tests.cli.conftest import Runner
from tests.python_versions import needs_kokoro

SPEECH = ("--phonemes", "həlˈoʊ", "--eval-voice", "jf_alpha", "--workers", "1")


def test_a_run_gives_the_table_and_its_figures(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    words = ("trial-quantization", toy_model, *SPEECH, "--only", "Gemm|conv_post", "--json")
    found = kokoro_tui(*words).json
    assert found["output_path"] == "quantization-trials.csv"
    assert (found["trials_run"], found["trials_skipped"], found["trials_failed"]) == (6, 0, 0)
    assert found["noise_floor"] == 0.0
    assert found["pinned"] is True
    assert isinstance(found["seconds"], float)
    assert len(read_trials(tmp_path / "quantization-trials.csv").table.rows) == 6
    again = kokoro_tui(*words).json
    assert (again["trials_run"], again["trials_known"]) == (0, 6)


@needs_kokoro
def test_static_trials_are_calibrated_on_request(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    data = tmp_path / "calibration.csv"
    data.write_text("Voice,Text\njf_alpha,Hello there.\n", encoding="utf-8")
    words = ("trial-quantization", toy_model, *SPEECH, "--only", "Gemm", "--kinds", "static")
    found = kokoro_tui(*words, "--calibration-data", data, "--output-path", "t.csv")
    assert found.code == 0
    assert "Worst of the table" in found.out
    rows = read_trials(tmp_path / "t.csv").table.rows
    assert [(name, kind.value) for name, kind in rows] == [("/encoder/style/Gemm", "static")]


@needs_kokoro
def test_an_evaluation_set_gives_means_and_worst(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    (tmp_path / "set.txt").write_text("Hello there.\nShe sells shells.\n", encoding="utf-8")
    words = ("trial-quantization", toy_model, "--eval-set", "set.txt", "--only", "Gemm", "--kinds", "quant")
    assert kokoro_tui(*words, "--workers", "1", "--output-path", "t.csv").code == 0
    (row,) = read_trials(tmp_path / "t.csv").table.rows.values()
    assert row.mel_distance is not None
    assert row.mel_distance_worst is not None
    assert row.mel_distance_worst > row.mel_distance


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "no such node"), "nothing to try"),
        (("--only", "("), "invalid regular expression"),
        (("--kinds", "magic"), "unknown kind"),
        (("--eval-set", "missing.txt"), "missing.txt"),
        (("--scheduler", "tcp://127.0.0.1:1"), "no Dask scheduler"),
    ],
)
def test_bad_input_is_one_error_and_one_hint(
    kokoro_tui: Runner, toy_model: Path, words: tuple[str, ...], message: str
) -> None:
    found = kokoro_tui("trial-quantization", toy_model, *words)
    assert found.code == 2
    error, hint = found.error_and_hint
    assert message in error
    assert hint


def test_a_table_of_another_sentence_is_not_continued(kokoro_tui: Runner, toy_model: Path) -> None:
    words = ("trial-quantization", toy_model, "--only", "Gemm", "--kinds", "cast", "--workers", "1")
    assert kokoro_tui(*words, "--phonemes", "həlˈoʊ").code == 0
    found = kokoro_tui(*words, "--phonemes", "wˈɜːld")
    assert found.code == 2
    assert "the text reads" in found.error_and_hint[0]
    assert "--fresh" in found.error_and_hint[1]
    assert kokoro_tui(*words, "--phonemes", "wˈɜːld", "--fresh").code == 0


def test_ctrl_c_leaves_a_valid_file_and_130(toy_model: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    command = [sys.executable, "-m", "kokoro_tui", "trial-quantization", str(toy_model), "--output-path", str(table)]
    process = subprocess.Popen([*command, *SPEECH], stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    while process.poll() is None and not (table.exists() and b",ok," in table.read_bytes()):
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode in (0, 130), errors  # 0 if the last trial was already done
    assert "Traceback" not in errors
    assert read_trials(table).torn_rows == 0
