"""Run one function in a child process that can be ended at any moment.

Parsing, rewriting and exporting a 310 MiB model hold the interpreter lock for seconds; in a child they leave the
screen alone, and cancelling is ending the process.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from kokoro_tui.errors import Cancelled, KokoroTuiError, WorkError
from kokoro_tui.store.atomic import remove_stale_partials

_log = logging.getLogger(__name__)
Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of the whole that is done, from 0 to 1."""
Result = TypeVar("Result")

POLL_SECONDS = 0.1
"""How often a waiting caller looks whether it has been cancelled."""
END_SECONDS = 0.5
"""How long a child may take to end by itself before it is killed."""


def prepare_main_process() -> None:
    """Start multiprocessing's resource tracker; needed once before a Textual app takes the terminal over.

    Inside a running app stderr has no file number, and the tracker could not be started any more.
    """
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()


def run_in_child(
    target: Callable[..., Result],
    *args: Any,
    on_progress: Progress | None = None,
    cancel: threading.Event | None = None,
    log_path: Path | None = None,
    **kwargs: Any,
) -> Result:
    """Call ``target(*args, progress=..., **kwargs)`` in a child process and wait for what it returns.

    Args:
        target: A module-level function that takes ``progress``.
        on_progress: Receives the child's progress, on the calling thread.
        cancel: Set it from anywhere to end the child.
        log_path: Where what the child prints is appended; thrown away if None.

    Raises:
        KokoroTuiError: What the child raised.
        Cancelled: ``cancel`` was set.
        WorkError: The child died, or raised something else (which is logged).
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    # Pickled here, so that the child imports the target's module when its output goes to the log already.
    call = pickle.dumps((target, args, kwargs))
    process = context.Process(target=_child_main, args=(sender, log_path, call), daemon=True)
    process.start()
    sender.close()
    try:
        return _receive(receiver, process, on_progress, cancel)  # type: ignore[return-value]
    finally:
        _end(process)
        receiver.close()
        _tidy_up((*args, *kwargs.values()))


def _receive(
    receiver: Connection, process: Any, on_progress: Progress | None, cancel: threading.Event | None
) -> object:
    while True:
        if cancel is not None and cancel.is_set():
            raise Cancelled
        if not receiver.poll(POLL_SECONDS):
            continue
        try:
            kind, payload = receiver.recv()
        except (EOFError, OSError) as error:
            process.join(END_SECONDS)
            raise WorkError(
                _death(process.exitcode), "close other programs if memory is short, then try again"
            ) from error
        if kind == "progress" and on_progress is not None:
            on_progress(*payload)
        elif kind == "error":
            raise payload
        elif kind == "result":
            return payload


def _death(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"the worker process was ended by {signal.Signals(-exit_code).name}"
    return f"the worker process ended early (exit code {exit_code})"


def _end(process: Any) -> None:
    if process.is_alive():
        process.terminate()
        process.join(END_SECONDS)
    if process.is_alive():
        process.kill()
    process.join()


def _tidy_up(given: Iterable[object]) -> None:
    """Remove what an ended child left half-made at and beside the paths that it was given."""
    paths = [path for path in given if isinstance(path, Path)]
    for folder in {folder for path in paths for folder in (path, path.parent) if folder.is_dir()}:
        remove_stale_partials(folder)


def _child_main(sender: Connection, log_path: Path | None, call: bytes) -> None:
    isolate_child(log_path)

    def progress(stage: str, share: float) -> None:
        sender.send(("progress", (stage, share)))

    try:
        target, args, kwargs = pickle.loads(call)
        sender.send(("result", target(*args, progress=progress, **kwargs)))
    except KokoroTuiError as error:
        _log.exception("%s", error.message)
        sender.send(("error", error))
    except MemoryError:
        sender.send(("error", WorkError("there is not enough memory", "close other programs or use a shorter text")))
    except BaseException as error:  # noqa: BLE001  the parent must hear of it whatever it is
        _log.exception("unexpected")
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        sender.send(("error", WorkError(f"unexpected failure: {text}", f"see the log {log_path or ''}".strip())))


def isolate_child(log_path: Path | None) -> None:
    """Keep a child off the terminal and let it die with its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    target = _open_log(log_path)
    for stream in (1, 2):
        os.dup2(target, stream)
    os.close(target)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _open_log(log_path: Path | None) -> int:
    """A descriptor of the log; of nowhere if the log cannot be written, which is no reason to stop."""
    if log_path is not None:
        with suppress(OSError):
            log_path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return os.open(os.devnull, os.O_WRONLY)


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
