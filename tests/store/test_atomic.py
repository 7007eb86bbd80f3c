"""Files written whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kokoro_tui.store.atomic import WriteError, atomic_path, remove_stale_partials


def test_the_target_appears_only_when_the_block_succeeds(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    with atomic_path(target) as partial:
        partial.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("interruption", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, interruption: type[BaseException]) -> None:
    target = tmp_path / "model.onnx"
    target.write_bytes(b"old")
    with pytest.raises(interruption), atomic_path(target) as partial:
        partial.write_bytes(b"half")
        raise interruption
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_unwritable_target_is_found_before_the_work(tmp_path: Path) -> None:
    with (
        pytest.raises(WriteError, match="No such file or directory"),
        atomic_path(tmp_path / "no" / "m.onnx"),
    ):
        pytest.fail("the work began")
    with pytest.raises(WriteError, match="is a folder"), atomic_path(tmp_path):
        pytest.fail("the work began")


def test_a_full_disk_is_a_clear_error(tmp_path: Path) -> None:
    target = tmp_path / "model.onnx"
    with pytest.raises(WriteError, match="the disk is full"), atomic_path(target):
        Path("/dev/full").write_bytes(b"too much")
    assert list(tmp_path.iterdir()) == []


def test_partials_of_dead_processes_are_removed_and_those_of_live_ones_kept(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    dead = int(ended.stdout)
    (tmp_path / f".model.onnx.partial-{dead}").write_bytes(b"half")
    work = tmp_path / f".model.onnx.work.partial-{dead}"
    work.mkdir()
    (work / "traced.onnx").write_bytes(b"half")
    live = tmp_path / f".model.onnx.partial-{os.getpid()}"
    live.write_bytes(b"half")
    unrelated = tmp_path / ".notes.partial-draft"
    unrelated.write_bytes(b"mine")
    remove_stale_partials(tmp_path)
    assert sorted(tmp_path.iterdir()) == [live, unrelated]


def test_what_a_process_that_nobody_reaped_has_left_is_removed(tmp_path: Path) -> None:
    """In a container without an init an ended process keeps its number for ever."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and its number is still taken
    left = tmp_path / f".model.onnx.partial-{ended.pid}"
    left.touch()
    try:
        remove_stale_partials(tmp_path)
        assert not left.exists()
    finally:
        ended.wait()


def test_a_name_that_no_file_can_have_is_an_error_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="NUL"), atomic_path(tmp_path / "a\0b.toml"):
        pytest.fail("the work began")
