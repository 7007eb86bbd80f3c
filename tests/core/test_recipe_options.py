"""Options of a command line on top of a recipe."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import Recipe, Rule, Thresholds, resolve
from kokoro_tui.core.recipe_options import (
    RecipeOptions,
    count_precisions,
    default_recipe,
    uses_trials,
    with_options,
)
from kokoro_tui.errors import InputError
from tests.core.small_inventory import inventory_of

SMALL = inventory_of(("/enc/Conv", "Conv"), ("/dec/MatMul", "MatMul"), ("/emb/Gather", "Gather"))
BASE = Recipe(
    rules=(Rule(Precision.FP16, match="enc"),),
    thresholds=Thresholds(cast=0.5, quant=2),
    quant_exclude="conv_post",
    op_types=("MatMul",),
    samples=3,
)


def test_no_option_changes_nothing() -> None:
    assert with_options(BASE, RecipeOptions()) == BASE


def test_given_values_replace_those_of_the_recipe() -> None:
    options = RecipeOptions(
        quant_threshold=0.1,
        fp16_threshold=-1,
        quant_exclude="bert",
        quant_type=WeightType.QUINT8,
        activation_type=WeightType.QINT8,
        op_types=("conv", "Gemm"),
        samples=2,
    )
    assert with_options(BASE, options) == Recipe(
        rules=BASE.rules,
        thresholds=Thresholds(cast=-1, quant=0.1),
        quant_exclude="bert",
        weight_type=WeightType.QUINT8,
        activation_type=WeightType.QINT8,
        op_types=("Conv", "Gemm"),
        samples=2,
    )


def test_weight_only_turns_the_quant_threshold_into_one_for_weights() -> None:
    assert with_options(BASE, RecipeOptions(weight_only=True)).thresholds == Thresholds(cast=0.5, weight=2)
    only_weights = Recipe(thresholds=Thresholds(weight=10))
    assert with_options(only_weights, RecipeOptions(weight_only=True)) == only_weights


def test_locks_win_over_thresholds_and_rules() -> None:
    plan = resolve(with_options(BASE, RecipeOptions(locks=("enc", "dec"))), SMALL)
    assert plan == PrecisionPlan(locked=frozenset({"/enc/Conv", "/dec/MatMul"}))


def test_the_default_thresholds_are_those_of_the_contract() -> None:
    assert default_recipe() == Recipe(thresholds=Thresholds(cast=0.25, quant=0.25))
    assert uses_trials(default_recipe())
    assert not uses_trials(Recipe(thresholds=Thresholds(cast=-1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            RecipeOptions(static=True, quant_type=WeightType.QUINT8, activation_type=WeightType.QINT8),
            "no kernel for INT8 activations with UINT8 weights",
        ),
        (RecipeOptions(quant_exclude="("), r"--quant-exclude: invalid regular expression '\('"),
        (RecipeOptions(locks=("fine", "[")), r"--lock: invalid regular expression '\['"),
        (RecipeOptions(op_types=("Conf",)), "'Conf' is no operator"),
    ],
)
def test_what_cannot_be_done_is_refused(options: RecipeOptions, message: str) -> None:
    with pytest.raises(InputError, match=message):
        with_options(BASE, options)


def test_a_recipe_becomes_static_and_keeps_its_ranges_unless_new_ones_are_asked_for() -> None:
    assert with_options(BASE, RecipeOptions(static=True)) == replace(BASE, static=True)
    ranged = Recipe(static=True, samples=2, ranges={"x": (0.0, 1.0)})
    assert with_options(ranged, RecipeOptions()) == ranged
    assert with_options(ranged, RecipeOptions(calibrate=True)) == replace(ranged, ranges={})
    assert with_options(ranged, RecipeOptions(samples=4)) == replace(ranged, ranges={}, samples=4)


def test_nodes_are_counted_among_candidates_and_what_the_plan_changes() -> None:
    plan = PrecisionPlan({"/enc/Conv": Precision.INT8, "/emb/Gather": Precision.W8})
    assert count_precisions(SMALL, plan) == {
        Precision.FP32: 1, Precision.FP16: 0, Precision.INT8: 1, Precision.W8: 1,
    }  # fmt: skip
