"""Keeps a folder of files that can be made again from growing without end."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def prune_folder(folder: Path, most_bytes: int) -> int:
    """Remove files from ``folder`` and the folders in it, longest unused first, until the rest fits.

    Files are judged by when they were last written or marked as used. Hidden ones neither count nor go, since somebody
    is still writing them. Folders that become empty go too; what cannot be removed, or is gone, is passed over.

    Args:
        folder: Need not exist.
        most_bytes: What may stay.

    Returns:
        Bytes that were removed.
    """
    files = sorted(_files(folder), key=lambda found: found[1])
    excess = sum(size for _, _, size in files) - most_bytes
    removed = 0
    for path, _, size in files:
        if removed >= excess:
            break
        with suppress(OSError):
            path.unlink()
            removed += size
    if removed:
        _remove_empty(folder)
    return removed


def _files(folder: Path) -> list[tuple[Path, int, int]]:
    """Every file with its time in ns and its size in bytes."""
    found = []
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
                status = path.stat()
                found.append((path, status.st_mtime_ns, status.st_size))
    return found


def _remove_empty(folder: Path) -> None:
    deepest_first = sorted((path for path in folder.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for path in deepest_first:
        # A folder that still holds something refuses.
        with suppress(OSError):
            path.rmdir()
