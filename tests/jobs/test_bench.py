"""Models that take turns, each in a process of its own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

from kokoro_tui.engine.bench import BenchRunner, BenchSubject
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.jobs import bench as module
from kokoro_tui.jobs.bench import BenchRequest, bench
from tests.engine.toy_speech import CLIP, signature_of
from tests.models import toy_kokoro, write

CPU, ABSENT = "CPUExecutionProvider", "AbsentExecutionProvider"


class Stages:
    """Collects what the bench tells about its progress."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def __call__(self, stage: str, share: float) -> None:
        self.told.append((stage, share))

    @property
    def turns(self) -> list[str]:
        return [stage for stage, _ in self.told if stage.startswith("run ")]


def subject(folder: Path, name: str, *, broken: bool = False) -> BenchSubject:
    model = toy_kokoro()
    if broken:
        values = np.full(8, np.nan, dtype=np.float32)
        (bias,) = (tensor for tensor in model.graph.initializer if tensor.name == "ups.bias")
        bias.CopyFrom(numpy_helper.from_array(values, "ups.bias"))
    path = write(model, folder / name)
    return BenchSubject(path, signature_of(path))


def request(*subjects: BenchSubject, providers: tuple[str, ...] = (CPU,), strict: bool = True) -> BenchRequest:
    return BenchRequest(subjects, (CLIP,), providers, runs=3, threads=1, strict=strict)


def test_models_take_turns_and_each_goes_first_in_turn(tmp_path: Path) -> None:
    told = Stages()
    one, two = subject(tmp_path, "one.onnx"), subject(tmp_path, "two.onnx")
    report = bench(request(one, two), progress=told)
    assert told.turns == [
        f"run {number} of 3 on {CPU}: {name}"
        for number, names in ((1, ("one", "two")), (2, ("two", "one")), (3, ("one", "two")))
        for name in (f"{stem}.onnx" for stem in names)
    ]
    shares = [share for _, share in told.told]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert [timing.subject for timing in report.timings] == [one, two]
    assert report.left_out == ()
    for timing in report.timings:
        assert len(timing.passes) == 3
        assert len({one.samples for one in timing.passes}) == 1
        assert timing.load_seconds > 0
        assert timing.memory.before_bytes is not None
        assert timing.memory.peak_bytes is not None
        assert 20 << 20 < timing.memory.before_bytes <= timing.memory.peak_bytes < 400 << 20
        assert [placement.provider for placement in timing.placements] == [CPU]


def test_a_bad_model_fails_before_the_first_timed_run(tmp_path: Path) -> None:
    told = Stages()
    models = (subject(tmp_path, "good.onnx"), subject(tmp_path, "bad.onnx", broken=True))
    with pytest.raises(WorkError, match=r"bad\.onnx on CPUExecutionProvider gives audio that is not finite"):
        bench(request(*models), progress=told)
    assert told.turns == []


def test_what_a_provider_of_our_own_choice_cannot_run_is_left_out(tmp_path: Path) -> None:
    told = Stages()
    report = bench(request(subject(tmp_path, "m.onnx"), providers=(CPU, ABSENT), strict=False), progress=told)
    (left_out,) = report.left_out
    assert left_out.provider == ABSENT
    assert left_out.reason == "AbsentExecutionProvider could not be started on this machine"
    assert [timing.provider for timing in report.timings] == [CPU]
    assert told.told[-1] == ("done", 1.0)


def test_what_a_provider_of_the_users_choice_cannot_run_is_an_error_before_the_first_timed_run(tmp_path: Path) -> None:
    told = Stages()
    with pytest.raises(InputError, match="AbsentExecutionProvider could not be started on this machine"):
        bench(request(subject(tmp_path, "m.onnx"), providers=(CPU, ABSENT)), progress=told)
    assert told.turns == []


def test_a_process_that_dies_is_told_with_its_model(tmp_path: Path) -> None:
    contestant = module._Contestant(subject(tmp_path, "m.onnx"), CPU, request(), None)
    with contestant, pytest.raises(WorkError, match=r"m\.onnx: the worker process was ended by SIGKILL") as caught:
        assert contestant.ask(BenchRunner.load) > 0
        assert contestant._process.pid is not None
        os.kill(contestant._process.pid, 9)
        contestant._process.join(10)
        contestant.ask(BenchRunner.speak)
    assert "memory" in caught.value.hint
