"""What the tests run in child processes; importing this prints, as some libraries do."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.jobs.child import Progress
from kokoro_tui.store.atomic import atomic_path

if __name__ != "tests.jobs.child_targets":
    raise ImportError("this module has to be imported by its name")
if os.environ.get("KOKORO_TUI_TEST_NOISE"):
    print("printed while importing", file=sys.stderr)


class Unreadable:
    """A value that cannot cross to another process."""

    def __reduce__(self) -> str:
        raise TypeError("this value stays here")


def report_progress(count: int, *, progress: Progress) -> dict[str, int]:
    """Tell ``count`` stages, return a value."""
    for index in range(count):
        progress(f"stage {index}", (index + 1) / count)
    return {"pid": os.getpid(), "count": count}


def refuse(*, progress: Progress) -> None:
    """Raise one of the tool's own errors."""
    raise InputError("nothing fits", "try something else")


def find_nothing(cause: Exception | None, *, progress: Progress) -> None:
    """Raise an error of the work, because of ``cause`` if there is one."""
    raise WorkError("no plan is that small", "raise the limit") from cause


def fail(*, progress: Progress) -> None:
    """Raise an error that nobody expected, of two lines."""
    raise KeyError("first line\nsecond line")


def run_out_of_memory(*, progress: Progress) -> None:
    """Ask for more than there is."""
    raise MemoryError


def give_up(*, progress: Progress) -> None:
    """End the interpreter as a library might."""
    sys.exit("given up")


def return_unreadable(*, progress: Progress) -> Unreadable:
    """Return what cannot be sent."""
    return Unreadable()


def die(number: int, *, progress: Progress) -> None:
    """Be ended by a signal, as the kernel does when memory is short."""
    progress("alive", 0.5)
    os.kill(os.getpid(), number)
    threading.Event().wait()


def vanish(*, progress: Progress) -> None:
    """End without a word."""
    os._exit(3)


def wait_for_ever(started: Path, *, progress: Progress) -> None:
    """Write one's process id, then wait."""
    started.write_text(str(os.getpid()))
    progress("waiting", 0.1)
    threading.Event().wait()


def ignore_the_request_to_end(started: Path, *, progress: Progress) -> None:
    """Wait, deaf to everything but a kill."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    wait_for_ever(started, progress=progress)


def write_for_ever(target: Path, *, progress: Progress) -> None:
    """Half-make a file."""
    with atomic_path(target) as partial:
        partial.write_bytes(b"half")
        progress("writing", 0.5)
        threading.Event().wait()


def speak_up(*, progress: Progress) -> None:
    """Write to everything that may be a terminal."""
    print("printed")
    print("complained", file=sys.stderr)
    logging.getLogger("kokoro_tui.test").warning("logged")
    os.write(1, b"native output\n")
    os.write(2, b"native complaint\n")


def signals(*, progress: Progress) -> tuple[bool, bool]:
    """Whether an interrupt is ignored, and whether a request to end is not."""
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN, signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
