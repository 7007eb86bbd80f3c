"""Small and read-only file systems; mounting them needs root, which containers and CI have."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: int, *options: str) -> Iterator[Path]:
    """A file system in memory of ``size`` bytes at ``folder``."""
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={size}", *options)), "none", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting needs root: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def make_read_only(folder: Path) -> None:
    """From now on nothing can be written there."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)


@contextmanager
def filled(folder: Path, left: int) -> Iterator[None]:
    """All but ``left`` bytes of a file system are taken while the block runs."""
    ballast = folder / ".ballast"
    with ballast.open("wb", buffering=0) as handle:
        with suppress(OSError):
            while handle.write(b"\0" * 4096):
                pass
        handle.truncate(max(0, handle.tell() - left))
    try:
        yield
    finally:
        ballast.unlink()
