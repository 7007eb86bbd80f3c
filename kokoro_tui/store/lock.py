"""One process at a time may write a file: locks with an owner and an age.

The operating system holds the lock and drops it with the process, however that ends, so a stale one cannot
block anybody; the note beside it that says who holds it may be stale and is only believed while the lock is held.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time

from kokoro_tui.errors import WorkError
from kokoro_tui.store.paths import make_folder, state_folder

_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True)
class Owner:
    """Who holds a lock."""

    pid: int
    what: str
    """What it does, such as ``running trials``."""
    since: float
    """Unix time at which it took the lock, in seconds."""

    @property
    def describe(self) -> str:
        """The owner in one phrase, with its age."""
        seconds = max(0, int(time() - self.since))  # a clock that was set back shows no negative age
        age = f"{seconds} s"
        if seconds >= _HOUR:
            age = f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
        elif seconds >= _MINUTE:
            age = f"{seconds // _MINUTE} min"
        return f"another kokoro-tui (process {self.pid}) has been {self.what} for {age}"


class BusyError(WorkError):
    """Another process, or another part of this one, holds the lock."""


def busy(path: Path, owner: Owner | None) -> BusyError:
    """The error that says who works on ``path``."""
    said = owner.describe if owner is not None else "another kokoro-tui is working on it"
    return BusyError(f"{path.name} is in use: {said}", "wait until it is done, end it, or name another file")


@contextmanager
def holding(path: Path, what: str, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Be the only process that works on ``path`` while the block runs.

    Args:
        path: The file that is worked on; it need not exist.
        what: What is done to it, for whoever comes second.
        wait_seconds: How long to wait for another owner; negative waits for ever.

    Raises:
        BusyError: Another process holds it, or this one does already.
        WriteError: The folder for locks cannot be made.
    """
    # Nothing on the way to the first table needs it.
    from filelock import FileLock, Timeout

    lock_file, note = _files(path)
    make_folder(lock_file.parent)
    lock = FileLock(lock_file, timeout=wait_seconds, thread_local=False)
    try:
        lock.acquire()
    except Timeout as error:
        raise busy(path, _read(note)) from error
    except OSError as error:
        raise WorkError(
            f"{path.name} cannot be locked: {error.strerror or error}", f"see whether {lock_file.parent} can be written"
        ) from error
    try:
        # Who cannot be told is no reason not to work.
        with suppress(OSError):
            note.write_text(json.dumps(asdict(Owner(os.getpid(), what, time()))))
        yield
    finally:
        with suppress(OSError):
            note.unlink(missing_ok=True)
        lock.release()


def owner_of(path: Path) -> Owner | None:
    """Who works on ``path`` at the moment; None if nobody does."""
    from filelock import FileLock, Timeout  # late, as in `holding`

    lock_file, note = _files(path)
    if not lock_file.exists():
        return None
    lock = FileLock(lock_file, timeout=0, thread_local=False)
    try:
        lock.acquire()
    except (Timeout, OSError):
        return _read(note) or Owner(0, "working on it", time())
    lock.release()
    return None


def _files(path: Path) -> tuple[Path, Path]:
    """The lock of a path and the note on its owner; in the state folder, so that no folder of the user's fills up."""
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:24]
    folder = state_folder() / "locks"
    return folder / f"{digest}.lock", folder / f"{digest}.json"


def _read(note: Path) -> Owner | None:
    try:
        found = json.loads(note.read_text(encoding="utf-8"))
        return Owner(int(found["pid"]), str(found["what"])[:80], float(found["since"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
