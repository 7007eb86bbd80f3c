"""A job in a child process: what comes back, what does not get out, and how it ends."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import Cancelled, ExitCode, InputError, WorkError
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.jobs import tasks
from kokoro_tui.jobs.child import interrupts_held, run_in_child
from tests.graph.plans import everything_at
from tests.jobs import child_targets

WAIT_SECONDS = 10


def is_running(pid: int) -> bool:
    """Whether a process exists and has not ended; one that nobody has waited for yet has ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_progress_comes_in_order_and_the_result_after_it() -> None:
    seen: list[tuple[str, float, int]] = []
    result = run_in_child(
        child_targets.report_progress,
        4,
        on_progress=lambda stage, share: seen.append((stage, share, threading.get_ident())),
    )
    assert [(stage, share) for stage, share, _ in seen] == [(f"stage {i}", (i + 1) / 4) for i in range(4)]
    assert {thread for _, _, thread in seen} == {threading.get_ident()}
    assert result["count"] == 4
    assert result["pid"] != os.getpid()
    assert not is_running(result["pid"])


def test_named_arguments_reach_the_target() -> None:
    assert run_in_child(child_targets.report_progress, count=0)["count"] == 0


def test_an_error_of_the_tool_crosses_over_with_its_hint() -> None:
    with pytest.raises(InputError, match=r"^nothing fits$") as caught:
        run_in_child(child_targets.refuse)
    assert (caught.value.hint, caught.value.exit_code) == ("try something else", ExitCode.USAGE)


@pytest.mark.parametrize("cause", [None, KeyError("weight")])
def test_the_log_has_a_traceback_of_what_failed_and_none_of_what_is_refused(
    cause: Exception | None, tmp_path: Path
) -> None:
    log = tmp_path / "job.log"
    with pytest.raises(WorkError, match=r"^no plan is that small$"):
        run_in_child(child_targets.find_nothing, cause, log_path=log)
    text = log.read_text()
    assert "ERROR no plan is that small" in text
    assert ("KeyError: 'weight'" in text) is ("Traceback" in text) is (cause is not None)


def test_an_unexpected_error_is_one_line_here_and_a_traceback_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "state" / "job.log"
    with pytest.raises(WorkError, match=r"^unexpected failure: KeyError: 'first line\\nsecond line'$") as caught:
        run_in_child(child_targets.fail, log_path=log)
    assert str(log) in caught.value.hint
    text = log.read_text()
    assert "Traceback" in text
    assert "in fail" in text


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (child_targets.run_out_of_memory, "there is not enough memory"),
        (child_targets.give_up, "unexpected failure: SystemExit: given up"),
        (child_targets.return_unreadable, "unexpected failure: TypeError: this value stays here"),
        (child_targets.vanish, r"the worker process ended early \(exit code 3\)"),
    ],
)
def test_however_a_child_fails_it_is_an_error_of_the_tool(target: Callable[..., object], message: str) -> None:
    with pytest.raises(WorkError, match=message) as caught:
        run_in_child(target)
    assert caught.value.hint or target is not child_targets.vanish


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_child_that_is_killed_is_named_with_its_signal(number: signal.Signals) -> None:
    with pytest.raises(WorkError, match=f"the worker process was ended by {number.name}"):
        run_in_child(child_targets.die, int(number))


def test_an_error_of_the_listener_ends_the_child(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def listen(stage: str, share: float) -> None:
        raise RuntimeError("the listener has gone")

    with pytest.raises(RuntimeError, match="the listener has gone"):
        run_in_child(child_targets.wait_for_ever, started, on_progress=listen)
    assert not is_running(int(started.read_text()))


# Cancelling


@pytest.mark.parametrize("target", [child_targets.wait_for_ever, child_targets.ignore_the_request_to_end])
def test_cancelling_ends_the_child_within_a_second(target: Callable[..., None], tmp_path: Path) -> None:
    started, cancel = tmp_path / "started", threading.Event()
    times: list[float] = []

    def listen(stage: str, share: float) -> None:
        times.append(monotonic())
        cancel.set()

    with pytest.raises(Cancelled) as caught:
        run_in_child(target, started, on_progress=listen, cancel=cancel)
    assert monotonic() - times[0] < 1.0
    assert caught.value.exit_code is ExitCode.INTERRUPTED
    assert not is_running(int(started.read_text()))


def test_what_was_cancelled_before_it_began_does_nothing(tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        run_in_child(child_targets.wait_for_ever, tmp_path / "started", cancel=cancel)


@pytest.mark.parametrize("ending", ["cancelled", "killed"])
def test_a_child_that_is_ended_leaves_no_half_made_file(ending: str, tmp_path: Path) -> None:
    target, cancel = tmp_path / "target.onnx", threading.Event()
    target.write_bytes(b"an earlier build")
    halves: list[str] = []

    def listen(stage: str, share: float) -> None:
        (half,) = (path.name for path in tmp_path.iterdir() if path != target)
        halves.append(half)
        if ending == "cancelled":
            cancel.set()
        else:
            os.kill(int(half.rpartition("-")[2]), signal.SIGKILL)

    with pytest.raises((Cancelled, WorkError)):
        run_in_child(child_targets.write_for_ever, target, on_progress=listen, cancel=cancel)
    assert len(halves) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["target.onnx"]
    assert target.read_bytes() == b"an earlier build"


def test_a_build_that_is_cancelled_leaves_everything_as_it_was(toy_model: Path) -> None:
    target, cancel = toy_model.with_name("target.onnx"), threading.Event()
    target.write_bytes(b"an earlier build")
    content = toy_model.read_bytes()
    plan = everything_at(read_inventory(toy_model), Precision.W8)
    with pytest.raises(Cancelled):
        run_in_child(tasks.build, toy_model, plan, target, on_progress=lambda stage, share: cancel.set(), cancel=cancel)
    assert (target.read_bytes(), toy_model.read_bytes()) == (b"an earlier build", content)
    assert sorted(path.name for path in target.parent.iterdir()) == ["target.onnx", "toy.onnx"]


def test_a_plan_can_be_built_in_a_child(toy_model: Path) -> None:
    inventory = read_inventory(toy_model)
    plan = everything_at(inventory, Precision.FP16)
    report = run_in_child(tasks.build, toy_model, plan, toy_model.with_name("target.onnx"))
    assert report.final_bytes == toy_model.with_name("target.onnx").stat().st_size
    with pytest.raises(InputError, match="has no node"):
        run_in_child(tasks.build, toy_model, PrecisionPlan({"absent": Precision.W8}), toy_model.with_name("x.onnx"))


# Output


def test_what_the_child_prints_is_in_the_log_only(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KOKORO_TUI_TEST_NOISE", "1")
    log = tmp_path / "job.log"
    log.write_text("before\n")
    run_in_child(child_targets.speak_up, log_path=log)
    assert capfd.readouterr() == ("", "")
    text = log.read_text()
    assert text.startswith("before\n")
    for expected in (
        "printed\n", "complained\n", "kokoro_tui.test WARNING logged\n", "native output\n", "native complaint\n",
        "printed while importing\n",
    ):  # fmt: skip
        assert expected in text


def test_a_new_log_is_for_its_owner_only(tmp_path: Path) -> None:
    log = tmp_path / "new.log"
    run_in_child(child_targets.speak_up, log_path=log)
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("log", [None, Path("/proc/nowhere/job.log")])
def test_without_a_log_the_output_is_thrown_away(log: Path | None, capfd: pytest.CaptureFixture[str]) -> None:
    run_in_child(child_targets.speak_up, log_path=log)
    with pytest.raises(InputError):
        run_in_child(child_targets.refuse, log_path=log)
    assert capfd.readouterr() == ("", "")


def test_a_child_leaves_interrupts_to_its_parent() -> None:
    assert run_in_child(child_targets.signals) == (True, True)


def test_an_interrupt_that_another_thread_takes_waits_until_the_child_runs() -> None:
    end, seen = threading.Event(), []
    other = threading.Thread(target=end.wait)
    other.start()  # before the mask, so that it takes what the main thread does not
    try:
        with pytest.raises(KeyboardInterrupt), interrupts_held():
            os.kill(os.getpid(), signal.SIGINT)
            seen.append(end.wait(0.2))
    finally:
        end.set()
        other.join()
    assert seen == [False]


# Orphans

PARENT = """
import sys
from pathlib import Path
from kokoro_tui.jobs.child import run_in_child
from tests.jobs import child_targets

if __name__ == "__main__":
    run_in_child(child_targets.wait_for_ever, Path(sys.argv[1]))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_child_dies_with_its_parent(number: signal.Signals, tmp_path: Path) -> None:
    script, started = tmp_path / "parent.py", tmp_path / "started"
    script.write_text(PARENT)
    os.mkfifo(started)
    reader = os.open(started, os.O_RDONLY | os.O_NONBLOCK)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen([sys.executable, str(script), str(started)], env=environment)
    try:
        wait_for(reader)
        child = os.pidfd_open(int(os.read(reader, 100)))
        parent.send_signal(number)
        parent.wait(WAIT_SECONDS)
        wait_for(child)  # a process can be read once it has ended
        os.close(child)
    finally:
        parent.kill()
        parent.wait()
        os.close(reader)


def wait_for(descriptor: int) -> None:
    """Wait until there is something to read."""
    ready, _, _ = select.select([descriptor], [], [], WAIT_SECONDS)
    assert ready, "it did not happen"
