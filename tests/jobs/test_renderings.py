"""Renderings on the disk: what was said once is not said again, and what is damaged is."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.engine.measure import Measurement
from kokoro_tui.engine.session import Rendering
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.graph.apply_plan import BuildReport, build_model
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.jobs import tasks
from kokoro_tui.jobs.renderings import KeptBuild, SentenceFolder
from kokoro_tui.jobs.tasks import Audition, audition_text
from kokoro_tui.speech.sentences import Speech
from tests.python_versions import needs_kokoro
from tests.trials.conftest import clip

CLIPS = (clip(5, 17, 42, 80), clip(9, 3))
PLAN = PrecisionPlan({"/encoder/style/Gemm": Precision.W8})


def sound(seed: int, samples: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Noise."""
    return np.random.default_rng(seed).standard_normal(samples).astype(np.float32)


def measurement(moved: int | None) -> Measurement:
    """Something that a build gave."""
    return Measurement(
        mel_distance=0.123, added_noise_db=1.5, frames_moved=moved, pinned=moved is not None, reference_factor=0.25,
        candidate_factor=0.2, reference=sound(1, 3000), candidate=sound(2, 3100),
        reference_durations=None if moved is None else np.array([2, 3], dtype=np.int64),
        candidate_durations=None if moved is None else np.array([2, 3 + moved], dtype=np.int64),
        pinned_candidate=None if moved is None else sound(3, 3000) if moved else sound(2, 3100),
    )  # fmt: skip


@pytest.mark.parametrize("told", [True, False])
def test_the_original_comes_back_clip_by_clip(tmp_path: Path, told: bool) -> None:
    durations = [np.array([1, 2], dtype=np.int64) if told else None for _ in CLIPS]
    given = [Rendering(sound(n, 100 + n), d, 0.5 + n) for n, d in enumerate(durations)]
    folder = SentenceFolder(tmp_path, CLIPS)
    assert folder.read_original() is None
    folder.keep_original(given)
    found = SentenceFolder(tmp_path, CLIPS).read_original()
    assert found is not None
    for before, after in zip(given, found, strict=True):
        np.testing.assert_array_equal(before.waveform, after.waveform)
        np.testing.assert_array_equal(before.durations, after.durations)
        assert before.seconds == after.seconds


@pytest.mark.parametrize("moved", [None, 0, 4])
def test_a_build_comes_back_whole(tmp_path: Path, moved: int | None) -> None:
    folder = SentenceFolder(tmp_path, CLIPS)
    given = KeptBuild(measurement(moved), 1000, 500, (0.5, 0.75))
    folder.keep_original([Rendering(given.measurement.reference, None, 0.1)])
    folder.keep_build("digest", given)
    assert folder.read_build("other") is None
    found = folder.read_build("digest")
    assert found is not None
    assert (found.original_bytes, found.final_bytes, found.speed) == (1000, 500, (0.5, 0.75))
    for name, before in vars(given.measurement).items():
        np.testing.assert_array_equal(before, getattr(found.measurement, name), err_msg=name)


@pytest.mark.parametrize("damage", ["wav", "json", "original"])
def test_what_is_damaged_is_not_found(tmp_path: Path, damage: str) -> None:
    folder = SentenceFolder(tmp_path, CLIPS)
    folder.keep_original([Rendering(sound(1, 3000), None, 0.1)])
    folder.keep_build("digest", KeptBuild(measurement(0), 1, 1))
    path = folder.original_wav if damage == "original" else folder.candidate_wav("digest").with_suffix(f".{damage}")
    path.write_bytes(b"{broken")
    assert folder.read_build("digest") is None


def test_another_voice_speed_or_text_is_another_sentence(tmp_path: Path) -> None:
    first = CLIPS[0]
    others = [
        (replace(first, style=first.style + 1),),
        (replace(first, speed=1.5),),
        (replace(first, input_ids=first.input_ids[:, :-1]),),
        CLIPS,
        (first,),
    ]
    assert len({SentenceFolder(tmp_path, clips).original_wav for clips in others}) == len(others)


@pytest.fixture
def signature(toy_model: Path) -> Signature:
    found = recognise(read_inventory(toy_model))
    assert found is not None
    return found


@needs_kokoro
def test_only_what_is_new_is_built_and_said(
    toy_model: Path, signature: Signature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []

    def counted(source: Path, *arguments: Any, **options: Any) -> BuildReport:
        built.append(source)
        return build_model(source, *arguments, **options)

    monkeypatch.setattr(tasks, "build_model", counted)
    target, folder = tmp_path / "t.onnx", tmp_path / "said"

    niceness: list[int] = []
    monkeypatch.setattr("os.nice", niceness.append)

    def say(plan: PrecisionPlan, *texts: str, background: bool = False) -> tuple[Audition, list[str]]:
        stages: list[str] = []
        speeches = [Speech(text) for text in texts]
        found = audition_text(
            toy_model, plan, target, signature, speeches, folder, background=background,
            progress=lambda stage, share: stages.append(stage),
        )  # fmt: skip
        return found, stages

    first, stages = say(PLAN, "hello", "good morning")
    assert stages.count("render original") == 2
    read = sum(sentence.read_renderings().candidate.nbytes for sentence in first.sentences)
    assert len(pickle.dumps(first)) < read, "figures travel, sound stays on the disk"
    assert [sentence.speech.text for sentence in first.sentences] == ["hello", "good morning"]
    again, stages = say(PLAN, "good morning")
    assert stages == ["phonemes", "done"] and len(built) == 1
    np.testing.assert_array_equal(
        again.sentences[0].read_renderings().candidate, first.sentences[1].read_renderings().candidate
    )
    assert again.sentences[0].figures.mel_distance == first.sentences[1].figures.mel_distance
    _, stages = say(PLAN, "hello", "a third one")
    assert stages.count("render original") == 1 and len(built) == 2
    other, stages = say(PLAN.with_precision(["/decoder/generator/conv_post/Conv"], Precision.INT8), "hello")
    assert "render original" not in stages and len(built) == 3
    assert other.sentences[0].figures.mel_distance > first.sentences[0].figures.mel_distance
    assert other.sentences[0].speed == () and niceness == []
    timed, _ = say(PLAN, "hello", "good morning", background=True)
    assert [len(sentence.speed) for sentence in timed.sentences] == [2, 2] and len(built) == 4
    assert all(ratio > 0 for sentence in timed.sentences for ratio in sentence.speed)
    again, stages = say(PLAN, "hello", background=True)
    assert again.sentences[0].speed == timed.sentences[0].speed and stages == ["phonemes", "done"]
    assert niceness == [10, 10]
