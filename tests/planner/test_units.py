"""What may be chosen: locks, hazards, targets, and precisions that are never worth it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kokoro_tui.core.hazards import Hazard
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.sizing import Sizer
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialTable
from kokoro_tui.planner.units import Barred, Unit, find_units, plan_of
from kokoro_tui.planner.values import inner_values
from kokoro_tui.workbench import Workbench

SHARED = ("/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul")
UPS = "/decoder/generator/ups.0/ConvTranspose"
STYLE = "/encoder/style/Gemm"
EMBEDDING = "/encoder/embedding/Gather"


def units_of(
    bench: Workbench,
    base: PrecisionPlan | None = None,
    *,
    hazards: dict[str, Hazard] | None = None,
    barred: Barred | None = None,
    trials: TrialTable | None = None,
) -> dict[str, Unit]:
    found = find_units(
        bench.inventory,
        base or PrecisionPlan(),
        trials or bench.trials or TrialTable(),
        inner_values(bench.inventory, "duration"),
        hazards=hazards or {},
        barred=barred or {},
    )
    return {unit.group.key: unit for unit in found}


def precisions(unit: Unit) -> set[Precision]:
    return {option.precision for option in unit.options}


def test_a_shared_weight_is_one_unit(bench: Workbench) -> None:
    unit = units_of(bench)[SHARED[0]]
    assert unit.group.members == SHARED
    assert unit.options[0].precision is Precision.FP32
    assert unit.options[0].nbytes == 0


def test_bytes_are_those_of_the_file(bench: Workbench) -> None:
    sizer = Sizer(bench.inventory)
    start = bench.inventory.file_bytes
    for unit in units_of(bench).values():
        for option in unit.options:
            plan = PrecisionPlan().with_precision(unit.group.members, option.precision)
            assert option.nbytes == sizer.estimate(plan).estimated_bytes - start


def test_embeddings_can_be_chosen_although_no_trial_covers_them(bench: Workbench) -> None:
    assert precisions(units_of(bench)[EMBEDDING]) == {Precision.FP32, Precision.FP16, Precision.W8}
    assert all(option.distance is None for option in units_of(bench)[EMBEDDING].options)


def test_a_group_with_a_locked_member_is_left_alone(bench: Workbench) -> None:
    base = PrecisionPlan({UPS: Precision.FP16, STYLE: Precision.W8}, frozenset({UPS, SHARED[1]}))
    units = units_of(bench, base)
    assert UPS not in units
    assert SHARED[0] not in units
    plan = plan_of(base, tuple(units.values()), (0,) * len(units))
    assert plan.choices == {UPS: Precision.FP16}, "what is locked keeps its precision, what is free does not"
    assert plan.locked == base.locked


def test_hazards_and_targets_close_precisions_for_the_whole_group(bench: Workbench) -> None:
    hazard = Hazard("it is risky", (Precision.W8,))
    units = units_of(bench, hazards={SHARED[1]: hazard}, barred={STYLE: [Precision.W8, Precision.INT8]})
    assert SHARED[0] in units_of(bench)
    assert SHARED[0] not in units, "FP16 alone saves less than it is worth on so small a weight"
    assert precisions(units[STYLE]) == {Precision.FP32, Precision.FP16}


def test_int8_is_left_out_where_w8_reads_less(bench: Workbench) -> None:
    assert Precision.INT8 not in precisions(units_of(bench)[STYLE])
    row = TrialRow(STYLE, TrialKind.QUANT, mel_distance=1e-6)
    better = (bench.trials or TrialTable()).with_rows([row])
    assert Precision.INT8 in precisions(units_of(bench, trials=better)[STYLE])
    without = TrialTable({k: row for k, row in better.rows.items() if k[1] is not TrialKind.QUANT})
    assert Precision.INT8 not in precisions(units_of(bench, trials=without)[STYLE])
    assert Precision.INT8 in precisions(units_of(bench, barred={STYLE: [Precision.W8]})[STYLE])


def test_nodes_that_save_less_than_their_casts_cost_are_no_units(bench: Workbench) -> None:
    assert all(bench.inventory.by_key[key].op not in ("Add", "Mul", "LayerNormalization") for key in units_of(bench))


def test_what_the_durations_depend_on_is_known(bench: Workbench) -> None:
    units = units_of(bench)
    assert units[STYLE].on_length
    assert not units[UPS].on_length
    assert not any(unit.on_pitch for unit in units.values()), "the miniature has no phase"


def test_the_lengths_are_those_before_rounding(bench: Workbench) -> None:
    values = inner_values(bench.inventory, "duration")
    assert values.lengths == ("/encoder/predictor/Div_output_0",)
    assert values.curves == ()
    assert inner_values(bench.inventory, None).names == ()


@pytest.mark.real
def test_the_f0_curve_of_the_real_model(real_model: Path) -> None:
    bench = Workbench.open(real_model)
    assert bench.signature is not None
    values = inner_values(bench.inventory, bench.signature.duration)
    (curve,) = values.curves
    assert "F0_proj" in curve
    assert len(values.lengths) == 1
    on_pitch = {key for key in values.pitch_nodes if key in bench.inventory.candidate_keys}
    assert any("bert" in key for key in on_pitch)
    assert not any(key.startswith("/decoder") for key in on_pitch)
    assert not any("text_encoder/cnn" in key for key in on_pitch)
    assert replace(values, curves=()).names == values.lengths
