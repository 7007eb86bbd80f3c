"""``kokoro-tui [MODEL]``: opens the terminal UI."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from kokoro_tui.cli.options import DebugFlag, TextOption, VoiceOption
from kokoro_tui.errors import InputError

HELP = "Open a model in the terminal UI; without MODEL the bundled Kokoro, which the first start builds."
EXAMPLES = "kokoro-tui kokoro.onnx --trials quantization-trials.csv"


def run(
    model: Annotated[Path | None, typer.Argument(metavar="MODEL", show_default=False)] = None,
    trials: Annotated[Path | None, typer.Option("--trials", metavar="FILE", help="A trial table to load.")] = None,
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="A recipe to load.")] = None,
    text: TextOption = None,
    voice: VoiceOption = None,
    debug: DebugFlag = False,
) -> None:
    """Check the terminal and start the UI."""
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise InputError(
            "the terminal UI needs a terminal on stdin, stdout and stderr",
            "without one use `kokoro-tui export-optimized MODEL --preset w8`; `kokoro-tui --help` lists all commands",
        )
    from kokoro_tui.tui.app import run as run_ui  # textual: only for the UI

    run_ui(model_path=model, trials_path=trials, recipe_path=recipe, text=text, voice=voice)


def check_first_word(word: str, commands: Sequence[str]) -> None:
    """Refuse a first word that is neither a command nor a file.

    Raises:
        InputError: Naming the nearest command.
    """
    if Path(word).exists():
        return
    nearest = get_close_matches(word, commands, n=1, cutoff=0.0)[0]
    models = get_close_matches(word, [path.name for path in Path().glob("*.onnx")], n=1)
    raise InputError(
        f"{word!r} is neither a command nor a file",
        f"the nearest command is `kokoro-tui {nearest}`{', the nearest file ' + models[0] if models else ''}; "
        "`kokoro-tui --help` lists all commands",
    )
