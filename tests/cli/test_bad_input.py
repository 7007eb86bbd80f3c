"""Wrong input to any command: exit code 2, one error line, one hint line, and JSON that a program can read.

``COMMANDS`` is the matrix: a new command joins by a row of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import onnx
import pytest

from kokoro_tui.cli import main
from tests.cli.conftest import Runner
from tests.models import write
from tests.python_versions import needs_kokoro

MODEL = "MODEL"
"""Stands for the model in a command line."""


@dataclass(frozen=True)
class Command:
    """One row of the matrix: a command line that works on the miniature Kokoro, and what can be wrong with it."""

    words: str
    csv: tuple[str, ...] = ()
    """Options that take a table or a set of sentences."""
    regex: tuple[str, ...] = ()
    """Options that take a regular expression."""
    empty: tuple[str, ...] = ()
    """Words that leave nothing to do."""
    providers: tuple[str, ...] = ()
    """Words that name a provider or runtime that there is not."""

    def with_model(self, model: object) -> list[object]:
        """Its words, with a model in their place."""
        return [model if word == MODEL else word for word in self.words.split()]


COMMANDS = {
    "count": Command(
        "count MODEL",
        regex=("--filter-name",),
        empty=("--filter-name no-such", "--filter-op LSTM --filter-name Conv"),
    ),
    "verify": Command("verify MODEL --against toy.onnx"),
    "export": Command("export"),
    "estimate-size": Command(
        "estimate-size MODEL --preset w8",
        csv=("--trial-results",),
        regex=("--lock", "--quant-exclude"),
        empty=("--lock no-such", "--quant-exclude no-such"),
    ),
    "trial-quantization": Command(
        "trial-quantization MODEL",
        csv=("--calibration-data", "--eval-set"),
        regex=("--only",),
        empty=("--only no-such", "--min-params 1000000000", "--kinds ,"),
    ),
    "export-optimized": Command(
        "export-optimized MODEL --preset uint8 --no-verify",
        csv=("--trial-results", "--calibration-data"),
        regex=("--lock", "--quant-exclude"),
        empty=("--lock no-such", "--quant-exclude no-such", "--lock ."),
    ),
    "bench": Command(
        "bench MODEL --runs 1", empty=("--providers ,",), providers=("--providers Cuda", "--providers cpu,Azure")
    ),
    "recipe diff": Command("recipe diff a.toml b.toml --onnx-path MODEL", csv=("--trial-results",)),
    "lint": Command(
        "lint MODEL --preset w8",
        csv=("--trial-results",),
        regex=("--lock", "--quant-exclude"),
        empty=("--lock no-such",),
        providers=("--target metal",),
    ),
    "report": Command("report MODEL --preset w8", csv=("--trial-results",)),
    "listen": Command("listen MODEL --preset w8", csv=("--trial-results",)),
    "plan": Command("plan MODEL --max-size 1", csv=("--trial-results",)),
}
REGISTERED = {
    *(name for name in main.command_names() if name != "recipe"),
    *(f"recipe {info.name}" for info in main.recipe_app.registered_commands),
}
ROWS = {name: command for name, command in COMMANDS.items() if name in REGISTERED}
"""The rows of commands that there are."""
PLANNING = ("estimate-size", "export-optimized")


def text_file(folder: Path, _toy: Path) -> Path:
    path = folder / "text.onnx"
    path.write_text("This is no model.\n")
    return path


def truncated(folder: Path, toy: Path) -> Path:
    path = folder / "cut.onnx"
    path.write_bytes(toy.read_bytes()[: toy.stat().st_size // 2])
    return path


def missing(folder: Path, _toy: Path) -> Path:
    return folder / "missing.onnx"


def a_folder(folder: Path, _toy: Path) -> Path:
    path = folder / "folder.onnx"
    path.mkdir()
    return path


def check(kokoro_tui: Runner, *words: object, message: str = "") -> None:
    """Run with ``--json`` and look at everything that an error promises."""
    outcome = kokoro_tui(*words, "--json")
    error, hint = outcome.error_and_hint
    assert message in error
    assert hint
    assert outcome.code == 2
    assert set(outcome.json) == {"error", "hint", "exit_code"}
    assert outcome.json["exit_code"] == 2


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    """What the rows of the matrix name."""
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text("version = 1\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "letters.csv").write_text("a,b\n1,2\n")
    (tmp_path / "folder.csv").mkdir()


def cases(attribute: str) -> list[tuple[str, str]]:
    """Command and entry for every entry of one column of the matrix."""
    return [(name, entry) for name, command in ROWS.items() for entry in getattr(command, attribute)]


def test_every_command_has_a_row() -> None:
    assert REGISTERED - set(COMMANDS) == set()


@pytest.mark.parametrize("command", [name for name, row in ROWS.items() if MODEL in row.words])
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing, "there is no file"),
        (text_file, "is not an ONNX model"),
        (truncated, "is damaged"),
        (a_folder, "is a folder"),
    ],
)
def test_models(
    kokoro_tui: Runner, toy_model: Path, tmp_path: Path, command: str, make: Callable[[Path, Path], Path], message: str
) -> None:
    check(kokoro_tui, *ROWS[command].with_model(make(tmp_path, toy_model)), message=message)


@pytest.mark.parametrize(("command", "option"), cases("csv"))
@pytest.mark.parametrize("name", ["missing.csv", "binary.csv", "letters.csv", "folder.csv"])
def test_tables(kokoro_tui: Runner, toy_model: Path, command: str, option: str, name: str) -> None:
    check(kokoro_tui, *ROWS[command].with_model(toy_model), option, name, message=name)


@pytest.mark.parametrize(("command", "option"), cases("regex"))
@pytest.mark.parametrize("pattern", ["(", "(?P<", "[e", "*"])
def test_patterns(kokoro_tui: Runner, toy_model: Path, command: str, option: str, pattern: str) -> None:
    check(kokoro_tui, *ROWS[command].with_model(toy_model), option, pattern, message="invalid regular expression")


@pytest.mark.parametrize(("command", "words"), cases("empty"))
def test_nothing_to_do(kokoro_tui: Runner, toy_model: Path, tmp_path: Path, command: str, words: str) -> None:
    before = set(tmp_path.iterdir())
    check(kokoro_tui, *ROWS[command].with_model(toy_model), *words.split())
    assert set(tmp_path.iterdir()) == before


@pytest.mark.parametrize(("command", "words"), cases("providers"))
def test_providers(kokoro_tui: Runner, toy_model: Path, command: str, words: str) -> None:
    name = words.rpartition(",")[2].split()[-1]
    check(kokoro_tui, *ROWS[command].with_model(toy_model), *words.split(), message=name)


@pytest.mark.parametrize("command", PLANNING)
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "there is no quantization-trials.csv here"),
        (("--preset", "w8", "--quant-exclude", "("), "--quant-exclude: invalid regular expression"),
        (("--preset", "w8", "--lock", "(?P<"), "--lock: invalid regular expression"),
        (("--preset", "w9"), "there is no preset 'w9'"),
        (("--preset", "w8", "--recipe", "wrong.toml"), "a preset and a recipe were both named"),
        (
            ("--preset", "uint8", "--quant-activation-type", "QInt8"),
            "no kernel for INT8 activations with UINT8 weights",
        ),
        (("--preset", "w8", "--quant-op-types", "Conf"), "'Conf' is no operator"),
        (("--preset", "w8", "--quant-type", "QInt4"), "'QInt4'"),
        (("--recipe", "missing.toml"), "there is no file missing.toml"),
        (("--recipe", "wrong.toml"), "wrong.toml, line 2: unknown key 'colour'"),
        (("--recipe", "unknown.toml"), "the model has no node '/nowhere/Conv'"),
        (("--recipe", "foreign.toml"), "the recipe was made for the model aaaaaaaaaaaa"),
    ],
)
def test_plans(
    kokoro_tui: Runner, toy_model: Path, tmp_path: Path, command: str, words: tuple[str, ...], message: str
) -> None:
    (tmp_path / "wrong.toml").write_text("version = 1\ncolour = 3\n")
    (tmp_path / "unknown.toml").write_text('version = 1\n[[rules]]\nnode = "/nowhere/Conv"\nprecision = "fp16"\n')
    (tmp_path / "foreign.toml").write_text(f'version = 1\n[model]\nsha256 = "{"a" * 64}"\n')
    check(kokoro_tui, command, toy_model, *words, message=message)
    assert not (tmp_path / "kokoro_optimized.onnx").exists()


@pytest.mark.parametrize("command", [("export-optimized", "--preset", "w8"), ("verify", "--against", "toy.onnx")])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--voice", "af_hart"), "there is no voice 'af_hart'"),
        (("--voice", "broken.npy"), "broken.npy"),
        (("--lang", "xx"), "no language 'xx'"),
        (("--g2p", "guess"), "no G2P engine 'guess'"),
        (("--text", ""), "there is nothing to say"),
        (("--phonemes", "§§"), "vocabulary"),
    ],
)
def test_speech(
    kokoro_tui: Runner,
    toy_model: Path,
    tmp_path: Path,
    command: tuple[str, ...],
    words: tuple[str, ...],
    message: str,
) -> None:
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY nothing of the kind")
    check(kokoro_tui, *command, "--onnx-path", toy_model, *words, message=message)


@pytest.mark.parametrize("words", [("--filter-op", "Cnov"), ("--filter-name", "[e"), ("--filter-dtype", "INT3")])
def test_count_filters(kokoro_tui: Runner, toy_model: Path, words: tuple[str, str]) -> None:
    check(kokoro_tui, "count", toy_model, *words, message=words[1])


def test_a_pattern_that_takes_for_ever_is_stopped(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    model = onnx.load(str(toy_model))
    model.graph.node[0].name = "a" * 40 + "!!"
    named = write(model, tmp_path / "named.onnx")
    started = monotonic()
    check(kokoro_tui, "count", named, "--filter-name", "(a|aa)+$", message="takes too long to match")
    assert monotonic() - started < 5


@pytest.mark.parametrize(("target", "message"), [("no/such/out.onnx", "cannot be written"), (".", "is a folder")])
def test_unwritable_targets(kokoro_tui: Runner, toy_model: Path, target: str, message: str) -> None:
    words = ("export-optimized", toy_model, "--preset", "w8", "--no-verify", "--output-path", target)
    check(kokoro_tui, *words, message=message)


def test_an_unwritable_recipe_is_found_before_the_build(kokoro_tui: Runner, toy_model: Path, tmp_path: Path) -> None:
    words = ("export-optimized", toy_model, "--preset", "w8", "--no-verify", "--save-recipe", "no/r.toml")
    check(kokoro_tui, *words, message="no/r.toml cannot be written")
    assert not (tmp_path / "kokoro_optimized.onnx").exists()


@needs_kokoro
def test_weights_that_are_not_there(kokoro_tui: Runner, tmp_path: Path) -> None:
    check(kokoro_tui, "export", "--weights", "missing.pth", message="there is no file missing.pth")
    assert not (tmp_path / "kokoro.onnx").exists()


def test_recipes_to_compare(kokoro_tui: Runner, toy_model: Path) -> None:
    words = ("recipe", "diff", "a.toml", "c.toml", "--onnx-path", toy_model)
    check(kokoro_tui, *words, message="there is no file c.toml")
    check(kokoro_tui, "verify", toy_model, "--against", "b.onnx", message="there is no file b.onnx")
