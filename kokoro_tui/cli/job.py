"""Run a task in a child process with a progress bar, and leave nothing half-made when it is stopped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from kokoro_tui.cli.output import Output
from kokoro_tui.errors import KokoroTuiError

Result = TypeVar("Result")


def run_job(out: Output, target: Callable[..., Result], *args: Any, writes_into: Path, **kwargs: Any) -> Result:
    """Call ``target(*args, progress=..., **kwargs)`` in a child process.

    Args:
        out: Where the progress goes.
        target: A module-level function that takes ``progress``.
        writes_into: The folder that the task writes files into.

    Raises:
        KokoroTuiError: What the task raised, or that its process died.
        KeyboardInterrupt: The user stopped it.
    """
    from kokoro_tui.jobs.child import run_in_child
    from kokoro_tui.store.atomic import remove_stale_partials

    remove_stale_partials(writes_into)
    with out.progress() as progress:
        try:
            return run_in_child(target, *args, on_progress=progress, log_path=child_log_path(), **kwargs)
        except BaseException:
            # A process that was ended could not clean up after itself.
            remove_stale_partials(writes_into)
            raise


def child_log_path() -> Path | None:
    """The log file for what child processes print; None where its folder cannot be made, which is no reason to fail."""
    from kokoro_tui.store.paths import log_path, make_folder

    with suppress(KokoroTuiError):
        path = log_path()
        make_folder(path.parent)
        return path
    return None
