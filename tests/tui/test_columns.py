from __future__ import annotations

import pytest

from kokoro_tui.tui.widgets.columns import COLUMNS, fitted, layout_for

NEEDS = {"name": 70, "op": 21}
PLAIN = tuple(spec for spec in COLUMNS if not spec.trial)
NAME, SIZE = COLUMNS[0], COLUMNS[3]


@pytest.mark.parametrize("available", [79, 80, 100, 131, 200])
@pytest.mark.parametrize("specs", [PLAIN, COLUMNS])
def test_every_column_fits_from_eighty_cells_on(available: int, specs: tuple[object, ...]) -> None:
    layout = layout_for([spec for spec in COLUMNS if spec in specs], available, NEEDS)
    assert all(layout.widths.values())
    assert layout.total <= available


@pytest.mark.parametrize("available", [29, 39, 60])
def test_a_very_narrow_table_keeps_name_size_after_and_precision(available: int) -> None:
    layout = layout_for(COLUMNS, available, NEEDS)
    assert layout.widths["name"] >= 20
    assert layout.widths["precision"] == 5
    assert layout.widths["op"] == 0
    if available >= 39:
        assert layout.widths["after"] == 6
        assert layout.total <= available


def test_a_wide_table_has_long_labels_and_whole_names() -> None:
    layout = layout_for(PLAIN, 200, NEEDS)
    assert layout.long_labels
    assert layout.widths["name"] >= 70


def test_a_table_takes_no_more_than_it_needs() -> None:
    assert layout_for(PLAIN, 400, {"name": 30, "op": 8}).widths["name"] == 30


def test_long_names_lose_their_beginning() -> None:
    assert fitted("/decoder/generator/conv_post/Conv", 16, NAME) == "…/conv_post/Conv"
    assert fitted("/lstm", 8, NAME) == "/lstm   "


def test_wide_characters_are_cut_to_the_cell() -> None:
    assert fitted("日本語日本語", 6, NAME) == "…本語 "


def test_figures_are_aligned_to_the_right() -> None:
    assert fitted("1.5", 6, SIZE) == "   1.5"
    assert fitted("12345.678", 6, SIZE) == "12345…"
