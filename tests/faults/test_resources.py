"""Full and read-only disks, another file system, few descriptors, a dead worker, a clock that jumps back."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kokoro_tui.cli.main import run
from kokoro_tui.store.lock import Owner
from kokoro_tui.store.trial_table import read_trials
from tests.faults.disks import filled, make_read_only, mounted
from tests.models import toy_kokoro, write
from tests.python_versions import needs_kokoro

_PAGE = 4096


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    return write(toy_kokoro(), tmp_path / "toy.onnx")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", 4 << 20) as folder:
        yield folder


Words = Callable[[Path, Path, str], list[str]]

WRITERS: dict[str, Words] = {
    "optimized.onnx": lambda toy, target, voice: [
        "export-optimized", str(toy), "--preset", "w8", "--no-verify", "--output-path", str(target)
    ],
    "recipe.toml": lambda toy, target, voice: [
        "export-optimized", str(toy), "--preset", "w8", "--no-verify",
        "--output-path", str(toy.parent / "o.onnx"), "--save-recipe", str(target),
    ],
    "trials.csv": lambda toy, target, voice: [
        "trial-quantization", str(toy), "--eval-text", "hello", "--eval-voice", voice, "--only", "conv_post",
        "--workers", "1", "--output-path", str(target),
    ],
}  # fmt: skip
"""What writes a file of this name, and how."""


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one error line and the one hint line."""
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith(("error:", "hint:"))]
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    return lines[0]


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_message_and_work_goes_on_when_there_is_room(
    name: str, toy: Path, small_disk: Path, voice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = WRITERS[name](toy, small_disk / name, voice)
    with filled(small_disk, 0):
        assert run(words) == 2
        assert "disk is full" in told(capsys)
        assert [path.name for path in small_disk.iterdir() if path.stat().st_size] == [".ballast"]
    assert run(words) == 0
    assert (small_disk / name).stat().st_size > 0


@needs_kokoro
def test_a_disk_that_fills_up_during_the_trials_keeps_every_finished_one(
    toy: Path, small_disk: Path, voice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = small_disk / "trials.csv"
    model = toy_kokoro()
    for node in model.graph.node:  # names of a length at which the rows do not fit into one block
        node.name = f"/{'x' * 200}{node.name}"
    write(model, toy)
    words = ["trial-quantization", str(toy), "--eval-text", "hello", "--eval-voice", voice, "--workers", "1"]
    words += ["--output-path", str(table)]
    with filled(small_disk, 2 * _PAGE):  # one for the meta file, one for the first rows
        assert run(words) == 2
        assert "disk is full" in told(capsys)
        kept = read_trials(table)
        assert kept.table.rows
        assert kept.torn_rows == 0
    assert run(words) == 0
    rows = read_trials(table).table.rows
    assert len(rows) > len(kept.table.rows)
    assert all(rows[key] == row for key, row in kept.table.rows.items())


@needs_kokoro
@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_file_system_is_one_message(
    name: str, toy: Path, small_disk: Path, voice: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_read_only(small_disk)
    assert run(WRITERS[name](toy, small_disk / name, voice)) == 2
    assert "Read-only file system" in told(capsys)


@needs_kokoro
def test_without_room_for_the_cache_the_trials_say_so(
    toy: Path, tmp_path: Path, small_disk: Path, voice: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("KOKORO_TUI_CACHE", str(small_disk / "cache"))
    words = WRITERS["trials.csv"](toy, tmp_path / "trials.csv", voice)
    with filled(small_disk, 0):
        assert run(words) in (1, 2)
        assert "disk is full" in told(capsys)
    assert run(words) == 0
    assert [path for path in (small_disk / "cache").rglob("*") if path.is_file()] == []


def test_few_descriptors_are_no_traceback(toy: Path, tmp_path: Path, voice: str) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (24, 24))

    for name, words in WRITERS.items():
        done = subprocess.run(
            [sys.executable, "-m", "kokoro_tui", *words(toy, tmp_path / name, voice)],
            capture_output=True, text=True, check=False, timeout=120, preexec_fn=limit, env=dict(os.environ),
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        assert done.returncode in (0, 1, 2)
        if done.returncode:
            assert done.stderr.count("error:") == 1
            assert done.stderr.count("hint:") == 1


def test_a_clock_that_was_set_back_shows_no_negative_age(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Owner(1, "building", 2_000_000_000.0)
    monkeypatch.setattr("kokoro_tui.store.lock.time", lambda: 1_000_000_000.0)
    assert owner.describe.endswith("for 0 s")
