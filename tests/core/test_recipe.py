"""From thresholds and rules to a plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import Recipe, Rule, Thresholds, apply_thresholds, changed_nodes, recipe_of, resolve
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialStatus, TrialTable
from kokoro_tui.errors import InputError
from tests.core.small_inventory import inventory_of

FP32, FP16, INT8, W8 = Precision.FP32, Precision.FP16, Precision.INT8, Precision.W8
SMALL = inventory_of(
    ("/enc/Conv", "Conv"), ("/enc/Add", "Add"), ("/dec/MatMul", "MatMul"), ("/dec/up", "ConvTranspose"),
    ("/emb/Gather", "Gather"),
)  # fmt: skip


def row(name: str, kind: TrialKind, distance: float | None) -> TrialRow:
    status = TrialStatus.SKIPPED if distance is None else TrialStatus.OK
    return TrialRow(name, kind, mel_distance=distance, status=status)


def choices(recipe: Recipe, trials: TrialTable | None = None) -> dict[str, Precision]:
    return dict(apply_thresholds(recipe, SMALL, trials).choices)


def test_without_a_table_every_candidate_is_below_its_threshold() -> None:
    recipe = Recipe(thresholds=Thresholds(cast=0.25, quant=2))
    assert choices(recipe) == {"/enc/Conv": INT8, "/dec/MatMul": INT8, "/dec/up": FP16}


@pytest.mark.parametrize("off", [0.0, -1.0])
def test_zero_or_less_switches_a_precision_off(off: float) -> None:
    assert choices(Recipe(thresholds=Thresholds(cast=off, quant=off, weight=off))) == {}
    assert set(choices(Recipe(thresholds=Thresholds(cast=5, quant=off))).values()) == {FP16}


def test_fp16_reaches_operators_without_weights_only_while_int8_is_off() -> None:
    assert choices(Recipe(thresholds=Thresholds(cast=5, quant=-1)))["/enc/Add"] is FP16
    assert "/enc/Add" not in choices(Recipe(thresholds=Thresholds(cast=5, quant=1)))


def test_weight_only_int8_comes_after_int8_and_before_fp16() -> None:
    recipe = Recipe(thresholds=Thresholds(cast=1, quant=1, weight=1))
    assert choices(recipe) == {"/enc/Conv": INT8, "/dec/MatMul": INT8, "/dec/up": W8}


@pytest.mark.parametrize(
    ("quant", "cast", "expected"),
    [
        (0.24, 0.9, INT8),
        (0.25, 0.24, FP16),
        (0.25, 0.25, FP32),
        (None, 0.1, FP16),
        (0.1, None, INT8),
        (None, None, FP32),
    ],
)
def test_a_distance_must_be_strictly_below_its_threshold(
    quant: float | None, cast: float | None, expected: Precision
) -> None:
    table = TrialTable.of([row("/enc/Conv", TrialKind.QUANT, quant), row("/enc/Conv", TrialKind.CAST, cast)])
    found = choices(Recipe(thresholds=Thresholds(cast=0.25, quant=0.25)), table)
    assert found.get("/enc/Conv", FP32) is expected


def test_nodes_without_a_row_stay_fp32() -> None:
    table = TrialTable.of([row("/enc/Conv", TrialKind.QUANT, 0.01)])
    assert choices(Recipe(thresholds=Thresholds(cast=9, quant=9, weight=9)), table) == {"/enc/Conv": INT8}


@pytest.mark.parametrize(
    ("quant_rows", "expected"),
    [
        pytest.param([row("/enc/Add", TrialKind.QUANT, None)], FP32, id="a skipped trial: quantized without effect"),
        pytest.param([row("/enc/Add", TrialKind.QUANT, 0.15)], FP32, id="an older table: below the threshold"),
        pytest.param([row("/enc/Add", TrialKind.QUANT, 0.35)], FP16, id="an older table: above the threshold"),
        pytest.param([], FP16, id="never tried"),
    ],
)
def test_an_operator_without_weights_follows_its_quant_row(quant_rows: list[TrialRow], expected: Precision) -> None:
    table = TrialTable.of([row("/enc/Add", TrialKind.CAST, 0.1), *quant_rows])
    found = choices(Recipe(thresholds=Thresholds(cast=0.25, quant=0.25)), table)
    assert found.get("/enc/Add", FP32) is expected


def test_a_failed_trial_gives_no_precision() -> None:
    failed = TrialRow("/enc/Conv", TrialKind.QUANT, mel_distance=0.0, status=TrialStatus.FAILED)
    assert choices(Recipe(thresholds=Thresholds(quant=1)), TrialTable.of([failed])) == {}


def test_an_exclude_pattern_bars_eight_bits_but_not_fp16() -> None:
    limits = Thresholds(cast=1, quant=1, weight=1)
    assert choices(Recipe(thresholds=limits, quant_exclude="^/enc/")) == {
        "/enc/Conv": FP16, "/enc/Add": FP16, "/dec/MatMul": INT8, "/dec/up": W8,
    }  # fmt: skip


def test_op_types_bar_the_others_from_eight_bits_but_not_from_fp16() -> None:
    assert choices(Recipe(thresholds=Thresholds(quant=1, weight=1), op_types=("MatMul",))) == {"/dec/MatMul": INT8}
    both = Recipe(thresholds=Thresholds(cast=1, quant=1), op_types=("MatMul",))
    assert choices(both)["/enc/Conv"] is FP16


def test_the_last_rule_that_matches_wins() -> None:
    recipe = Recipe((Rule(INT8, match="."), Rule(FP16, match="^/enc/"), Rule(FP32, node="/enc/Conv")))
    plan = resolve(recipe, SMALL)
    assert dict(plan.choices) == {"/enc/Add": FP16, "/dec/MatMul": INT8}


def test_rules_override_thresholds_and_reach_nodes_that_are_no_candidates() -> None:
    recipe = Recipe((Rule(W8, match="Gather"), Rule(FP32, match="dec")), thresholds=Thresholds(quant=1))
    assert dict(resolve(recipe, SMALL).choices) == {"/enc/Conv": INT8, "/emb/Gather": W8}


def test_a_match_passes_over_nodes_that_cannot_take_the_precision() -> None:
    assert dict(resolve(Recipe((Rule(INT8, match=""),)), SMALL).choices) == {"/enc/Conv": INT8, "/dec/MatMul": INT8}


def test_rules_lock_and_unlock() -> None:
    lock_all = Rule(locked=True, match="Conv|up")
    plan = resolve(Recipe((Rule(FP16, match="up"), lock_all, Rule(locked=False, node="/enc/Conv"))), SMALL)
    assert plan.locked == {"/dec/up"}
    assert plan.precision_of("/dec/up") is FP16


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Rule(FP16, node="/no/such"), "rule 2: the model has no node '/no/such'"),
        (Rule(INT8, node="/enc/Add"), "rule 2: /enc/Add cannot be INT8: Add has no dynamic INT8 form"),
        (Rule(FP16, match="(", where="r.toml, line 7"), r"r.toml, line 7: invalid regular expression '\('"),
        (Rule(FP16, match="(a|aa)+$"), "rule 2: the pattern .* takes too long"),
    ],
)
def test_a_fault_names_the_rule(rule: Rule, message: str) -> None:
    long_names = inventory_of(*((f"/{'a' * 40}{i}/Conv", "Conv") for i in range(3)), ("/enc/Add", "Add"))
    with pytest.raises(InputError, match=message):
        resolve(Recipe((Rule(FP16, match="enc"), rule)), long_names)


def test_a_plan_comes_back_from_its_recipe() -> None:
    locked = frozenset({"/dec/MatMul", "/enc/Conv"})
    plan = PrecisionPlan({"/enc/Conv": W8, "/emb/Gather": W8}, locked, WeightType.QUINT8)
    recipe = recipe_of(plan, SMALL, "f" * 64, {"/enc/Conv": "by ear"})
    assert resolve(recipe, SMALL) == plan
    assert (recipe.model_sha256, recipe.model_name, recipe.rules[0].reason) == ("f" * 64, "small.onnx", "by ear")


def test_changed_nodes_lists_what_differs_in_the_order_asked_for() -> None:
    before, after = PrecisionPlan({"/enc/Conv": INT8}), PrecisionPlan({"/dec/up": FP16})
    keys = [node.key for node in SMALL.nodes]
    assert changed_nodes(before, after, keys) == (("/enc/Conv", INT8, FP32), ("/dec/up", FP32, FP16))


# Static recipes

STATIC = Recipe(thresholds=Thresholds(cast=0.25, quant=0.25), static=True, samples=2, activation_type=WeightType.QUINT8)
CHAIN = inventory_of(("/enc/Conv", "Conv"), ("/enc/Add", "Add"), ("/enc/LSTM", "LSTM"), ("/dec/up", "ConvTranspose"))


def static_choices(trials: TrialTable | None = None) -> dict[str, Precision]:
    return dict(resolve(STATIC, CHAIN, trials).choices)


def test_a_static_recipe_quantizes_sums_and_leaves_what_has_no_static_form_to_fp16() -> None:
    assert static_choices() == {"/enc/Conv": INT8, "/enc/Add": INT8, "/enc/LSTM": FP16, "/dec/up": FP16}
    plan = resolve(STATIC, CHAIN)
    assert plan.calibration == Calibration(WeightType.QUINT8, samples=2)


def test_a_static_recipe_goes_by_static_rows_where_the_table_has_any() -> None:
    quant = [row("/enc/Conv", TrialKind.QUANT, 0.1), row("/enc/Add", TrialKind.QUANT, None)]
    assert static_choices(TrialTable.of(quant)) == {"/enc/Conv": INT8, "/enc/Add": INT8}
    assert static_choices(TrialTable.of([*quant, row("/enc/Add", TrialKind.STATIC, 0.2)])) == {"/enc/Add": INT8}
    assert static_choices(TrialTable.of([*quant, row("/enc/Add", TrialKind.STATIC, 0.25)])) == {}
    failed = TrialRow("/enc/Add", TrialKind.STATIC, status=TrialStatus.FAILED)
    assert static_choices(TrialTable.of([*quant, failed])) == {}


def test_rules_of_a_static_recipe_go_by_the_static_forms() -> None:
    plan = resolve(Recipe((Rule(INT8, match="."), Rule(INT8, node="/enc/Add")), static=True), CHAIN)
    assert set(plan.choices) == {"/enc/Conv", "/enc/Add"}
    with pytest.raises(InputError, match="LSTM has no static INT8 form"):
        resolve(Recipe((Rule(INT8, node="/enc/LSTM"),), static=True), CHAIN)


def test_the_recipe_of_a_static_plan_gives_it_back_with_the_ranges_that_it_needs() -> None:
    ranges = {"value0": (-1.0, 1.0), "value1": (0.0, 2.0), "value2": (0.0, 3.0), "elsewhere": (0.0, 1.0)}
    calibration = Calibration(WeightType.QINT8, ranges, samples=2)
    plan = PrecisionPlan({"/enc/Conv": INT8, "/dec/up": FP16}, calibration=calibration)
    saved = recipe_of(plan, CHAIN, "ab" * 32)
    assert (saved.static, saved.samples, saved.activation_type) == (True, 2, WeightType.QINT8)
    assert saved.ranges == {"value0": (-1.0, 1.0), "value1": (0.0, 2.0)}
    again = resolve(saved, CHAIN)
    assert again == replace(plan, calibration=replace(calibration, ranges=saved.ranges))
