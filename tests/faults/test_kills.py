"""kill -9 at random moments: what was finished is whole, what was not is nowhere, and the next run goes on."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random
from time import monotonic

import pytest

from kokoro_tui.store.paths import cache_folder, state_folder
from kokoro_tui.store.recipe_file import read_recipe
from kokoro_tui.store.trial_table import read_trials
from kokoro_tui.tui.formats import count
from tests.faults.budget import rounds, seeded
from tests.faults.processes import finish, kill_after, leaves_nothing_running, session_members, start
from tests.faults.terminal import TerminalProgram
from tests.models import toy_kokoro, write
from tests.python_versions import needs_kokoro

OUTPUT = "small.onnx"


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def usual_seconds(words: list[str], folder: Path) -> float:
    """How long a run takes that nobody disturbs."""
    started = monotonic()
    finish(words, folder)
    return monotonic() - started


def final_names(folder: Path) -> set[str]:
    """Names that somebody would take for finished files."""
    return {path.name for path in folder.iterdir() if not path.name.startswith(".")}


def partial_names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if ".partial-" in path.name]


def builds(model: Path, folder: Path, random: Random, kills: int) -> None:
    """Kill builds of one plan over the output of another; then let one through."""
    first = ["export-optimized", str(model), "--preset", "w8", "--no-verify", "--output-path", OUTPUT]
    second = [*first[:3], "fp16", *first[4:]]
    usual_seconds(first, folder)
    earlier = digest(folder / OUTPUT)
    seconds = usual_seconds([*second[:-1], "reference.onnx"], folder)
    wanted = digest(folder / "reference.onnx")
    names = final_names(folder)
    killed = 0
    for _ in range(kills):
        killed += kill_after(start(second, folder), random.uniform(0.05, 1.0) * seconds)
        found = digest(folder / OUTPUT)
        assert found in (earlier, wanted)
        if found == wanted:  # it came that far: begin again from the earlier file
            finish(first, folder)
        assert final_names(folder) == names
    assert killed >= kills // 2
    finish(second, folder)
    assert digest(folder / OUTPUT) == wanted
    assert partial_names(folder) == []


def test_builds_of_a_small_model(tmp_path: Path) -> None:
    builds(write(toy_kokoro(), tmp_path / "toy.onnx"), tmp_path, seeded("builds"), rounds(4, 80))


@pytest.mark.real
def test_builds_of_the_real_model(tmp_path: Path, real_model: Path) -> None:
    builds(real_model, tmp_path, seeded("real builds"), rounds(2, 30))


@needs_kokoro
def test_trials_are_neither_lost_nor_repeated(tmp_path: Path, voice: str) -> None:
    model, random = write(toy_kokoro(), tmp_path / "toy.onnx"), seeded("trials")
    words = ["trial-quantization", str(model), "--eval-text", "hello", "--eval-voice", voice, "--workers", "2"]
    whole = tmp_path / "undisturbed"
    whole.mkdir()
    seconds = usual_seconds(words, whole)
    wanted = read_trials(whole / "quantization-trials.csv").table.rows
    folder, table = tmp_path / "disturbed", tmp_path / "disturbed" / "quantization-trials.csv"
    folder.mkdir()
    kills = rounds(4, 70)
    for _ in range(kills):
        kill_after(start(words, folder), random.uniform(0.2, 1.0) * seconds)
        if not table.exists():
            continue
        found = read_trials(table).table.rows
        assert all(row.mel_distance == wanted[key].mel_distance for key, row in found.items())
        if len(found) == len(wanted):
            table.unlink()
            table.with_suffix(".meta.json").unlink()
    left = table.read_text() if table.exists() else ""
    complete = left[: left.rfind("\n") + 1]
    said = finish(words, folder)
    assert ("going on with the" in said) == (",ok," in complete)
    loaded = read_trials(table)
    assert (loaded.torn_rows, loaded.bad_rows) == (0, 0)
    assert loaded.table.rows.keys() == wanted.keys()
    assert table.read_text().startswith(complete)
    lines = table.read_text().splitlines()
    names = [tuple(line.split(",")[:2]) for line in lines[1:]]
    assert len(names) == len(set(names))


@needs_kokoro
def test_a_killed_worker_does_not_end_the_trials(tmp_path: Path, voice: str) -> None:
    """What runs out of memory is killed from outside: the run goes on with fewer workers and has every row."""
    model, table = write(toy_kokoro(), tmp_path / "toy.onnx"), tmp_path / "quantization-trials.csv"
    words = ["trial-quantization", str(model), "--eval-text", "hello", "--eval-voice", voice, "--workers", "2"]
    process = start(words, tmp_path)
    killed = 0
    while process.poll() is None and not killed:
        if table.exists() and ",ok," in table.read_text():
            workers = [pid for pid, command in session_members(process.pid) if "spawn_main" in command]
            for pid in workers[:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
    _, said = process.communicate(timeout=120)
    assert killed == 1
    assert process.returncode == 0, said.decode()
    rows = read_trials(table)
    assert (rows.torn_rows, rows.bad_rows) == (0, 0)
    assert "the 0 that are left" in finish(words, tmp_path)


_SAVER = """
import sys
from itertools import count
from pathlib import Path
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.store.recipe_file import write_recipe
from kokoro_tui.workbench import Workbench
bench = Workbench.open(Path(sys.argv[1]))
keys = sorted(bench.inventory.candidate_keys)
for number in count():
    plan = PrecisionPlan({key: Precision.FP16 for key in keys[: number % len(keys) + 1]})
    write_recipe(Path(sys.argv[2]), bench.recipe(plan))
    if not number:
        print("saved", flush=True)
"""


def test_a_recipe_is_always_one_that_was_saved(tmp_path: Path) -> None:
    model, recipe, random = write(toy_kokoro(), tmp_path / "toy.onnx"), tmp_path / "r.toml", seeded("recipes")
    for _ in range(rounds(4, 60)):
        process = subprocess.Popen(
            [sys.executable, "-c", _SAVER, str(model), str(recipe)], stdout=subprocess.PIPE, env=dict(os.environ)
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"saved\n"
        assert kill_after(process, random.uniform(0.0, 0.15))
        process.stdout.close()
        assert read_recipe(recipe).rules
        assert final_names(tmp_path) == {"toy.onnx", "r.toml"}


_FIRST_START = """
import threading
from kokoro_tui.tui.files import ensure_bundled
if __name__ == "__main__":
    print(ensure_bundled(lambda stage, share: None, threading.Event()), flush=True)
"""


@pytest.mark.real
def test_the_first_start_leaves_a_whole_model_or_none(tmp_path: Path, real_model: Path) -> None:
    script, random = tmp_path / "first_start.py", seeded("first start")
    script.write_text(_FIRST_START)
    cache = Path(os.environ["KOKORO_TUI_CACHE"])
    for _ in range(rounds(1, 20)):
        process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, env=dict(os.environ), start_new_session=True
        )
        kill_after(process, random.uniform(1.0, 25.0))
        assert process.stdout is not None
        process.stdout.close()
        for path in cache.glob("*.onnx"):
            assert digest(path) == digest(real_model)
            path.unlink()


def test_the_meta_file_never_tears(tmp_path: Path, voice: str) -> None:
    """The meta file is written before the first row, so a table without one does not come about."""
    model, random = write(toy_kokoro(), tmp_path / "toy.onnx"), seeded("meta")
    words = ["trial-quantization", str(model), "--eval-text", "hello", "--eval-voice", voice, "--workers", "1"]
    for number in range(rounds(2, 20)):
        folder = tmp_path / str(number)
        folder.mkdir()
        kill_after(start(words, folder), random.uniform(1.0, 4.0))
        table = folder / "quantization-trials.csv"
        if table.exists() and table.stat().st_size:
            assert json.loads(table.with_suffix(".meta.json").read_text())["model_sha256"] == digest(model)


@pytest.mark.real
@needs_kokoro
def test_exports_of_the_real_model(tmp_path: Path, real_model: Path) -> None:
    random, words = seeded("exports"), ["export", "--output-path", OUTPUT, "--no-score-difference"]
    output = tmp_path / OUTPUT
    output.write_bytes(b"an earlier export")
    for _ in range(rounds(1, 20)):
        kill_after(start(words, tmp_path), random.uniform(1.0, 20.0))
        assert digest(output) == digest(real_model) or output.read_bytes() == b"an earlier export"
        assert final_names(tmp_path) == {OUTPUT}
        output.write_bytes(b"an earlier export")


@needs_kokoro
def test_reports(tmp_path: Path, voice: str) -> None:
    model, random = write(toy_kokoro(), tmp_path / "toy.onnx"), seeded("reports")
    words = ["report", str(model), "--preset", "w8", "--text", "hello", "--voice", voice, "--output", "page"]
    seconds = usual_seconds(words, tmp_path)
    page = tmp_path / "page" / "report.html"
    for _ in range(rounds(3, 40)):
        page.write_text("an earlier page")
        kill_after(start(words, tmp_path), random.uniform(0.1, 1.0) * seconds)
        assert final_names(page.parent) == {page.name}
        found = page.read_text()
        assert found == "an earlier page" or found.rstrip().endswith("</html>")
    finish(words, tmp_path)
    assert page.read_text().rstrip().endswith("</html>")
    assert partial_names(page.parent) == []
    assert [path for path in cache_folder().rglob("*.partial-*") if path.is_file()] == []


def journalled_steps() -> int:
    """Steps of the latest session, whether it goes on or not."""
    journals = sorted((state_folder() / "sessions").glob("*.jsonl"))
    return journals[-1].read_text().count('"step"') if journals else 0


def test_a_session_in_the_terminal_is_offered_again(tmp_path: Path) -> None:
    model, random = write(toy_kokoro(), tmp_path / "toy.onnx"), seeded("sessions")
    for _ in range(rounds(2, 20)):
        steps = random.randrange(1, 12)
        program = TerminalProgram([str(model)], tmp_path)
        try:
            program.shows("MiB")
            program.send("".join("f0"[number % 2] for number in range(steps)))
            program.waits(lambda steps=steps: journalled_steps() == steps)  # type: ignore[misc]
        finally:
            program.kill()
        leaves_nothing_running(program.process.pid)
        again = TerminalProgram([str(model)], tmp_path)
        try:
            again.shows("was cut off")
            again.send("j")
            again.shows(f"the session goes on: {count(steps, 'step')}")
            again.hang_up()
            again.process.wait(10)
        finally:
            again.kill()
        for journal in (state_folder() / "sessions").glob("*.jsonl"):
            journal.unlink()
