"""The headless core that both front ends call."""

from __future__ import annotations

import hashlib
import shlex
from pathlib import Path

import pytest

from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import Recipe, Rule, Thresholds
from kokoro_tui.core.selection import SelectionError
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialTable
from kokoro_tui.errors import InputError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.workbench import Workbench
from tests.graph.plans import random_plan
from tests.graph.single_ops import single_op
from tests.models import write

FP32, FP16, INT8, W8 = Precision
PAIR = ("/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul")
CONV = "/decoder/encode/Conv"
UPSAMPLER = "/decoder/generator/ups.0/ConvTranspose"


@pytest.fixture
def bench(toy_model: Path) -> Workbench:
    """The miniature Kokoro, open."""
    return Workbench.open(toy_model)


def test_opening_reads_candidates_of_the_size_asked_for(toy_model: Path, bench: Workbench) -> None:
    assert CONV in bench.inventory.candidate_keys
    assert len(Workbench.open(toy_model, min_parameters=1).inventory.candidates) > len(bench.inventory.candidates)
    with pytest.raises(InputError, match="there is no file"):
        Workbench.open(toy_model.with_name("absent.onnx"))


def test_the_digest_is_that_of_the_file(bench: Workbench, toy_model: Path) -> None:
    assert bench.model_sha256 == hashlib.sha256(toy_model.read_bytes()).hexdigest()


def test_a_model_that_has_gone_is_an_error_of_the_tool(bench: Workbench, toy_model: Path) -> None:
    toy_model.unlink()
    with pytest.raises(InputError, match=r"cannot read .*: No such file"):
        bench.recipe(PrecisionPlan())


def test_kokoro_is_recognised_and_others_are_not(bench: Workbench, tmp_path: Path) -> None:
    assert bench.signature is not None
    assert Workbench.open(write(single_op("Relu", {}), tmp_path / "relu.onnx")).signature is None


# Selecting


def test_a_pattern_selects_candidates_and_completes_their_groups(bench: Workbench) -> None:
    found = bench.select(r"query/")
    assert (found.keys, found.groups) == (PAIR, 1)
    assert bench.select("embedding").keys == ()  # Gather is no candidate
    assert bench.select("conv|Conv").groups == len(bench.select("conv|Conv").keys) == 3


def test_a_selection_may_be_among_any_nodes(bench: Workbench) -> None:
    everything = [node.key for node in bench.inventory.main_nodes]
    assert bench.select("embedding", everything).keys == ("/encoder/embedding/Gather",)


def test_a_selection_is_in_graph_order(bench: Workbench) -> None:
    order = [node.key for node in bench.inventory.nodes]
    keys = bench.complete([UPSAMPLER, CONV, PAIR[1]]).keys
    assert keys == (*PAIR, CONV, UPSAMPLER)
    assert list(keys) == sorted(keys, key=order.index)


@pytest.mark.parametrize("pattern", ["[", "(?R)"])
def test_a_bad_pattern_is_refused(pattern: str, bench: Workbench) -> None:
    with pytest.raises(SelectionError):
        bench.select(pattern)


# Changing a plan


def test_a_change_takes_the_whole_group(bench: Workbench) -> None:
    change = bench.set_precision(PrecisionPlan(), [PAIR[1]], W8)
    assert dict(change.plan.choices) == dict.fromkeys(PAIR, W8)
    assert (change.changed, change.locked, change.refused) == (PAIR, (), {})


def test_locked_nodes_are_left_alone_and_named(bench: Workbench) -> None:
    plan = PrecisionPlan().excluding([CONV])
    change = bench.set_precision(plan, [CONV, UPSAMPLER], W8)
    assert dict(change.plan.choices) == {UPSAMPLER: W8}
    assert (change.changed, change.locked) == ((UPSAMPLER,), (CONV,))


def test_impossible_changes_are_refused_in_words(bench: Workbench) -> None:
    change = bench.set_precision(PrecisionPlan(), [UPSAMPLER, CONV], INT8)
    assert change.changed == (CONV,)
    assert change.refused == {UPSAMPLER: "ConvTranspose has no dynamic INT8 form"}


def test_a_change_that_changes_nothing_hands_the_same_plan_back(bench: Workbench) -> None:
    plan = PrecisionPlan({CONV: W8})
    assert bench.set_precision(plan, [CONV], W8).plan is plan
    assert bench.set_precision(plan, [], FP16).plan is plan


def test_going_back_to_fp32_is_always_possible(bench: Workbench) -> None:
    plan = PrecisionPlan({CONV: W8, **dict.fromkeys(PAIR, FP16)})
    change = bench.set_precision(plan, [CONV, PAIR[0]], FP32)
    assert change.plan == PrecisionPlan()
    assert change.changed == (*PAIR, CONV)


def test_excluding_twice_unlocks(bench: Workbench) -> None:
    plan = PrecisionPlan({CONV: W8, UPSAMPLER: FP16})
    excluded = bench.toggle_excluded(plan, [CONV])
    assert (dict(excluded.plan.choices), excluded.plan.locked) == ({UPSAMPLER: FP16}, frozenset({CONV}))
    both = bench.toggle_excluded(excluded.plan, [CONV, UPSAMPLER])
    assert both.plan.locked == frozenset({CONV, UPSAMPLER})
    free = bench.toggle_excluded(both.plan, [CONV, UPSAMPLER])
    assert free.plan == PrecisionPlan()
    assert bench.toggle_excluded(PrecisionPlan(), [PAIR[0]]).plan.locked == frozenset(PAIR)


def test_space_goes_through_what_is_possible(bench: Workbench) -> None:
    def cycle(key: str) -> list[Precision]:
        plan, seen = PrecisionPlan(), []
        for _ in range(4):
            plan = plan.with_precision([key], bench.next_precision(plan, key))
            seen.append(plan.precision_of(key))
        return seen

    assert cycle(CONV) == [FP16, INT8, W8, FP32]
    assert cycle(UPSAMPLER) == [FP16, W8, FP32, FP16]
    assert cycle("/encoder/CumSum") == [FP32] * 4


def test_refusals_are_those_of_the_node(bench: Workbench) -> None:
    by_key = bench.inventory.by_key
    assert bench.refusals(by_key[CONV]) == {}
    assert list(bench.refusals(by_key[UPSAMPLER])) == [INT8]
    assert set(bench.refusals(by_key["/decoder/If"])) == {FP16, INT8, W8}


# What it costs and gives


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_is_the_size_of_the_build(seed: int, bench: Workbench, toy_model: Path) -> None:
    bench.estimate(random_plan(bench.inventory, seed + 10))  # whatever was asked for before
    plan = random_plan(bench.inventory, seed)
    report = build_model(toy_model, plan, toy_model.with_name("built.onnx"))
    assert bench.estimate(plan).estimated_bytes == report.final_bytes


def test_a_node_knows_its_bytes(bench: Workbench) -> None:
    plan = PrecisionPlan({CONV: FP16})
    assert bench.node_bytes(CONV, PrecisionPlan()) == 2 * bench.node_bytes(CONV, plan)


def test_predictions_need_trials(bench: Workbench) -> None:
    plan = PrecisionPlan({CONV: W8})
    assert bench.predict(plan) is None
    bench.trials = TrialTable.of([TrialRow(CONV, TrialKind.WEIGHT, mel_distance=0.25)])
    prediction = bench.predict(plan)
    assert prediction is not None
    assert (prediction.mel_distance, prediction.untried) == (0.25, 0)


def test_a_trial_run_has_one_trial_a_group_and_precision(bench: Workbench) -> None:
    # query pair, Gemm, LSTM, two Convs: three each; ConvTranspose: two.
    run = bench.trial_run()
    assert run.trials == 5 * 3 + 2
    assert 0 < run.seconds < 1


# Recipes


def test_a_recipe_gives_its_plan_back(bench: Workbench) -> None:
    plan = random_plan(bench.inventory, 4, 0.5).excluding([CONV])
    recipe = bench.recipe(plan)
    assert recipe.model_sha256 == bench.model_sha256
    assert recipe.model_name == "toy.onnx"
    assert bench.resolve(recipe) == plan


def test_thresholds_go_by_the_loaded_trials(bench: Workbench) -> None:
    recipe = Recipe((Rule(FP16, match="Gemm"),), Thresholds(weight=0.2), weight_type=WeightType.QUINT8)
    assert bench.resolve(recipe).precision_of(CONV) is W8
    bench.trials = TrialTable.of([TrialRow(CONV, TrialKind.WEIGHT, mel_distance=0.3)])
    plan = bench.resolve(recipe)
    assert dict(plan.choices) == {"/encoder/style/Gemm": FP16}
    assert plan.weight_type is WeightType.QUINT8


def test_a_recipe_for_another_model_is_refused(bench: Workbench) -> None:
    with pytest.raises(InputError, match="the model has no node 'elsewhere'"):
        bench.resolve(Recipe((Rule(W8, node="elsewhere"),)))


def test_the_rebuild_command_survives_a_shell(bench: Workbench, tmp_path: Path) -> None:
    command = bench.rebuild_command(tmp_path / "my recipe.toml", tmp_path / "it's $HOME.onnx")
    assert shlex.split(command) == [
        "kokoro-tui", "export-optimized", str(bench.inventory.path), "--recipe", str(tmp_path / "my recipe.toml"),
        "--output-path", str(tmp_path / "it's $HOME.onnx"),
    ]  # fmt: skip
