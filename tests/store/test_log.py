"""The log stays small, private, and is never a reason to stop."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from kokoro_tui.store.log import open_log


def write(path: Path | None, content: bytes) -> None:
    """Append to a log as a process does that has just started."""
    descriptor = open_log(path)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)


def test_it_is_appended_to_while_it_is_small(tmp_path: Path) -> None:
    log = tmp_path / "state" / "a.log"
    write(log, b"one\n")
    write(log, b"two\n")
    assert log.read_bytes() == b"one\ntwo\n"
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_a_large_one_is_renamed_and_three_old_ones_stay(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    for number in range(6):
        write(log, bytes([ord("0") + number]) * ((1 << 20) + 1))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["a.log", "a.log.1", "a.log.2", "a.log.3"]
    assert [(tmp_path / name).read_bytes()[:1] for name in names] == [b"5", b"4", b"3", b"2"]


def test_a_log_that_cannot_be_written_goes_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    write(tmp_path / "file" / "a.log", b"lost")
    write(None, b"lost")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
