"""``plan`` on the miniature Kokoro."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.sizing import MIB
from kokoro_tui.planner.limits import Figures, MeasuredPlan
from kokoro_tui.planner.session import PlanningSession
from kokoro_tui.store.recipe_file import read_recipe
from kokoro_tui.store.trial_table import append_rows
from kokoro_tui.workbench import Workbench
from tests.cli.conftest import Runner
from tests.planner.conftest import CLIPS, InlineTasks, table_of

UPS = "/decoder/generator/ups.0/ConvTranspose"


@pytest.fixture
def table(toy_model: Path, tmp_path: Path) -> Path:
    """Trials of the miniature in the working folder."""
    path = tmp_path / "quantization-trials.csv"
    append_rows(path, list(table_of(Workbench.open(toy_model)).rows.values()))
    return path


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> InlineTasks:
    """Tasks of this process, on two short clips."""
    workers = InlineTasks()
    monkeypatch.setattr("kokoro_tui.planner.session.ProcessTasks", lambda *args: workers)
    monkeypatch.setattr("kokoro_tui.planner.session.planning_clips", lambda signature: CLIPS)
    return workers


def test_a_size_gives_a_recipe_that_builds_it(
    kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks, tmp_path: Path
) -> None:
    recipe, built = tmp_path / "small.toml", tmp_path / "small.onnx"
    found = kokoro_tui("plan", toy_model, "--max-size", 0.2, "--save-recipe", recipe, "--json").json
    assert found["estimated_bytes"] <= 0.2 * MIB
    assert found["limit"] == {"kind": "size", "value": 0.2}
    for figures in (found["predicted"], found["measured"]):
        assert set(figures) == {"mel_distance", "added_noise_db", "frames_moved"}
    assert set(found["nodes"]) == {"fp32", "fp16", "int8", "w8"}
    assert sum(found["nodes"].values()) >= len(Workbench.open(toy_model).inventory.candidates)
    assert found["complete"] is True
    assert read_recipe(recipe).result["mel_distance"] == pytest.approx(found["measured"]["mel_distance"])
    export = ("export-optimized", toy_model, "--recipe", recipe, "--output-path", built, "--no-verify", "--json")
    assert kokoro_tui(*export).json["final_bytes"] == found["estimated_bytes"]


def test_the_report_for_people_sets_predicted_against_measured(
    kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks
) -> None:
    outcome = kokoro_tui("plan", toy_model, "--max-distance", 0.2)
    assert outcome.code == 0
    for words in ("Size:", "% less", "Nodes:", "Predicted", "Measured", "Mel distance", "Frames moved"):
        assert words in outcome.out


def test_the_frontier_is_drawn(kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks) -> None:
    outcome = kokoro_tui("plan", toy_model, "--frontier")
    assert outcome.code == 0
    assert "From the smallest plan to the original" in outcome.out
    assert "mel distance" in outcome.out.splitlines()[-1]
    found = kokoro_tui("plan", toy_model, "--frontier", "--json").json
    sizes = [plan["estimated_bytes"] for plan in found["frontier"]]
    assert sizes == sorted(sizes)
    assert sizes[-1] == toy_model.stat().st_size == found["original_bytes"]
    assert found["limit"] is None


def test_locks_and_a_target_are_honoured(
    kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks, tmp_path: Path
) -> None:
    recipe = tmp_path / "plan.toml"
    kokoro_tui(
        "plan", toy_model, "--max-distance", 2, "--lock", "ups", "--target", "coreml", "--save-recipe", recipe, "--json"
    )
    rules = {rule.node: rule for rule in read_recipe(recipe).rules}
    assert rules[UPS].locked
    assert rules[UPS].precision == "fp32"
    assert {rule.precision for rule in rules.values()} <= {"fp32", "fp16"}, "CoreML has no DequantizeLinear"


def test_a_limit_out_of_reach_names_the_smallest(
    kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks, tmp_path: Path
) -> None:
    recipe = tmp_path / "none.toml"
    outcome = kokoro_tui("plan", toy_model, "--max-size", 0.01, "--save-recipe", recipe)
    assert outcome.code == 1
    error, hint = outcome.error_and_hint
    assert error.startswith("no plan is at most 0.01 MiB: the smallest has ")
    assert "raise the limit" in hint
    assert not recipe.exists()


def test_a_limit_that_no_measured_plan_keeps_names_the_best(
    kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = MeasuredPlan(
        plan=PrecisionPlan({UPS: Precision.W8}),
        predicted=Figures(100_000, 0.1, 0.5, 0.0),
        measured=Figures(100_000, 0.3, 1.5, 0.0),
    )

    def events(self: PlanningSession) -> Any:
        self._measured.append(found)
        yield from ()

    monkeypatch.setattr(PlanningSession, "events", events)
    outcome = kokoro_tui("plan", toy_model, "--max-distance", 0.2, "--json")
    assert outcome.code == 1
    assert "the best has 0.10 MiB, a mel distance of 0.300" in outcome.json["error"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no limit was named"),
        (("--max-size", "80", "--max-noise", "1"), "several limits were named"),
        (("--max-size", "0"), "cannot be a limit"),
        (("--max-noise", "-1"), "cannot be a limit"),
        (("--max-size", "1", "--time", "0"), "in 0 minutes"),
        (("--max-size", "1", "--lock", "nothing_like_it"), "matches no node"),
        (("--max-size", "1", "--lock", "("), "invalid regular expression"),
        (("--max-size", "1", "--target", "toaster"), "toaster"),
        (("--frontier", "--save-recipe", "x.toml"), "no single plan to save"),
        (("--max-size", "1", "--save-recipe", "no/such/folder/x.toml"), "cannot be written"),
    ],
)
def test_wrong_usage(kokoro_tui: Runner, toy_model: Path, table: Path, words: tuple[str, ...], said: str) -> None:
    outcome = kokoro_tui("plan", toy_model, *words)
    assert outcome.code == 2
    assert said in outcome.error_and_hint[0]


def test_without_a_table_it_says_how_to_get_one(kokoro_tui: Runner, toy_model: Path) -> None:
    outcome = kokoro_tui("plan", toy_model, "--max-size", 1)
    assert outcome.code == 2
    error, hint = outcome.error_and_hint
    assert "no quantization-trials.csv" in error
    assert "trial-quantization" in hint


def test_a_stop_keeps_the_plan_that_was_measured(
    kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks, tmp_path: Path
) -> None:
    """Ctrl+C while the second plan is chosen: the first is reported and saved, and the exit code tells of the stop."""
    solved = 0

    def interrupt(name: str) -> None:
        nonlocal solved
        solved += name == "solve"
        if solved == 2:
            raise KeyboardInterrupt

    inline.before = interrupt
    recipe = tmp_path / "kept.toml"
    with pytest.raises(SystemExit) as stopped:
        kokoro_tui("plan", toy_model, "--max-distance", 0.9, "--save-recipe", recipe, "--json")
    assert stopped.value.code == 130
    assert "mel_distance" in read_recipe(recipe).result


def test_a_stop_before_any_plan_is_an_interrupt(
    kokoro_tui: Runner, toy_model: Path, table: Path, inline: InlineTasks, tmp_path: Path
) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    inline.before = interrupt
    recipe = tmp_path / "none.toml"
    outcome = kokoro_tui("plan", toy_model, "--max-distance", 0.9, "--save-recipe", recipe)
    assert outcome.code == 130
    assert not recipe.exists()


def test_the_program_itself_stops_with_its_children(toy_model: Path, table: Path, tmp_path: Path) -> None:
    """The whole program in processes of its own, stopped from outside once it says that it measures."""
    words = [sys.executable, "-m", "kokoro_tui", "plan", str(toy_model), "--max-size", "0.2", "--json"]
    process = subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True
    )
    cache = Path(os.environ["KOKORO_TUI_CACHE"])
    deadline = time.monotonic() + 60
    while not (cache.exists() and any(cache.iterdir())) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode in (0, 130), err
    assert "Traceback" not in err
    json.loads(out)
    assert not any(cache.iterdir())
