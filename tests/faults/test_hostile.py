"""Names that were chosen to harm come out escaped wherever they are shown, and nothing that is read is ever run."""

from __future__ import annotations

import ast
import io
import logging
import unicodedata
from pathlib import Path

import pytest

import kokoro_tui
from kokoro_tui.cli.main import run
from kokoro_tui.store.log import log_formatter
from kokoro_tui.store.paths import state_folder
from tests.faults.processes import finish
from tests.faults.terminal import TerminalProgram
from tests.models import toy_kokoro, write
from tests.python_versions import needs_kokoro

_NAMES = (
    "\x1b]0;evil title\x07", "\x1b[31mevil red", "\x1b[2Jevil", "\u202eevil", "\u2066evil", "\x9b31mevil",
    "[bold]evil[/bold]", "<script>evil()</script>", "evil\r\nevil", "e\u200bvil",
)  # fmt: skip
_HARMFUL = tuple(
    text.encode() for text in ("\x1b]0;evil", "\x1b[31mevil", "\x1b[2Jevil", "\u202e", "\u2066", "\x9b", "\u200b")
)


@pytest.fixture
def hostile_model(tmp_path: Path) -> Path:
    model = toy_kokoro()
    for number, node in enumerate(model.graph.node):
        node.name = f"{_NAMES[number % len(_NAMES)]}{node.name}"
    model.producer_name = _NAMES[0]
    return write(model, tmp_path / "toy.onnx")


def heard(program: TerminalProgram) -> bool:
    """Whether an audition has come to its end, on a machine with or without an audio device."""
    return any(told in program.drawn for told in (b"built, ", b"no sound: this"))


def harmful(text: str) -> set[str]:
    """Control characters and direction marks."""
    return {c for c in text if unicodedata.category(c) in ("Cc", "Cf") and c not in "\n\t"}


@needs_kokoro
def test_the_terminal_is_never_sent_what_a_name_holds(hostile_model: Path, tmp_path: Path, voice: str) -> None:
    program = TerminalProgram([str(hostile_model), "--text", "hello", "--voice", voice], tmp_path, (160, 48))
    try:
        program.shows("MiB")
        program.shows("evil")
        program.send("\x1b[B" * 8 + "f\x1b[Bi\x1b[Bwb")
        program.waits(lambda: heard(program), 60.0)
        program.send("arevil")
        program.shows("Regex action")
        drawn = program.drawn
    finally:
        program.kill()
    assert [piece for piece in _HARMFUL if piece in drawn] == []


@needs_kokoro
@pytest.mark.parametrize(
    "words",
    [
        ["count", "MODEL", "--size", "--count-by", "individual"],
        ["count", "MODEL", "--size", "--count-by", "name", "--markdown"],
        ["estimate-size", "MODEL", "--preset", "quantized"],
        ["lint", "MODEL"],
        ["lint", "MODEL", "--json"],
        ["trial-quantization", "MODEL", "--only", "conv_post", "--text", "hello", "--voice", "VOICE"],
        ["export-optimized", "MODEL", "--preset", "w8", "--no-verify", "--save-recipe", "r.toml"],
    ],
)  # fmt: skip
def test_no_command_writes_what_a_name_holds(
    words: list[str], hostile_model: Path, voice: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(hostile_model.parent)
    known = {"MODEL": str(hostile_model), "VOICE": voice}
    run([known.get(word, word) for word in words])
    said = capsys.readouterr()
    assert "evil" in said.out or words[0] not in ("count", "trial-quantization")
    assert harmful(said.out + said.err) == set()
    for text in hostile_model.parent.glob("*.toml"):
        assert harmful(text.read_text()) == set()


@needs_kokoro
def test_the_report_shows_names_as_text(hostile_model: Path, tmp_path: Path, voice: str) -> None:
    words = ["report", str(hostile_model), "--preset", "w8", "--text", "<b>evil</b>", "--voice", voice]
    finish([*words, "--output", "page"], tmp_path)
    page = (tmp_path / "page" / "report.html").read_text()
    assert "evil" in page
    assert "<script>evil" not in page
    assert "<b>evil" not in page
    assert harmful(page) == set()


def test_the_log_is_safe_to_look_at() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log_formatter())
    for name in _NAMES:
        handler.handle(logging.LogRecord("a", logging.ERROR, "", 0, "cannot run %s", (name,), None))
    assert stream.getvalue().count("evil") == len(_NAMES)
    assert harmful(stream.getvalue()) == set()


@needs_kokoro
@pytest.mark.parametrize(
    "words", [["trial-quantization", "--only", "conv_post"], ["export-optimized", "--preset", "w8"]]
)
def test_the_log_holds_no_text_of_the_user(words: list[str], tmp_path: Path, voice: str) -> None:
    model = write(toy_kokoro(), tmp_path / "toy.onnx")
    finish([*words, str(model), "--text", "xylophone secret ☃ ≋", "--voice", voice], tmp_path)
    for path in state_folder().rglob("*"):
        if path.is_file():
            assert not any(word in path.read_text(errors="replace") for word in ("xylophone", "secret", "☃"))


@needs_kokoro
def test_an_audition_leaves_no_text_in_the_log(tmp_path: Path, voice: str) -> None:
    model = write(toy_kokoro(), tmp_path / "toy.onnx")
    program = TerminalProgram([str(model), "--text", "xylophone secret", "--voice", voice], tmp_path)
    try:
        program.shows("MiB")
        program.send("wb")
        program.waits(lambda: heard(program), 60.0)
    finally:
        program.kill()
    logs = [path.read_text(errors="replace") for path in state_folder().glob("*.log*")]
    assert not any("xylophone" in log or "secret" in log for log in logs)


def test_nothing_that_loads_code_is_ever_called() -> None:
    """Custom operator libraries are never registered, and no reader of arrays or weights unpickles."""
    wanted = {"np.load": ("allow_pickle", False), "torch.load": ("weights_only", True)}
    found = 0
    for path in Path(kokoro_tui.__file__).parent.rglob("*.py"):
        source = path.read_text()
        assert "custom_ops" not in source, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in wanted:
                name, value = wanted[ast.unparse(node.func)]
                given = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert given.get(name) == str(value), f"{path}: {ast.unparse(node)}"
                found += 1
    assert found >= 3
