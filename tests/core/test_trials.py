"""The table of trial rows and what it predicts of a whole plan."""

from __future__ import annotations

import pytest

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.trials import PredictedDistance, TrialKind, TrialRow, TrialStatus, TrialTable, predict_distance
from tests.core.small_inventory import inventory_of

FP16, INT8, W8 = Precision.FP16, Precision.INT8, Precision.W8
SMALL = inventory_of(
    ("/query/MatMul", "MatMul"),
    ("/query_1/MatMul", "MatMul"),
    ("/F0/Conv", "Conv"),
    ("/up", "ConvTranspose"),
    shared={"/query/MatMul": "q", "/query_1/MatMul": "q"},
)


def quant(name: str, distance: float | None, status: TrialStatus = TrialStatus.OK) -> TrialRow:
    return TrialRow(name, TrialKind.QUANT, mel_distance=distance, status=status)


def plan(**choices: Precision) -> PrecisionPlan:
    names = {"query": "/query/MatMul", "query_1": "/query_1/MatMul", "conv": "/F0/Conv", "up": "/up"}
    return PrecisionPlan({names[name]: precision for name, precision in choices.items()})


def test_a_later_row_replaces_an_earlier_one() -> None:
    table = TrialTable.of([quant("/up", 0.5), quant("/up", 0.3)]).with_rows([quant("/up", 0.1)])
    assert table.distance("/up", TrialKind.QUANT) == 0.1
    assert len(table.rows) == 1


@pytest.mark.parametrize("status", [TrialStatus.SKIPPED, TrialStatus.FAILED])
def test_only_a_trial_that_is_ok_has_a_distance(status: TrialStatus) -> None:
    table = TrialTable.of([quant("/up", 0.5, status)])
    assert table.distance("/up", TrialKind.QUANT) is None
    assert table.knows("/up")
    assert not table.knows("/F0/Conv")


def test_a_precision_takes_the_first_kind_that_was_measured() -> None:
    static = TrialRow("/up", TrialKind.STATIC, mel_distance=0.7)
    assert TrialTable.of([static]).distance_at("/up", INT8) == 0.7
    assert TrialTable.of([static, quant("/up", 0.4)]).distance_at("/up", INT8) == 0.4
    assert TrialTable.of([static]).distance_at("/up", W8) is None
    assert TrialTable().distance_at("/up", Precision.FP32) == 0.0


def test_distances_of_different_groups_add_up_as_squares() -> None:
    table = TrialTable.of([quant("/F0/Conv", 0.3), TrialRow("/up", TrialKind.CAST, mel_distance=0.4)])
    predicted = predict_distance(SMALL, plan(conv=INT8, up=FP16), table)
    assert predicted is not None
    assert predicted.mel_distance == pytest.approx(0.5)
    assert predicted.untried == 0


def test_a_group_counts_once_with_its_worst_member() -> None:
    table = TrialTable.of([quant("/query/MatMul", 0.2), quant("/query_1/MatMul", 0.3)])
    assert predict_distance(SMALL, plan(query=INT8, query_1=INT8), table) == PredictedDistance(0.3, 0)
    only_one = TrialTable.of([quant("/query_1/MatMul", 0.3)])
    assert predict_distance(SMALL, plan(query=INT8, query_1=INT8), only_one) == PredictedDistance(0.3, 0)


def test_groups_without_a_trial_are_counted_apart() -> None:
    table = TrialTable.of([quant("/F0/Conv", 0.3)])
    assert predict_distance(SMALL, plan(conv=INT8, query=INT8, query_1=INT8, up=W8), table) == PredictedDistance(0.3, 2)


def test_nothing_is_predicted_where_nothing_was_tried() -> None:
    assert predict_distance(SMALL, plan(up=W8), TrialTable()) is None
    assert predict_distance(SMALL, PrecisionPlan(), TrialTable()) == PredictedDistance(0.0, 0)


def test_int8_has_the_distance_of_its_own_form_before_that_of_the_other() -> None:
    static = TrialRow("/up", TrialKind.STATIC, mel_distance=0.7)
    both, alone = TrialTable.of([quant("/up", 0.1), static]), TrialTable.of([static])
    assert both.distance_at("/up", INT8) == 0.1
    assert both.distance_at("/up", INT8, static=True) == 0.7
    assert alone.distance_at("/up", INT8) == 0.7
    assert TrialTable.of([quant("/up", 0.1)]).distance_at("/up", INT8, static=True) == 0.1
    static_plan = PrecisionPlan({"/up": INT8}, calibration=Calibration())
    assert predict_distance(SMALL, static_plan, both) == PredictedDistance(0.7, 0)
