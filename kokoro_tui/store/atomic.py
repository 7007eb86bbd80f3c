"""Writes a file whole or not at all."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kokoro_tui.errors import InputError

_PARTIAL_NAME = re.compile(r"\..+\.partial-(?P<pid>\d+)")
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class WriteError(InputError):
    """A file cannot be written where it was asked for."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target`` that takes its place when the block succeeds.

    The temporary file exists from the start, so that an unwritable target is found before any work. It is
    gone after an exception or an interrupt; what a killed process leaves, `remove_stale_partials` removes.

    Raises:
        WriteError: The target cannot be written (before the block runs) or replaced, or the disk is full.
    """
    partial = target.parent / f".{target.name}.partial-{os.getpid()}"
    _reserve(target, partial)
    try:
        yield partial
        _flush_to_disk(partial)
        partial.replace(target)
    except OSError as error:
        if is_full(error):
            raise WriteError(f"the disk is full, {target} was not written", "free some space") from error
        if error.filename == str(partial):
            raise WriteError(f"{target} cannot be replaced: {error.strerror}", "close what holds it open") from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def is_full(error: OSError) -> bool:
    """Whether something could not be written because the disk, or what a user may take of it, is full."""
    return error.errno in _NO_SPACE


def remove_stale_partials(directory: Path) -> None:
    """Remove what processes that run no more left half-made in ``directory``."""
    for path in directory.glob(".*.partial-*"):
        match = _PARTIAL_NAME.fullmatch(path.name)
        if match is None or _is_running(int(match["pid"])):
            continue
        # What belongs to somebody else stays; it is in nobody's way.
        with suppress(OSError):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _reserve(target: Path, partial: Path) -> None:
    hint = "name a file in a folder that exists and that you may write to"
    if "\0" in str(target):
        raise WriteError("a file name cannot hold a NUL character", hint)
    if target.is_dir():
        raise WriteError(f"{target} is a folder", hint)
    if target.exists() and not os.access(target, os.W_OK):
        raise WriteError(f"{target} is write-protected", hint)
    try:
        partial.touch()
    except OSError as error:
        raise WriteError(f"{target} cannot be written: {error.strerror}", hint) from error


def _flush_to_disk(path: Path) -> None:
    with path.open("rb+") as handle:
        os.fsync(handle.fileno())


def _is_running(pid: int) -> bool:
    if os.name == "nt":
        # There a signal 0 would end the process; a file in use cannot be removed anyway.
        return pid == os.getpid()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether a process has ended and nobody has taken note, as in a container whose init never does."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
    except (OSError, IndexError):
        return False
