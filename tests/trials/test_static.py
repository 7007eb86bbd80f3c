"""Static trials: calibrated once a run, kept apart from those of another calibration."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import WeightType
from kokoro_tui.core.trials import TrialKind, TrialStatus
from kokoro_tui.engine.calibrate import calibration_identity
from kokoro_tui.errors import InputError
from kokoro_tui.store.trial_meta import TrialMeta, read_meta
from kokoro_tui.store.trial_table import read_trials
from kokoro_tui.trials.session import TrialRequest, TrialSession
from kokoro_tui.trials.workers import ExecutorWorkers
from kokoro_tui.workbench import Workbench
from tests.trials.conftest import clip

STATIC, CAST = TrialKind.STATIC, TrialKind.CAST
KEY = "/encoder/style/Gemm"
ON = (clip(3, 60, 90, 2), clip(71, 8))


@pytest.fixture
def bench(toy_model: Path) -> Workbench:
    return Workbench.open(toy_model)


@pytest.fixture
def workers() -> Iterator[ExecutorWorkers]:
    with ThreadPoolExecutor(1) as pool:
        yield ExecutorWorkers(pool, 1)


def request(output: Path, *kinds: TrialKind, keys: tuple[str, ...] = (KEY,), **options: object) -> TrialRequest:
    return TrialRequest(output, (clip(5, 17, 42),), keys, kinds, **options)  # type: ignore[arg-type]


def run(bench: Workbench, wanted: TrialRequest, workers: ExecutorWorkers) -> TrialSession:
    session = TrialSession(bench, wanted, workers)
    list(session.events())
    return session


def meta_of(table: Path) -> TrialMeta:
    found = read_meta(table)
    assert found is not None
    return found


def test_every_candidate_is_tried_or_skipped_with_the_reason(
    bench: Workbench, tmp_path: Path, workers: ExecutorWorkers
) -> None:
    table = tmp_path / "t.csv"
    keys = tuple(node.key for node in bench.inventory.candidates)
    session = run(bench, request(table, STATIC, keys=keys, calibration_clips=ON), workers)
    rows = read_trials(table).table.rows
    assert {key for key, _ in rows} == set(keys)
    tried = {bench.inventory.by_key[key].op for key, kind in rows if rows[key, kind].status is TrialStatus.OK}
    assert tried == {"Conv", "Gemm", "MatMul"}
    assert rows["/encoder/lstm/LSTM", STATIC].reason == "LSTM has no static INT8 form"
    assert (rows[KEY, STATIC].mel_distance or 0.0) > 0.0
    assert session.context is not None
    assert session.context.calibration is not None
    assert "style" in session.context.calibration.ranges
    assert meta_of(table).calibration == calibration_identity(ON, Calibration())


def test_the_shipped_sentences_are_taken_unless_others_are_given(
    bench: Workbench, tmp_path: Path, workers: ExecutorWorkers
) -> None:
    shipped = run(bench, request(tmp_path / "a.csv", STATIC, calibration=Calibration(samples=1)), workers)
    given = run(bench, request(tmp_path / "b.csv", STATIC, calibration_clips=ON), workers)
    assert shipped.context is not None
    assert given.context is not None
    assert shipped.context.calibration != given.context.calibration
    assert shipped.meta.calibration != given.meta.calibration != ""


def test_another_calibration_is_refused(bench: Workbench, tmp_path: Path, workers: ExecutorWorkers) -> None:
    table = tmp_path / "t.csv"
    run(bench, request(table, STATIC, calibration_clips=ON), workers)
    with pytest.raises(InputError, match="the calibration is"):
        TrialSession(bench, request(table, STATIC, calibration_clips=ON[:1]), workers)
    int8 = Calibration(WeightType.QINT8)
    with pytest.raises(InputError, match="the calibration is"):
        TrialSession(bench, request(table, STATIC, calibration_clips=ON, calibration=int8), workers)
    with pytest.raises(InputError, match="no kernel for INT8 activations"):
        TrialSession(bench, request(table, STATIC, weight_type=WeightType.QUINT8, calibration=int8), workers)


def test_rows_of_other_kinds_do_not_depend_on_the_calibration(
    bench: Workbench, tmp_path: Path, workers: ExecutorWorkers
) -> None:
    table = tmp_path / "t.csv"
    run(bench, request(table, CAST), workers)
    assert meta_of(table).calibration == ""
    run(bench, request(table, STATIC, calibration_clips=ON), workers)
    identity = meta_of(table).calibration
    assert identity == calibration_identity(ON, Calibration())
    session = run(bench, request(table, CAST, STATIC, calibration_clips=ON), workers)
    assert (session.plan.trials, session.plan.done) == ((), 2)
    run(bench, request(table, TrialKind.WEIGHT), workers)
    assert meta_of(table).calibration == identity
    assert {kind for _, kind in read_trials(table).table.rows} == {CAST, STATIC, TrialKind.WEIGHT}
