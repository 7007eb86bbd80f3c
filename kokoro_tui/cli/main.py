"""The command line: which command runs, and how its errors and exit codes come out."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException
from typer.main import get_command

from kokoro_tui import __version__
from kokoro_tui.cli import (
    bench,
    count,
    estimate_size,
    export,
    export_optimized,
    lint,
    listen,
    plan,
    recipe_diff,
    report,
    start,
    trial_quantization,
    verify,
)
from kokoro_tui.cli.output import write_error, write_json
from kokoro_tui.errors import Cancelled, ExitCode, InputError, KokoroTuiError, WorkError

PROGRAM = "kokoro-tui"
_BEFORE_A_COMMAND = ("--help", "--version", "--debug", "--install-completion", "--show-completion")

app = typer.Typer(
    name=PROGRAM,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help"]},
    epilog="Without a command, kokoro-tui opens the terminal UI:\n\n"
    "kokoro-tui [MODEL.onnx] [--trials FILE.csv] [--recipe FILE.toml] [--text T] [--voice V]".replace("[", r"\["),
)
recipe_app = typer.Typer(rich_markup_mode="rich", help="Work with recipe files.")
app.add_typer(recipe_app, name="recipe")

for _module, _name in (
    (count, "count"),
    (verify, "verify"),
    (export, "export"),
    (estimate_size, "estimate-size"),
    (trial_quantization, "trial-quantization"),
    (export_optimized, "export-optimized"),
    (bench, "bench"),
    (lint, "lint"),
    (report, "report"),
    (listen, "listen"),
    (plan, "plan"),
):
    app.command(_name, help=_module.HELP, epilog=f"Examples:\n\n{_module.EXAMPLES}")(_module.run)
recipe_app.command("diff", help=recipe_diff.HELP, epilog=f"Example:\n\n{recipe_diff.EXAMPLES}")(recipe_diff.run)

start_app = typer.Typer(rich_markup_mode="rich", pretty_exceptions_enable=False)
start_app.command(help=start.HELP, epilog=f"Example:\n\n{start.EXAMPLES}")(start.run)


def _show_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Squeeze the Kokoro-82M text-to-speech model (ONNX) by hand and by ear."""


def run(words: Sequence[str]) -> int:
    """Run the command line and return the exit code; errors come out as one ``error:`` and one ``hint:`` line.

    Args:
        words: What was typed after the program's name.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")  # a name may hold what the terminal's encoding lacks
    try:
        code = _dispatch(list(words))
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough; the interpreter would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  whatever it is, it comes out in two lines
        if "--debug" in words:
            traceback.print_exc()
        return _report(_as_ours(error), as_json="--json" in words)
    return code


def _dispatch(words: list[str]) -> int:
    application = app if _is_command(words) else start_app
    code = get_command(application).main(args=words, prog_name=PROGRAM, standalone_mode=False)
    if code == ExitCode.INTERRUPTED:
        raise Cancelled  # typer turns an interrupt into this code
    return code if isinstance(code, int) else ExitCode.DONE


def _is_command(words: Sequence[str]) -> bool:
    """Whether the first word is a command or an option that stands before one; else it opens the UI."""
    if f"_{PROGRAM.replace('-', '_').upper()}_COMPLETE" in os.environ:
        return True
    if not words:
        return False
    first = words[0]
    if first in _BEFORE_A_COMMAND:
        return first != "--debug" or _is_command(words[1:])
    if first in command_names():
        return True
    if not first.startswith("-"):
        start.check_first_word(first, command_names())
    return False


def command_names() -> tuple[str, ...]:
    """Names of all commands."""
    commands = [info.name for info in app.registered_commands]
    groups = [info.name for info in app.registered_groups]
    return tuple(name for name in (*commands, *groups) if name)


def _as_ours(error: BaseException) -> KokoroTuiError:
    """Any error as one with a message, a hint and an exit code."""
    if isinstance(error, KokoroTuiError):
        return error
    if _comes_of_an_interrupt(error):
        return Cancelled()
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else PROGRAM
        return InputError(error.format_message().replace("Value error, ", ""), f"see `{command} --help`")
    if isinstance(error, MemoryError):
        return WorkError("there is not enough memory", "close other programs or use a shorter text")
    return WorkError(f"unexpected {type(error).__name__}: {error}", "run it again with --debug to see where")


def _comes_of_an_interrupt(error: BaseException | None) -> bool:
    """Whether an error is an interrupt, or what a module in C that was just being loaded made of one."""
    while error is not None and not isinstance(error, KeyboardInterrupt | Abort):
        error = error.__cause__ or error.__context__
    return error is not None


def _report(error: KokoroTuiError, *, as_json: bool) -> int:
    hint = error.hint or f"see `{PROGRAM} --help`"
    if as_json:
        write_json({"error": error.message, "hint": hint, "exit_code": int(error.exit_code)})
    write_error(error.message, hint)
    return error.exit_code
