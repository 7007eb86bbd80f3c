"""The journal: what was done is there again after a crash, and nothing of a session that was closed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.plan import PlanHistory, PrecisionPlan
from kokoro_tui.core.precision import Precision, WeightType
from kokoro_tui.store.journal import CutOffSession, Journal, _replay, _step, discard, find_cut_off

KEYS = ("/a/Conv", "/b/MatMul", "/c/[red]\x1b[31m/LSTM")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"weights")
    return path


def changed(history: PlanHistory) -> PlanHistory:
    """One more change."""
    key = KEYS[len(history.past) % len(KEYS)]
    return history.push(history.current.with_precision([key], Precision.FP16))


def cut_off(model: Path) -> tuple[CutOffSession, ...]:
    """What the next start of another process finds."""
    return find_cut_off(model)


def leave(journal: Journal) -> None:
    """End like a crash that was noticed: everything is written, nothing is removed."""
    journal.close(keep=True)


def test_a_closed_session_leaves_nothing(model: Path) -> None:
    journal = Journal(model)
    journal.step(PlanHistory(PrecisionPlan()), changed(PlanHistory(PrecisionPlan())))
    journal.close(keep=False)
    assert cut_off(model) == ()
    assert not journal.path.exists()


def test_everything_comes_back(model: Path) -> None:
    journal = Journal(model)
    first = PlanHistory(PrecisionPlan())
    second = changed(first)
    third = second.push(second.current.excluding([KEYS[2]]))
    for before, after in ((first, second), (second, third), (third, third.undo())):
        journal.step(before, after)
    journal.record({"marked": [KEYS[1]]})
    journal.record({"kept": "abc:"})
    journal.record({"text": "She sells sea shells.", "voice": None})
    leave(journal)
    (session,) = cut_off(model)
    assert session.history == third.undo()
    assert session.history.future == (third.current,)
    assert (session.marked, session.kept, session.changes) == (frozenset({KEYS[1]}), "abc:", 3)
    assert (session.text, session.voice) == ("She sells sea shells.", None)
    discard(session)
    assert cut_off(model) == ()


def test_a_living_session_is_not_offered(model: Path) -> None:
    journal = Journal(model)
    journal.step(PlanHistory(PrecisionPlan()), changed(PlanHistory(PrecisionPlan())))
    assert cut_off(model) == ()
    leave(journal)
    assert len(cut_off(model)) == 1


def test_a_session_without_changes_is_not_offered(model: Path) -> None:
    journal = Journal(model)
    journal.record({"marked": [KEYS[0]]})
    leave(journal)
    assert cut_off(model) == ()


def test_another_model_under_the_same_name_gets_nothing(model: Path) -> None:
    journal = Journal(model)
    journal.step(PlanHistory(PrecisionPlan()), changed(PlanHistory(PrecisionPlan())))
    leave(journal)
    model.write_bytes(b"other weights")
    assert cut_off(model) == ()


def test_a_torn_last_line_costs_only_itself(model: Path) -> None:
    journal = Journal(model)
    first = PlanHistory(PrecisionPlan())
    journal.step(first, changed(first))
    journal.step(changed(first), changed(changed(first)))
    leave(journal)
    content = journal.path.read_bytes()
    journal.path.write_bytes(content[:-7])
    (session,) = cut_off(model)
    assert session.history == changed(first)


@pytest.mark.parametrize(
    "line", ["{}", "[]", "nonsense", '{"step": "change"}', '{"step": "change", "choices": {"/a": "fp8"}}', "[" * 9000]
)
def test_what_somebody_else_wrote_is_no_crash(model: Path, line: str) -> None:
    journal = Journal(model)
    leave(journal)
    with journal.path.open("a") as handle:
        handle.write(line + "\n")
    assert cut_off(model) == ()


def test_journals_of_long_ago_are_removed(model: Path) -> None:
    journal = Journal(model)
    journal.step(PlanHistory(PrecisionPlan()), changed(PlanHistory(PrecisionPlan())))
    leave(journal)
    os.utime(journal.path, (1, 1))
    assert cut_off(model) == ()
    assert not journal.path.exists()


_SESSION = """
import sys, time
from pathlib import Path
from kokoro_tui.core.plan import PlanHistory, PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.store.journal import Journal
journal, history = Journal(Path(sys.argv[1])), PlanHistory(PrecisionPlan())
for number in range(10_000):
    after = history.push(history.current.with_precision([f"/node/{number}"], Precision.W8))
    journal.step(history, after)
    history = after
    if number == 50:
        deadline = time.monotonic() + 60
        while not journal.path.exists() or journal.path.stat().st_size < 1000:
            assert time.monotonic() < deadline
            time.sleep(0.001)  # the journal has a thread of its own
        print("fifty", flush=True)
"""


def test_a_killed_session_is_offered_with_what_it_had_written(model: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SESSION, str(model)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "fifty\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    (session,) = cut_off(model)
    plan = session.history.current
    assert set(plan.choices.values()) == {Precision.W8}
    assert list(plan.choices) == [f"/node/{number}" for number in range(session.changes)]


plans = st.builds(
    PrecisionPlan,
    st.dictionaries(st.sampled_from(KEYS), st.sampled_from(list(Precision))),
    st.frozensets(st.sampled_from(KEYS)),
    st.sampled_from(list(WeightType)),
    st.none() | st.builds(Calibration, activation_type=st.sampled_from(list(WeightType)), samples=st.integers(0, 9)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(plans, st.sampled_from(["undo", "redo"])), max_size=12))
def test_any_course_replays_to_the_same_history(course: list[PrecisionPlan | str]) -> None:
    history = replayed = PlanHistory(PrecisionPlan())
    for move in course:
        after = getattr(history, move)() if isinstance(move, str) else history.push(move)
        if (record := _step(history, after)) is not None:
            replayed = _replay(replayed, json.loads(json.dumps(record)))
        history = after
    assert replayed == history
