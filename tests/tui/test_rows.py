from __future__ import annotations

from pathlib import Path

import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.selection import SelectionError
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialTable
from kokoro_tui.tui.rows import RowSource, View
from kokoro_tui.workbench import Workbench

QUERY, QUERY_1 = "/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul"
CONV = "/decoder/encode/Conv"


@pytest.fixture
def bench(toy_model: Path) -> Workbench:
    """The miniature Kokoro, opened."""
    return Workbench.open(toy_model)


def test_candidates_come_largest_first(bench: Workbench) -> None:
    rows = RowSource(bench).rows(PrecisionPlan(), View())
    assert len(rows) == len(bench.inventory.candidates)
    sizes = [row.size for row in rows]
    assert sizes == sorted(sizes, reverse=True)


def test_all_nodes_are_the_main_graph(bench: Workbench) -> None:
    rows = RowSource(bench).rows(PrecisionPlan(), View(all_nodes=True))
    assert {row.key for row in rows} == {node.key for node in bench.inventory.main_nodes}


def test_one_row_stands_for_a_group(bench: Workbench) -> None:
    rows = RowSource(bench).rows(PrecisionPlan(), View(grouped=True))
    by_key = {row.key: row for row in rows}
    assert by_key[QUERY].members == (QUERY, QUERY_1)
    assert QUERY_1 not in by_key


def test_a_group_is_listed_if_one_member_is_found(bench: Workbench) -> None:
    rows = RowSource(bench).rows(PrecisionPlan(), View(grouped=True, pattern="query_1"))
    assert [row.members for row in rows] == [(QUERY, QUERY_1)]


def test_a_group_of_different_precisions_says_so(bench: Workbench) -> None:
    plan = PrecisionPlan({QUERY: Precision.FP16})
    row = RowSource(bench).row((QUERY, QUERY_1), plan)
    assert row.precision is None
    assert not row.locked


def test_a_filter_is_searched_anywhere_in_the_name(bench: Workbench) -> None:
    rows = RowSource(bench).rows(PrecisionPlan(), View(pattern="conv_post"))
    assert [row.key for row in rows] == ["/decoder/generator/conv_post/Conv"]


def test_a_broken_filter_is_an_error(bench: Workbench) -> None:
    with pytest.raises(SelectionError, match="invalid regular expression"):
        RowSource(bench).rows(PrecisionPlan(), View(pattern="("))


def test_missing_figures_come_last_either_way(bench: Workbench) -> None:
    bench.trials = TrialTable.of(
        [TrialRow(CONV, TrialKind.CAST, mel_distance=0.5), TrialRow(QUERY, TrialKind.CAST, mel_distance=0.1)]
    )
    for descending, first in ((True, CONV), (False, QUERY)):
        rows = RowSource(bench).rows(PrecisionPlan(), View(sort_column="fp16", descending=descending))
        assert rows[0].key == first
        assert [row.distances[0] for row in rows[2:]] == [None] * (len(rows) - 2)


@pytest.mark.parametrize("column", ["name", "op", "parameters", "size", "after", "int8", "w8", "precision", "lock"])
def test_every_column_sorts_either_way(bench: Workbench, column: str) -> None:
    plan = PrecisionPlan({CONV: Precision.INT8}, locked=frozenset({QUERY}))
    up, down = (RowSource(bench).rows(plan, View(sort_column=column, descending=d)) for d in (False, True))
    assert {row.key for row in up} == {row.key for row in down}


def test_an_unknown_sort_column_from_the_settings_is_the_size(bench: Workbench) -> None:
    rows = RowSource(bench).rows(PrecisionPlan(), View(sort_column="nonsense"))
    assert rows == RowSource(bench).rows(PrecisionPlan(), View())


def test_another_plan_changes_only_what_a_plan_decides(bench: Workbench) -> None:
    source = RowSource(bench)
    before = source.row((CONV,), PrecisionPlan())
    after = source.updated(before, PrecisionPlan({CONV: Precision.FP16}, locked=frozenset({CONV})))
    assert (after.precision, after.locked) == (Precision.FP16, True)
    assert after.after * 2 == before.after
    assert (after.name, after.size, after.order) == (before.name, before.size, before.order)
