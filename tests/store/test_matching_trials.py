"""Only the trial table of the model at hand is used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.errors import InputError
from kokoro_tui.store.matching_trials import default_table, read_matching_trials
from kokoro_tui.store.trial_meta import write_meta
from kokoro_tui.store.trial_table import append_rows
from tests.store.test_trial_meta import META

ROW = TrialRow("/enc/Conv", TrialKind.CAST, mel_distance=0.1)


def unasked() -> str:
    pytest.fail("the checksum takes a second and is not needed here")


def test_our_own_name_is_looked_for_first(tmp_path: Path) -> None:
    assert default_table(tmp_path) is None
    (tmp_path / "quantization_trials.csv").touch()
    assert default_table(tmp_path) == tmp_path / "quantization_trials.csv"
    (tmp_path / "quantization-trials.csv").touch()
    assert default_table(tmp_path) == tmp_path / "quantization-trials.csv"


def test_a_table_without_meta_is_taken_as_it_is(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    append_rows(table, [ROW])
    assert read_matching_trials(table, unasked).table.distance("/enc/Conv", TrialKind.CAST) == 0.1


def test_a_table_of_another_model_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    append_rows(table, [ROW])
    write_meta(table, replace(META, model_sha256="a" * 64))
    assert read_matching_trials(table, lambda: "a" * 64).bad_rows == 0
    with pytest.raises(
        InputError, match=r"t.meta.json says that t.csv is of another model .*aaaaaaaaaaaa.*bbbbbbbbbbbb"
    ):
        read_matching_trials(table, lambda: "b" * 64)
