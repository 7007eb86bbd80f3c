"""Locks: one owner at a time, told by name and age, never stale."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from time import time

import pytest

from kokoro_tui.store.lock import BusyError, Owner, busy, holding, owner_of

_HOLDER = """
import sys
from pathlib import Path
from kokoro_tui.store.lock import holding
with holding(Path(sys.argv[1]), "running trials"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KOKORO_TUI_STATE", str(tmp_path / "state"))


@pytest.fixture
def other_process(tmp_path: Path) -> subprocess.Popen[str]:
    """A process that holds the lock of ``table.csv``."""
    command = [sys.executable, "-c", _HOLDER, str(tmp_path / "table.csv")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_process_is_told_who_is_first(tmp_path: Path, other_process: subprocess.Popen[str]) -> None:
    path = tmp_path / "table.csv"
    try:
        with (
            pytest.raises(BusyError, match=rf"table.csv is in use: .*process {other_process.pid}\) has been running"),
            holding(path, "saving"),
        ):
            pass
        owner = owner_of(path)
        assert owner is not None
        assert (owner.pid, owner.what) == (other_process.pid, "running trials")
    finally:
        other_process.kill()
        other_process.wait()


def test_a_killed_owner_blocks_nobody(tmp_path: Path, other_process: subprocess.Popen[str]) -> None:
    path = tmp_path / "table.csv"
    other_process.send_signal(signal.SIGKILL)
    other_process.wait()
    assert owner_of(path) is None
    with holding(path, "saving"):
        owner = owner_of(path)
        assert owner is not None
        assert owner.pid == os.getpid()
    assert owner_of(path) is None


def test_links_to_one_file_share_a_lock(tmp_path: Path) -> None:
    (tmp_path / "table.csv").touch()
    (tmp_path / "link.csv").symlink_to(tmp_path / "table.csv")
    with (
        holding(tmp_path / "table.csv", "saving"),
        pytest.raises(BusyError, match="is in use"),
        holding(tmp_path / "link.csv", "saving"),
    ):
        pass


def test_an_unreadable_note_is_no_obstacle(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with holding(path, "saving"):
        (note,) = (tmp_path / "state" / "locks").glob("*.json")
        note.write_text("{")
        with pytest.raises(BusyError, match="another kokoro-tui is working on it"), holding(path, "saving"):
            pass
    with holding(path, "saving"):
        pass


@pytest.mark.parametrize(
    ("seconds", "age"), [(-50, "0 s"), (5, "5 s"), (125, "2 min"), (7300, "2 h 1 min")]
)  # fmt: skip
def test_ages(seconds: float, age: str) -> None:
    assert Owner(1, "building", time() - seconds - 0.2).describe.endswith(f"for {age}")


def test_the_error_goes_through_a_pipe() -> None:
    error = busy(Path("x.csv"), Owner(7, "building", time()))
    again = pickle.loads(pickle.dumps(error))
    assert isinstance(again, BusyError)
    assert (again.message, again.hint) == (error.message, error.hint)
