"""The page for a colleague, from the command line."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kokoro_tui.cli import report as command
from kokoro_tui.report import page
from tests.browser import chromium, visit, wait_for_sound
from tests.cli.conftest import Runner
from tests.models import toy_kokoro, write
from tests.python_versions import needs_kokoro

WORDS = ("--phonemes", "ðə lˈaɪthaʊs kˈiːpɚ", "--voice", "jf_alpha")


def html_of(found: dict[str, Any]) -> str:
    return Path(found["output_path"]).read_text(encoding="utf-8")


def test_presets_recipes_and_files_stand_side_by_side(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('version = 1\n[[rules]]\nmatch = "Conv"\nprecision = "fp16"\n')
    other = write(toy_kokoro(tokens="tokens"), tmp_path / "other.onnx")
    words = ("report", toy_model, other, "--preset", "w8", "--recipe", "mine.toml", *WORDS, "--output", "made/page")
    found = kokoro_tui(*words, "--json").json
    assert found["output_path"] == "made/page/report.html"
    assert found["files"] == ["made/page/report.html"]
    assert [(model["name"], model["origin"]) for model in found["models"]] == [
        ("w8", "preset w8"), ("mine", "mine.toml"), ("other", "other.onnx"),
    ]  # fmt: skip
    w8, mine, file = found["models"]
    assert w8["bytes"] < mine["bytes"] < found["original"]["bytes"]
    assert (file["mel_distance"], file["frames_moved"], file["nodes"]) == (0.0, 0, None)
    assert w8["mel_distance"] > 0
    assert w8["nodes"]["w8"] > 0
    assert mine["nodes"]["fp16"] > 0
    assert {model["paired"] for model in found["models"]} == {True}
    assert found["sentences"] == [{"text": "", "phonemes": WORDS[1], "voice": "jf_alpha"}]
    assert [path.name for path in (tmp_path / "made/page").iterdir()] == ["report.html"]
    html = html_of(found)
    assert html.startswith("<!doctype html>")
    assert "w8, mine and other against toy.onnx" in html
    assert str(tmp_path) not in html


@needs_kokoro
def test_every_text_is_said_by_every_voice(kokoro_tui: Runner, toy_model: Path) -> None:
    words = ("report", toy_model, "--preset", "w8", "--text", "One.", "--text", "Two.")
    outcome = kokoro_tui(*words, "--voice", "jf_alpha", "--voice", "jm_kumo", "--json")
    assert [(s["text"], s["voice"]) for s in outcome.json["sentences"]] == [
        ("One.", "jf_alpha"), ("One.", "jm_kumo"), ("Two.", "jf_alpha"), ("Two.", "jm_kumo"),
    ]  # fmt: skip


def test_what_the_page_says_rebuilds_the_same_bytes(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    from base64 import b64decode

    found = kokoro_tui("report", toy_model, "--preset", "q8f16", *WORDS, "--json").json
    html = html_of(found)
    link = re.search(r'download="(.*?)" href="data:application/toml;base64,(.*?)"', html)
    line = re.search(r"<code>(kokoro-tui export-optimized .*?)</code>", html)
    assert link is not None
    assert line is not None
    (tmp_path / link[1]).write_bytes(b64decode(link[2]))
    built = kokoro_tui(*shlex.split(line[1])[1:], "--no-verify", "--json").json
    assert built["final_bytes"] == found["models"][0]["bytes"]
    import hashlib

    content = Path(built["output_path"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == found["models"][0]["sha256"]


def test_without_json_it_says_the_figures_and_where_the_page_is(kokoro_tui: Runner, toy_model: Path) -> None:
    outcome = kokoro_tui("report", "--onnx-model", toy_model, "--preset", "w8", "--preset", "w8", *WORDS)
    assert outcome.code == 0
    assert "w8 (2)" in outcome.out
    assert "Written: report/report.html  (" in outcome.out


def test_with_the_model_as_an_option_all_arguments_are_candidates(kokoro_tui: Runner, toy_model: Path) -> None:
    words = ("report", toy_model.name, "--onnx-path", toy_model.name, *WORDS)
    assert "no candidate" in kokoro_tui(*words).error_and_hint[0]
    found = kokoro_tui(*words, "--preset", "w8", toy_model.name, "--json").json
    assert [model["name"] for model in found["models"]] == ["w8", "toy"]


def test_a_voice_that_is_not_here_is_noted_on_the_page(kokoro_tui: Runner, toy_model: Path) -> None:
    words = ("report", toy_model, "--preset", "w8", "--phonemes", WORDS[1], "--voice", "af_bella", "--json")
    outcome = kokoro_tui(*words)
    assert "af_bella is not on this machine" in outcome.err
    assert "af_bella is not on this machine" in html_of(outcome.json)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "there is no candidate to compare with the original"),
        (("missing.onnx",), "there is no file missing.onnx"),
        (("--preset", "w9"), "there is no preset 'w9'"),
        (("--recipe", "missing.toml"), "there is no file missing.toml"),
        (("--recipe", "empty.toml"), "empty.toml changes no node"),
        (("--preset", "w8", "--voice", "nobody"), "there is no voice 'nobody'"),
        (("--preset", "w8", "--text", ""), "there is nothing to say"),
        (("--preset", "w8", "--output", "toy.onnx"), "the folder toy.onnx cannot be created"),
        (("--preset", "w8") * 10, "10 candidates were named"),
        (("text.onnx",), "text.onnx is not an ONNX model"),
        (("--preset", "w8", "--trial-results", "missing.csv"), "there is no file missing.csv"),
    ],
)
def test_wrong_input(kokoro_tui: Runner, toy_model: Path, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    (tmp_path / "empty.toml").write_text("version = 1\n")
    (tmp_path / "text.onnx").write_text("This is no model.\n")
    outcome = kokoro_tui("report", toy_model.name, *words, "--json")
    assert outcome.code == 2
    assert message in outcome.error_and_hint[0]
    assert outcome.json["hint"]
    assert not (tmp_path / "report" / "report.html").exists()


def test_a_page_that_fails_leaves_the_old_one(
    kokoro_tui: Runner, toy_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "report").mkdir()
    old = tmp_path / "report" / "report.html"
    old.write_text("the old page")

    def fail(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(page, "report_page", fail)
    outcome = kokoro_tui("report", toy_model, "--preset", "w8", *WORDS)
    assert outcome.code == 130
    assert old.read_text() == "the old page"
    assert [path.name for path in old.parent.iterdir()] == ["report.html"]


def test_a_killed_report_leaves_no_page_and_the_next_one_tidies_up(
    kokoro_tui: Runner, toy_model: Path, tmp_path: Path
) -> None:
    words = ["report", str(toy_model), "--preset", "w8", "--preset", "fp16", *WORDS]
    process = subprocess.Popen([sys.executable, "-m", "kokoro_tui", *words], cwd=tmp_path, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "report").glob(".report.html.partial-*")):
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    left = [path.name for path in (tmp_path / "report").iterdir()]
    assert [re.sub(r"\d+$", "N", name) for name in left] == [".report.html.partial-N"]
    assert kokoro_tui("report", toy_model, "--preset", "w8", *WORDS).code == 0
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["report.html"]


def test_a_page_too_large_to_mail_is_noted(
    kokoro_tui: Runner, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MAIL_BYTES", 1000)
    outcome = kokoro_tui("report", toy_model, "--preset", "w8", *WORDS)
    assert "with fewer sentences, voices or candidates it is smaller" in outcome.err


@needs_kokoro
@pytest.mark.real
def test_the_real_model_gives_a_page_that_plays(kokoro_tui: Runner, real_model: Path) -> None:
    words = ("report", real_model, "--preset", "w8", "--text", "Six ships.", "--voice", "jf_alpha", "--json")
    found = kokoro_tui(*words).json
    (model,) = found["models"]
    assert model["bytes"] / 2**20 == pytest.approx(79.06, abs=0.1)
    assert 0.05 < model["mel_distance"] < 0.8
    with chromium() as browser, visit(browser, Path(found["output_path"]).absolute().as_uri()) as opened:
        lengths = wait_for_sound(opened.page)
        assert len(lengths) >= 3
        for length, meant in lengths:
            assert length == pytest.approx(meant, abs=1e-3)
            assert length > 0.8
        assert opened.problems == []
        assert len(opened.requests) == 1
