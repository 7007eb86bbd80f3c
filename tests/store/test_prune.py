from __future__ import annotations

import os
from pathlib import Path

from kokoro_tui.store.prune import prune_folder


def put(path: Path, size: int, used: int) -> Path:
    """A file of a size, last used at a time in seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    os.utime(path, (used, used))
    return path


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    old, middle, new = (put(tmp_path / name / "a.wav", 100, used) for name, used in (("x", 1), ("y", 2), ("z", 3)))
    assert prune_folder(tmp_path, 200) == 100
    assert [path.exists() for path in (old, middle, new)] == [False, True, True]
    assert not old.parent.exists(), "an empty folder goes too"
    assert prune_folder(tmp_path, 199) == 100
    assert [path.exists() for path in (middle, new)] == [False, True]


def test_what_fits_stays(tmp_path: Path) -> None:
    path = put(tmp_path / "a.wav", 100, 1)
    (tmp_path / "empty").mkdir()
    assert prune_folder(tmp_path, 100) == 0
    assert path.exists() and (tmp_path / "empty").exists()
    assert prune_folder(tmp_path / "absent", 0) == 0


def test_what_is_being_written_neither_counts_nor_goes(tmp_path: Path) -> None:
    partial = put(tmp_path / ".model.onnx.partial-1", 1000, 1)
    path = put(tmp_path / "a.wav", 100, 2)
    assert prune_folder(tmp_path, 100) == 0
    assert path.exists() and partial.exists()


def test_links_are_not_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside" / "a.wav", 100, 1)
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "link.wav").symlink_to(outside)
    assert prune_folder(folder, 0) == 0
    assert outside.exists()
