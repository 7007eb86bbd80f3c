"""Whole runs on the miniature Kokoro, in this process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.sizing import MIB
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialTable
from kokoro_tui.errors import Cancelled, InputError, WorkError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.planner.limits import Limit, LimitKind
from kokoro_tui.planner.running import PlanEvent
from kokoro_tui.planner.session import PlanningRequest, PlanningResult, PlanningSession
from kokoro_tui.planner.units import Barred
from kokoro_tui.speech.utterance import prepare
from kokoro_tui.store.paths import cache_folder
from kokoro_tui.workbench import Workbench
from tests.planner.conftest import CLIPS, InlineTasks
from tests.python_versions import needs_kokoro
from tests.tui.conftest import named_model

STYLE = "/encoder/style/Gemm"
UPS = "/decoder/generator/ups.0/ConvTranspose"


def session_of(
    bench: Workbench,
    limit: Limit | None,
    *,
    workers: InlineTasks | None = None,
    minutes: float = 5.0,
    frontier: int = 0,
    base: PrecisionPlan | None = None,
    barred: Barred | None = None,
) -> PlanningSession:
    request = PlanningRequest(limit, minutes, frontier, base or PrecisionPlan(), barred or {}, clips=CLIPS)
    return PlanningSession(bench, request, workers or InlineTasks())


def size(bench: Workbench, share: float) -> Limit:
    """A limit at a share of the way from the smallest plan to the original."""
    whole, small = bench.inventory.file_bytes, smallest_bytes(bench)
    return Limit(LimitKind.SIZE, (small + share * (whole - small)) / MIB)


def smallest_bytes(bench: Workbench) -> int:
    """As the refusal of an impossible limit tells it, rounded up to the figures shown."""
    with pytest.raises(WorkError) as caught:
        session_of(bench, Limit(LimitKind.SIZE, 0.01))
    told = float(caught.value.message.split("smallest has ")[1].split(" MiB")[0])
    return round((told + 0.005) * MIB)


def finish(session: PlanningSession) -> PlanningResult:
    list(session.events())
    return session.result


def test_within_a_size(bench: Workbench, tmp_path: Path) -> None:
    limit = size(bench, 0.3)
    workers = InlineTasks()
    result = finish(session_of(bench, limit, workers=workers))
    assert result.reached
    assert result.complete
    assert workers.closed is False
    best = result.best
    assert best is not None
    assert best.measured.nbytes <= limit.nbytes
    assert best.measured.mel_distance > 0
    assert best.measured.nbytes == best.predicted.nbytes, "the size is exact before anything is built"
    report = build_model(bench.inventory.path, best.plan, tmp_path / "built.onnx")
    assert report.final_bytes == best.measured.nbytes
    assert best.measured.score == min(plan.measured.score for plan in result.measured)


def test_more_room_never_sounds_worse_by_its_own_prediction(bench: Workbench) -> None:
    tight, roomy = (finish(session_of(bench, size(bench, share))).measured[0] for share in (0.1, 0.7))
    assert roomy.predicted.score < tight.predicted.score
    assert roomy.measured.nbytes > tight.measured.nbytes


def test_the_same_question_has_the_same_answer(bench: Workbench) -> None:
    first, second = (finish(session_of(bench, size(bench, 0.4))) for _ in range(2))
    assert [p.plan.digest for p in first.measured] == [p.plan.digest for p in second.measured]
    assert [p.measured for p in first.measured] == [p.measured for p in second.measured]


def test_a_size_below_the_smallest_is_refused_before_anything_runs(bench: Workbench) -> None:
    with pytest.raises(WorkError, match=r"no plan is at most 0.01 MiB: the smallest has 0\.\d\d MiB"):
        session_of(bench, Limit(LimitKind.SIZE, 0.01))


def test_the_smallest_itself_can_be_had(bench: Workbench) -> None:
    result = finish(session_of(bench, Limit(LimitKind.SIZE, smallest_bytes(bench) / MIB)))
    assert result.reached
    assert result.best is not None
    assert set(result.best.plan.choices.values()) <= {Precision.W8, Precision.INT8}


@pytest.mark.parametrize(("kind", "value"), [(LimitKind.DISTANCE, 0.05), (LimitKind.NOISE, 0.2)])
def test_within_a_distance_or_a_noise(bench: Workbench, kind: LimitKind, value: float) -> None:
    limit = Limit(kind, value)
    result = finish(session_of(bench, limit))
    assert result.reached
    best = result.best
    assert best is not None
    assert limit.figure(best.measured) <= value
    assert best.measured.nbytes < bench.inventory.file_bytes
    kept = [plan for plan in result.measured if limit.keeps(plan.measured)]
    assert best.measured.nbytes == min(plan.measured.nbytes for plan in kept)


def test_a_distance_of_nothing_leaves_the_original(bench: Workbench) -> None:
    result = finish(session_of(bench, Limit(LimitKind.DISTANCE, 0.0)))
    assert result.reached
    assert result.best is not None
    assert result.best.measured.mel_distance == 0.0


def test_locked_nodes_keep_what_they_have(bench: Workbench) -> None:
    base = PrecisionPlan({UPS: Precision.FP16, STYLE: Precision.W8}, frozenset({UPS}))
    result = finish(session_of(bench, Limit(LimitKind.SIZE, 0.6), base=base))
    assert result.best is not None
    for found in result.measured:
        assert found.plan.precision_of(UPS) is Precision.FP16
        assert found.plan.locked == {UPS}


def test_a_target_is_honoured(bench: Workbench) -> None:
    barred = {node.key: [Precision.W8, Precision.INT8] for node in bench.inventory.main_nodes}
    result = finish(session_of(bench, Limit(LimitKind.DISTANCE, 1.0), barred=barred))
    assert result.best is not None
    assert set(result.best.plan.choices.values()) == {Precision.FP16}


def test_the_frontier_goes_from_the_smallest_to_the_original(bench: Workbench) -> None:
    session = session_of(bench, None, frontier=6)
    plans = [plan for event in session.events() for plan in event.plans]
    frontier = session.result.frontier
    assert sorted(p.measured.nbytes for p in plans) == [p.measured.nbytes for p in frontier]
    assert 4 <= len(frontier) <= 6
    assert len({p.plan.digest for p in frontier}) == len(frontier)
    assert frontier[-1].measured.nbytes == bench.inventory.file_bytes
    assert frontier[-1].measured.mel_distance == 0.0
    assert not frontier[-1].plan.choices
    assert frontier[0].measured.nbytes <= smallest_bytes(bench)


def test_what_no_trial_covers_is_heard_alone(bench: Workbench) -> None:
    """The embedding is no candidate, so no table ever covers it."""
    workers = InlineTasks()
    result = finish(session_of(bench, size(bench, 0.0), workers=workers))
    assert workers.calls[: workers.calls.index("solve")].count("measure_plan") == 2
    assert result.best is not None
    assert result.best.plan.precision_of("/encoder/embedding/Gather") is Precision.W8


def test_what_fails_alone_stays_as_it_is(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise WorkError("it broke")

    monkeypatch.setattr("kokoro_tui.planner.session.probe_plan", fail)
    result = finish(session_of(bench, Limit(LimitKind.DISTANCE, 0.3)))
    assert result.best is not None
    assert result.best.plan.precision_of(UPS) is not Precision.FP32, "its trial says enough"


def stop_at(task: str, session: Callable[[], PlanningSession]) -> Callable[[str], None]:
    """Stops the run when a task of that name has been started for the second time."""
    seen: list[str] = []

    def before(name: str) -> None:
        seen.append(name)
        if seen.count(task) == 2:
            session().stop()

    return before


def test_a_stop_keeps_the_best_that_was_measured(bench: Workbench) -> None:
    sessions: list[PlanningSession] = []
    workers = InlineTasks(stop_at("solve", lambda: sessions[0]))
    sessions.append(session_of(bench, Limit(LimitKind.DISTANCE, 0.05), workers=workers))
    result = finish(sessions[0])
    assert len(result.measured) == 1
    assert result.best is result.measured[0]
    assert not result.complete
    assert workers.closed is True, "tasks that run are ended"


def test_a_stop_before_anything_is_measured_says_so(bench: Workbench) -> None:
    session = session_of(bench, size(bench, 0.5))
    session.stop()
    with pytest.raises(Cancelled, match="before a plan was measured"):
        list(session.events())


def test_the_time_is_kept(bench: Workbench) -> None:
    with pytest.raises(WorkError, match="was up before a plan was measured"):
        list(session_of(bench, size(bench, 0.5), minutes=1e-6).events())


def test_a_worker_that_dies_is_replaced(bench: Workbench) -> None:
    workers = InlineTasks(deaths=1)
    assert finish(session_of(bench, size(bench, 0.5), workers=workers)).reached
    assert workers.restarts == 1


def test_workers_that_die_again_and_again_end_the_run(bench: Workbench) -> None:
    with pytest.raises(WorkError, match="worker processes ended early"):
        list(session_of(bench, size(bench, 0.5), workers=InlineTasks(deaths=100)).events())


def test_nothing_is_left_behind(bench: Workbench) -> None:
    finish(session_of(bench, size(bench, 0.5)))
    assert list(cache_folder().iterdir()) == []


def test_progress_never_goes_back(bench: Workbench) -> None:
    events: list[PlanEvent] = list(session_of(bench, size(bench, 0.5)).events())
    shares = [event.share for event in events]
    assert shares == sorted(shares)
    assert all(0 <= share <= 1 for share in shares)
    assert any("probing" in event.stage for event in events)


def test_it_runs_on_a_thread_with_processes_of_its_own(bench: Workbench) -> None:
    """As the screen and the command line run it."""
    request = PlanningRequest(size(bench, 0.5), 2.0, clips=CLIPS[1:], workers=1)
    session = PlanningSession(bench, request)
    thread = threading.Thread(target=lambda: list(session.events()))
    thread.start()
    thread.join(120)
    assert not thread.is_alive()
    assert session.result.reached


def test_a_model_that_cannot_be_heard_is_refused(tmp_path: Path) -> None:
    bench = Workbench.open(named_model(tmp_path / "chain.onnx", "/a/MatMul"))
    with pytest.raises(InputError, match="does not have Kokoro's inputs"):
        session_of(bench, Limit(LimitKind.SIZE, 1.0))


def test_without_trials_it_says_what_to_run(bench: Workbench) -> None:
    bench.trials = None
    with pytest.raises(InputError, match="no trial results") as caught:
        session_of(bench, Limit(LimitKind.SIZE, 1.0))
    assert "trial-quantization" in caught.value.hint


def test_no_time_and_no_question_are_refused(bench: Workbench) -> None:
    with pytest.raises(InputError, match="in 0 minutes"):
        session_of(bench, Limit(LimitKind.SIZE, 1.0), minutes=0.0)
    with pytest.raises(InputError, match="nothing is asked for"):
        session_of(bench, None)


@needs_kokoro
@pytest.mark.real
def test_a_plan_of_the_real_model(real_model: Path) -> None:
    """Only the first block of the pitch predictor is free: probed, chosen, built and heard on one short clip."""
    bench = Workbench.open(real_model)
    free = bench.select("^/F0(.0|_proj)/").keys
    measured = {TrialKind.CAST: 0.06, TrialKind.WEIGHT: 0.27}  # about what trials of these nodes read
    bench.trials = TrialTable.of(
        TrialRow(key, kind, mel_distance=distance, added_noise_db=5 * distance)
        for key in free
        for kind, distance in measured.items()
    )
    base = PrecisionPlan(locked=frozenset(node.key for node in bench.inventory.main_nodes) - set(free))
    clips = prepare("Hello there.", voice="jf_alpha", allow_network=False)
    limit = Limit(LimitKind.SIZE, bench.inventory.file_bytes / MIB - 4)
    result = finish(PlanningSession(bench, PlanningRequest(limit, 0.6, base=base, clips=clips)))
    assert result.reached
    best = result.best
    assert best is not None
    assert best.measured.nbytes == best.predicted.nbytes <= limit.nbytes
    assert 0 < best.measured.mel_distance < 0.6
    assert best.predicted.mel_distance == pytest.approx(best.measured.mel_distance, rel=1.0)
    assert set(best.plan.choices) <= set(free)
    assert best.plan.precision_of("/F0_proj/Conv") is Precision.FP32, "a hazard keeps it from the planner"
