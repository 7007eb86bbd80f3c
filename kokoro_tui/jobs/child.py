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
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, TypeVar

from kokoro_tui.errors import Cancelled, InputError, KokoroTuiError, WorkError
from kokoro_tui.store.atomic import WriteError, is_full, remove_stale_partials
from kokoro_tui.store.log import log_formatter, open_log

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
    on_progress: Callable[..., object] | None = None,
    cancel: threading.Event | None = None,
    log_path: Path | None = None,
    has_children: bool = False,
    **kwargs: Any,
) -> Result:
    """Call ``target(*args, progress=..., **kwargs)`` in a child process and wait for what it returns.

    Args:
        target: A module-level function that takes ``progress``.
        on_progress: Receives what the child hands to ``progress``, on the calling thread; a ``Progress`` as a rule.
        cancel: Set it from anywhere to end the child.
        log_path: Where what the child prints is appended; thrown away if None.
        has_children: Whether the child starts processes of its own, which end when it does.

    Raises:
        KokoroTuiError: What the child raised.
        Cancelled: ``cancel`` was set.
        WorkError: The child died, or raised something else (which is logged).
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    # Pickled here, so that the child imports the target's module when its output goes to the log already.
    call = pickle.dumps((target, args, kwargs))
    process = context.Process(target=_child_main, args=(sender, log_path, call), daemon=not has_children)
    with interrupts_held():
        process.start()
    sender.close()
    try:
        return _receive(receiver, process, on_progress, cancel)  # type: ignore[return-value]
    finally:
        end_process(process)
        receiver.close()
        _tidy_up((*args, *kwargs.values()))


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Let processes that the block starts ignore ctrl+c from their first moment on.

    It reaches the whole group, also a child that still imports what it needs to know better. Here it is only late.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    prepare_main_process()  # first, because starting the tracker lets interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit it
    try:
        with _interrupts_noted():
            yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupts_noted() -> Iterator[None]:
    """Handle interrupts after the block: another thread may take one, which the mask of this one does not prevent."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread runs handlers
        yield
        return
    noted: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: noted.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if noted:
            signal.raise_signal(signal.SIGINT)


def _receive(
    receiver: Connection, process: Any, on_progress: Callable[..., object] | None, cancel: threading.Event | None
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
                describe_death(process.exitcode), "close other programs if memory is short, then try again"
            ) from error
        if kind == "progress" and on_progress is not None:
            on_progress(*payload)
        elif kind == "error":
            raise payload
        elif kind == "result":
            return payload


def describe_death(exit_code: int | None) -> str:
    """How a child ended that ought not to have ended."""
    if exit_code is not None and exit_code < 0:
        return f"the worker process was ended by {signal.Signals(-exit_code).name}"
    return f"the worker process ended early (exit code {exit_code})"


def end_process(process: Any) -> None:
    """End a child, by force if it does not end by itself."""
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

    def progress(*told: object) -> None:
        sender.send(("progress", told))

    def run() -> object:
        target, args, kwargs = pickle.loads(call)
        return target(*args, progress=progress, **kwargs)

    send_outcome(sender, run, log_path)


def send_outcome(sender: Connection, call: Callable[[], object], log_path: Path | None) -> None:
    """Send ``("result", value)`` of a call or ``("error", error)``; what is not ours is logged and wrapped."""
    try:
        sender.send(("result", call()))
    except KokoroTuiError as error:
        if not isinstance(error, InputError):  # which says all there is to know, with the user's own words in it
            # A traceback tells more where something else has failed, not where it is we who refuse.
            _log.error("%s", error.message, exc_info=error.__cause__ is not None)
        sender.send(("error", error))
    except MemoryError:
        sender.send(("error", WorkError("there is not enough memory", "close other programs or use a shorter text")))
    except BaseException as error:  # noqa: BLE001  the parent must hear of it whatever it is
        _log.exception("unexpected")
        if isinstance(error, OSError) and is_full(error):
            where = f" ({error.filename})" if error.filename else ""
            sender.send(("error", WriteError(f"the disk is full{where}", "free some space")))
            return
        text = f"{type(error).__name__}: {error}".splitlines()[0]
        sender.send(("error", WorkError(f"unexpected failure: {text}", f"see the log {log_path or ''}".strip())))


def isolate_child(log_path: Path | None) -> None:
    """Keep a child off the terminal and let it die with its parent, however that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl+c reaches the whole group; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    target = open_log(log_path)
    for stream in (1, 2):
        os.dup2(target, stream)
    os.close(target)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(log_formatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
