"""Which command runs, and how errors and exit codes come out."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from kokoro_tui import __version__
from kokoro_tui.cli import count, main, start
from kokoro_tui.errors import Cancelled, WorkError
from tests.cli.conftest import Runner


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """All three streams are terminals, and the UI is a list of how it was called."""
    started: list[dict[str, Any]] = []
    ui = types.ModuleType("kokoro_tui.tui.app")
    ui.run = lambda **options: started.append(options)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "kokoro_tui.tui.app", ui)
    monkeypatch.setattr(start, "sys", streams())
    return started


def streams(**terminals: bool) -> types.SimpleNamespace:
    """Stands for ``sys``: three streams that are terminals unless said otherwise."""
    names = ("stdin", "stdout", "stderr")
    answers = {name: (lambda is_one: lambda: is_one)(terminals.get(name, True)) for name in names}
    return types.SimpleNamespace(**{n: types.SimpleNamespace(isatty=answer) for n, answer in answers.items()})


def test_version_and_help(kokoro_tui: Runner) -> None:
    assert kokoro_tui("--version").out == f"kokoro-tui {__version__}\n"
    outcome = kokoro_tui("--help")
    assert outcome.code == 0
    assert "kokoro-tui [MODEL.onnx] [--trials FILE.csv]" in outcome.out
    expected = {"count", "export", "estimate-size", "export-optimized", "verify", "lint", "recipe"}
    assert set(main.command_names()) >= expected


@pytest.mark.parametrize("words", [(name,) for name in main.command_names() if name != "recipe"] + [("recipe", "diff")])
def test_every_command_has_help_with_an_example(kokoro_tui: Runner, words: tuple[str, ...]) -> None:
    outcome = kokoro_tui(*words, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "Example" in outcome.out
    assert f"kokoro-tui {' '.join(words)} " in outcome.out
    for option in ("--json", "--quiet", "--debug"):
        assert option in outcome.out


def test_no_words_open_the_bundled_model(kokoro_tui: Runner, terminal: list[dict[str, Any]]) -> None:
    assert kokoro_tui().code == 0
    assert terminal == [{"model_path": None, "trials_path": None, "recipe_path": None, "text": None, "voice": None}]


def test_a_file_opens_in_the_ui_with_its_options(
    kokoro_tui: Runner, terminal: list[dict[str, Any]], tmp_path: Path
) -> None:
    (tmp_path / "m.onnx").touch()
    words = ("m.onnx", "--trials", "t.csv", "--recipe", "r.toml", "--text", "Hi", "--voice", "jf_alpha")
    assert kokoro_tui(*words).code == 0
    assert kokoro_tui("--debug", *words).code == 0
    expected = {
        "model_path": Path("m.onnx"), "trials_path": Path("t.csv"), "recipe_path": Path("r.toml"),
        "text": "Hi", "voice": "jf_alpha",
    }  # fmt: skip
    assert terminal == [expected, expected]


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr"])
def test_without_a_terminal_the_ui_does_not_start(
    kokoro_tui: Runner, terminal: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, stream: str
) -> None:
    monkeypatch.setattr(start, "sys", streams(**{stream: False}))
    outcome = kokoro_tui()
    error, hint = outcome.error_and_hint
    assert outcome.code == 2
    assert "needs a terminal" in error
    assert "`kokoro-tui export-optimized" in hint
    assert terminal == []


@pytest.mark.parametrize(("word", "nearest"), [("cuont", "count"), ("exprt", "export"), ("missing.onnx", "listen")])
def test_a_first_word_that_is_nothing_names_the_nearest_command(kokoro_tui: Runner, word: str, nearest: str) -> None:
    outcome = kokoro_tui(word)
    assert outcome.code == 2
    error, hint = outcome.error_and_hint
    assert error == f"{word!r} is neither a command nor a file"
    known = nearest if nearest in main.command_names() else ""
    assert f"the nearest command is `kokoro-tui {known}" in hint


def test_a_mistyped_model_names_the_nearest_file(kokoro_tui: Runner, toy_model: Path) -> None:
    _, hint = kokoro_tui("tyo.onnx").error_and_hint
    assert f", the nearest file {toy_model.name};" in hint


def test_a_group_without_a_command_is_wrong_usage(kokoro_tui: Runner) -> None:
    outcome = kokoro_tui("recipe")
    assert (outcome.code, outcome.error_and_hint) == (2, ("Missing command.", "see `kokoro-tui recipe --help`"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("count", "--nonsense"), "No such option: --nonsense"),
        (("count", "--max-rows", "0"), "'--max-rows'"),
        (("count", "--count-by", "colour"), "'colour' is not one of"),
        (("count", "a.onnx", "--onnx-path", "b.onnx"), "two models were named: a.onnx and b.onnx"),
        (("recipe", "--nonsense"), "No such option: --nonsense"),
        (("recipe", "diff", "a.toml"), "Missing argument 'B.toml'"),
        (("--nonsense",), "No such option: --nonsense"),
    ],
)
def test_wrong_usage_is_two_lines_and_exit_code_2(kokoro_tui: Runner, words: tuple[str, ...], message: str) -> None:
    outcome = kokoro_tui(*words, "--json")
    error, hint = outcome.error_and_hint
    assert message in error
    assert outcome.code == 2
    assert outcome.json == {"error": outcome.json["error"], "hint": hint, "exit_code": 2}
    assert message in outcome.json["error"]


def _import_that_was_interrupted() -> ImportError:
    """What a module in C makes of an interrupt while it is loaded."""
    error = ImportError("initialization failed")
    error.__cause__ = KeyboardInterrupt()
    return error


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (WorkError("the disk is full", "free some space"), 1, "the disk is full"),
        (KeyboardInterrupt(), 130, "stopped"),
        (Cancelled(), 130, "stopped"),
        (MemoryError(), 1, "there is not enough memory"),
        (_import_that_was_interrupted(), 130, "stopped"),
        (RuntimeError("boom\nsecond line"), 1, "unexpected RuntimeError: boom second line"),
    ],
)
def test_whatever_happens_comes_out_in_two_lines(
    kokoro_tui: Runner, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(count, "chosen_model", fail)
    outcome = kokoro_tui("count", "--json")
    assert outcome.code == code
    assert outcome.error_and_hint[0] == message
    assert outcome.json["exit_code"] == code
    assert "Traceback" in kokoro_tui("count", "--debug").err or code == 130


def test_a_reader_that_has_seen_enough_is_no_error(toy_model: Path) -> None:
    words = [sys.executable, "-m", "kokoro_tui", "count", str(toy_model), "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.parametrize(
    ("words", "position", "expected"),
    [
        ("kokoro-tui est", 1, "estimate-size"),
        ("kokoro-tui count --filter-o", 2, "--filter-op"),
        ("kokoro-tui count --count-by name", 3, "name+dtype"),
        ("kokoro-tui recipe d", 2, "diff"),
        ("kokoro-tui estimate-size --preset mat", 3, "matmul-int8"),
        ("kokoro-tui verify --voice jf_al", 3, "jf_alpha"),
        ("kokoro-tui bench --providers CPU", 3, "CPUExecutionProvider"),
    ],
)
def test_shell_completion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, position: int, expected: str
) -> None:
    monkeypatch.setenv("_KOKORO_TUI_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(position))
    with pytest.raises(SystemExit, match="0"):
        main.run([])
    assert expected in capsys.readouterr().out.split()
