"""A stopped job leaves nothing half-made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kokoro_tui.cli.job import run_job
from kokoro_tui.cli.output import Output
from kokoro_tui.jobs import child
from kokoro_tui.jobs.child import Progress


def double(value: int, *, progress: Progress) -> int:
    progress("doubling", 0.5)
    return 2 * value


def test_a_job_runs_in_a_child_process(tmp_path: Path) -> None:
    assert run_job(Output(), double, 21, writes_into=tmp_path) == 42


def test_what_a_stopped_child_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    earlier, now = (tmp_path / f".{name}.onnx.partial-{ended.pid}" for name in ("earlier", "now"))
    earlier.touch()
    (tmp_path / "mine.onnx").touch()

    def interrupted(*_: object, **__: object) -> None:
        assert not earlier.exists()
        now.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(child, "run_in_child", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_job(Output(), double, 1, writes_into=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.onnx"]
