"""The run: order, failures, dying workers, pause, stop, resume, and any executor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from kokoro_tui.core.trials import TrialKind, TrialRow, TrialStatus
from kokoro_tui.errors import Cancelled, InputError
from kokoro_tui.store.trial_meta import read_meta
from kokoro_tui.store.trial_table import append_rows, read_trials
from kokoro_tui.trials.context import TrialContext
from kokoro_tui.trials.evaluate import TrialFigures, TrialSpec
from kokoro_tui.trials.run import TrialControl, TrialEvent, TrialRun
from kokoro_tui.trials.schedule import schedule
from kokoro_tui.trials.session import TrialRequest, TrialSession
from kokoro_tui.trials.workers import ExecutorWorkers
from kokoro_tui.workbench import Workbench
from tests.trials.conftest import clip

FIGURES = TrialFigures(0.1, 0.2, 0.1, 1.0, 0, 0, 0.01)


class FakeWorkers:
    """Answers at once; trials in ``deadly`` kill their worker, those in ``failing`` fail."""

    count = 2

    def __init__(self, deadly: frozenset[str] = frozenset(), failing: frozenset[str] = frozenset()) -> None:
        self.deadly, self.failing = deadly, failing
        self.submitted: list[TrialSpec] = []
        self.restarts = 0

    def submit(self, context: TrialContext, spec: TrialSpec) -> Future[TrialFigures | str]:
        self.submitted.append(spec)
        future: Future[TrialFigures | str] = Future()
        if self.deadly & set(spec.members):
            future.set_exception(BrokenProcessPool("killed"))
        else:
            future.set_result("it broke" if self.failing & set(spec.members) else FIGURES)
        return future

    def restart(self) -> None:
        self.restarts += 1

    def close(self, *, now: bool) -> None:
        pass


@pytest.fixture
def bench(toy_model: Path) -> Workbench:
    return Workbench.open(toy_model)


def run_of(
    bench: Workbench, context: TrialContext, workers: FakeWorkers, control: TrialControl | None = None
) -> tuple[TrialRun, list[TrialRow]]:
    kept: list[TrialRow] = []
    plan = schedule(bench.inventory, [node.key for node in bench.inventory.candidates])
    run = TrialRun(bench.inventory, context, plan, workers, kept.extend, control or TrialControl())
    return run, kept


def test_all_trials_run_largest_saving_first(bench: Workbench, toy_context: TrialContext) -> None:
    workers = FakeWorkers()
    run, kept = run_of(bench, toy_context, workers)
    last = list(run.events())[-1].progress
    plan = schedule(bench.inventory, [node.key for node in bench.inventory.candidates])
    assert last.finished == last.total == len(plan.trials) == len(workers.submitted)
    assert [spec.members for spec in workers.submitted] == [trial.spec.members for trial in plan.trials]
    assert [t.saved_bytes for t in plan.trials] == sorted((t.saved_bytes for t in plan.trials), reverse=True)
    shared = [row for row in kept if row.name.startswith("/encoder/bert") and row.kind is TrialKind.CAST]
    assert {row.name for row in shared} == {
        "/encoder/bert/layer/query/MatMul",
        "/encoder/bert/layer/query_1/MatMul",
    }
    assert {row.group for row in shared} == {"/encoder/bert/layer/query/MatMul"}


def test_what_an_op_cannot_do_is_skipped_with_the_reason(bench: Workbench) -> None:
    plan = schedule(bench.inventory, ["/decoder/generator/ups.0/ConvTranspose"])
    (row,) = plan.skipped
    assert (row.kind, row.status) == (TrialKind.QUANT, TrialStatus.SKIPPED)
    assert "no dynamic INT8 form" in row.reason


def test_per_node_takes_groups_apart(bench: Workbench) -> None:
    keys = ["/encoder/bert/layer/query/MatMul", "/encoder/bert/layer/query_1/MatMul"]
    together = schedule(bench.inventory, keys, [TrialKind.CAST])
    apart = schedule(bench.inventory, keys, [TrialKind.CAST], per_node=True)
    assert [len(trial.keys) for trial in together.trials] == [2]
    assert [len(trial.keys) for trial in apart.trials] == [1, 1]


def test_a_failed_trial_is_one_failed_row(bench: Workbench, toy_context: TrialContext) -> None:
    failing = bench.inventory.by_key["/encoder/style/Gemm"].outputs[0]
    run, kept = run_of(bench, toy_context, FakeWorkers(failing=frozenset({failing})))
    last = list(run.events())[-1].progress
    failed = [row for row in kept if row.status is TrialStatus.FAILED]
    assert {row.name for row in failed} == {"/encoder/style/Gemm"}
    assert {row.reason for row in failed} == {"it broke"}
    assert last.failed == len(failed) == 3
    assert last.finished == last.total


def test_a_worker_that_dies_twice_fails_only_its_own_trial(bench: Workbench, toy_context: TrialContext) -> None:
    deadly = bench.inventory.by_key["/encoder/lstm/LSTM"].outputs[0]
    workers = FakeWorkers(deadly=frozenset({deadly}))
    run, kept = run_of(bench, toy_context, workers)
    last = list(run.events())[-1].progress
    failed = {(row.name, row.reason) for row in kept if row.status is TrialStatus.FAILED}
    assert failed == {("/encoder/lstm/LSTM", "its worker died twice")}
    assert last.finished == last.total
    assert workers.restarts == 5  # three kinds, two deaths each; one death hit two that ran side by side


def test_pause_starts_nothing_and_stop_ends_the_run(bench: Workbench, toy_context: TrialContext) -> None:
    control = TrialControl()
    control.toggle_pause()
    workers = FakeWorkers()
    run, _ = run_of(bench, toy_context, workers, control)
    events = run.events()
    assert next(events).progress.paused
    next(events)
    assert not workers.submitted
    control.toggle_pause()
    assert next(events).rows
    control.stop.set()
    with pytest.raises(Cancelled):
        next(events)


def test_a_selection_narrows_the_run_while_it_goes_on(bench: Workbench, toy_context: TrialContext) -> None:
    control = TrialControl()
    control.select(frozenset({"/decoder/encode/Conv"}))
    workers = FakeWorkers()
    run, _ = run_of(bench, toy_context, workers, control)
    events = run.events()
    for _ in range(6):
        next(events)
    assert len(workers.submitted) == 3
    control.select(None)
    last = list(events)[-1].progress
    assert last.finished == last.total == len(workers.submitted)


def request(output: Path, keys: tuple[str, ...], **options: object) -> TrialRequest:
    return TrialRequest(output, (clip(5, 17, 42),), keys, **options)  # type: ignore[arg-type]


def threads() -> Iterator[ExecutorWorkers]:
    with ThreadPoolExecutor(1) as pool:
        yield ExecutorWorkers(pool, 1)


@pytest.fixture
def thread_workers() -> Iterator[ExecutorWorkers]:
    yield from threads()


def finish(session: TrialSession) -> list[TrialEvent]:
    return list(session.events())


def test_a_session_writes_the_table_and_a_second_one_has_nothing_to_do(
    bench: Workbench, tmp_path: Path, thread_workers: ExecutorWorkers
) -> None:
    table = tmp_path / "trials.csv"
    keys = tuple(node.key for node in bench.inventory.candidates)
    first = TrialSession(bench, request(table, keys), thread_workers)
    finish(first)
    rows = read_trials(table).table.rows
    assert {row.status for row in rows.values()} == {TrialStatus.OK, TrialStatus.SKIPPED}
    assert first.context is not None
    assert first.context.noise_floor == 0.0
    assert not first.context.folder.exists()
    meta = read_meta(table)
    assert meta is not None
    assert meta.model_sha256 == bench.model_sha256
    size = table.stat().st_size
    second = TrialSession(bench, request(table, keys), thread_workers)
    assert second.plan.trials == ()
    assert second.plan.done == len(first.plan.trials)
    assert finish(second) == []
    assert table.stat().st_size == size


def test_a_table_of_another_run_is_refused_and_fresh_moves_it_aside(
    bench: Workbench, tmp_path: Path, thread_workers: ExecutorWorkers
) -> None:
    table = tmp_path / "trials.csv"
    keys = ("/encoder/style/Gemm",)
    finish(TrialSession(bench, request(table, keys), thread_workers))
    with pytest.raises(InputError, match="noise seed") as caught:
        TrialSession(bench, request(table, keys, seed=1), thread_workers)
    assert "--fresh" in caught.value.hint
    again = TrialSession(bench, request(table, keys, seed=1, fresh=True), thread_workers)
    assert len(again.plan.trials) == 3
    assert len(list(tmp_path.glob("trials*.csv"))) == 1
    assert "moved" not in again.notes


def test_failed_rows_are_tried_again(bench: Workbench, tmp_path: Path, thread_workers: ExecutorWorkers) -> None:
    table = tmp_path / "trials.csv"
    key = "/encoder/style/Gemm"
    finish(TrialSession(bench, request(table, (key,)), thread_workers))
    append_rows(table, [TrialRow(key, TrialKind.CAST, "Gemm", 1, 4, status=TrialStatus.FAILED, reason="x")])
    session = TrialSession(bench, request(table, (key,)), thread_workers)
    assert [trial.kind for trial in session.plan.trials] == [TrialKind.CAST]


def test_nothing_to_try_is_an_error(bench: Workbench, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to try"):
        TrialSession(bench, request(tmp_path / "t.csv", ()))


KILLED_RUN = """
import sys
from pathlib import Path
from kokoro_tui.trials.session import TrialRequest, TrialSession
from kokoro_tui.workbench import Workbench
from tests.trials.conftest import clip

if __name__ == "__main__":
    bench = Workbench.open(Path(sys.argv[1]))
    keys = tuple(node.key for node in bench.inventory.candidates)
    session = TrialSession(bench, TrialRequest(Path(sys.argv[2]), (clip(5, 17, 42),), keys, workers=1))
    for event in session.events():
        print(event.progress.finished, flush=True)
"""


def test_kill_9_loses_and_repeats_nothing(bench: Workbench, toy_model: Path, tmp_path: Path) -> None:
    """The real thing: worker processes, killed in the middle with their parent, then started again."""
    script, table = tmp_path / "run.py", tmp_path / "trials.csv"
    script.write_text(KILLED_RUN)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
    command = [sys.executable, str(script), str(toy_model), str(table)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 4:
            process.send_signal(signal.SIGKILL)
            break
    process.wait()
    process.stdout.close()
    before = read_trials(table)
    kept = {pair: row for pair, row in before.table.rows.items() if row.status is TrialStatus.OK}
    assert len(kept) >= 4
    with table.open("ab") as handle:
        handle.write(b"/encoder/torn,cast,Conv,12")  # what a kill inside a write leaves
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    lines = table.read_text().splitlines()
    names = [tuple(line.split(",")[:2]) for line in lines[1:]]
    assert len(names) == len(set(names)), "a trial was repeated"
    after = read_trials(table).table.rows
    assert all(after[pair] == row for pair, row in kept.items())
    assert not any("torn" in name for name, _ in names)
    assert {row.status for row in after.values()} == {TrialStatus.OK, TrialStatus.SKIPPED}


def test_stop_ends_worker_processes_within_a_second(bench: Workbench, tmp_path: Path) -> None:
    keys = tuple(node.key for node in bench.inventory.candidates)
    session = TrialSession(bench, request(tmp_path / "t.csv", keys, workers=2))
    with pytest.raises(Cancelled):
        for event in session.events():
            if event.progress.finished:
                session.control.stop.set()
                stopped = time.monotonic()
    assert time.monotonic() - stopped < 3  # a second, and what a loaded machine adds
    assert read_trials(tmp_path / "t.csv").table.rows


def test_a_dask_cluster_runs_the_trials(bench: Workbench, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="pip install kokoro-tui[dask]")
    table = tmp_path / "trials.csv"
    keys = ("/encoder/style/Gemm", "/decoder/encode/Conv")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        session = TrialSession(bench, request(table, keys), ExecutorWorkers(client.get_executor(pure=False), 1))
        finish(session)
    rows = read_trials(table).table.rows
    assert len(rows) == 6
    assert {row.status for row in rows.values()} == {TrialStatus.OK}
