"""Candidates against their reference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import helper, numpy_helper

from kokoro_tui.audio.distance import compare
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.engine.measure import measure, render_all
from kokoro_tui.graph.apply_plan import build_model
from tests.engine.toy_speech import CLIP, clip, speech_model
from tests.models import toy_kokoro, write

CLIPS = (CLIP, clip(0, 9, 33, 120, 7, 0))


def test_a_model_against_itself_is_exactly_nothing(toy_model: Path) -> None:
    model = speech_model(toy_model)
    references = render_all(model, CLIPS)
    found = measure(speech_model(toy_model), CLIPS, references)
    assert (found.mel_distance, found.added_noise_db, found.frames_moved) == (0.0, 0.0, 0)
    assert (found.pinned, found.paired) == (True, True)
    np.testing.assert_array_equal(found.reference, np.concatenate([r.waveform for r in references]))
    np.testing.assert_array_equal(found.candidate, found.reference)
    assert found.candidate_factor > 0
    assert found.reference_factor == pytest.approx(
        sum(r.seconds for r in references) * 24_000 / found.reference.size, rel=1e-6
    )


def test_progress_counts_clips(toy_model: Path) -> None:
    model = speech_model(toy_model)
    shares: list[float] = []
    references = render_all(model, CLIPS, shares.append)
    measure(model, CLIPS, references, shares.append)
    assert shares == [0.5, 1.0, 0.5, 1.0]


def test_a_changed_decoder_is_heard_and_moves_nothing(toy_model: Path) -> None:
    changed = toy_model.with_name("changed.onnx")
    build_model(toy_model, PrecisionPlan({"/decoder/generator/conv_post/Conv": Precision.INT8}), changed)
    references = render_all(speech_model(toy_model), CLIPS)
    found = measure(speech_model(changed), CLIPS, references)
    assert found.frames_moved == 0
    expected = [
        compare(r.waveform, speech_model(changed).run(c).waveform).mel_distance
        for r, c in zip(references, CLIPS, strict=True)
    ]
    assert found.mel_distance == pytest.approx(np.mean(expected))
    assert found.mel_distance > 0


def longer(folder: Path) -> Path:
    """A toy Kokoro that speaks every phoneme longer, and is otherwise the same."""
    model = toy_kokoro()
    scale = next(t for t in model.graph.initializer if t.name == "predictor.scale")
    scale.CopyFrom(numpy_helper.from_array(np.array(9.0, np.float32), "predictor.scale"))
    return write(model, folder / "longer.onnx")


def test_moved_durations_are_told_apart_from_sound(toy_model: Path, tmp_path: Path) -> None:
    reference, candidate = speech_model(toy_model), speech_model(longer(tmp_path))
    references = render_all(reference, CLIPS)
    found = measure(candidate, CLIPS, references)
    moved = [
        int(np.abs(np.subtract(candidate.run(c).durations, r.durations)).sum())  # type: ignore[arg-type]
        for c, r in zip(CLIPS, references, strict=True)
    ]
    assert found.frames_moved == max(moved) > 0
    assert found.pinned
    assert found.mel_distance == 0.0  # at the reference's durations it sounds the same
    assert found.candidate.size > found.reference.size  # what is heard has its own


def test_without_pinning_the_distance_holds_the_moved_frames(toy_model: Path, tmp_path: Path) -> None:
    references = render_all(speech_model(toy_model), CLIPS)
    found = measure(speech_model(longer(tmp_path), pin=False), CLIPS, references)
    assert not found.pinned
    assert found.mel_distance > 0.1


def test_a_model_that_tells_no_durations_is_compared_as_it_is(tmp_path: Path, toy_model: Path) -> None:
    model = toy_kokoro(duration=False)
    for node in model.graph.node:
        if node.op_type == "Round":  # by which durations are found
            node.op_type = "Floor"
    silent = write(model, tmp_path / "silent.onnx")
    references = render_all(speech_model(silent), CLIPS)
    found = measure(speech_model(silent), CLIPS, references)
    assert (found.frames_moved, found.pinned, found.mel_distance) == (None, False, 0.0)
    mixed = measure(speech_model(silent), CLIPS, render_all(speech_model(toy_model), CLIPS))
    assert (mixed.frames_moved, mixed.pinned) == (None, False)


def test_noise_that_cannot_be_paired_is_told(tmp_path: Path) -> None:
    model = toy_kokoro()
    model.graph.node.append(helper.make_node("Bernoulli", ["style"], ["coin"], name="coin"))
    noisy = write(model, tmp_path / "noisy.onnx")
    references = render_all(speech_model(noisy), CLIPS)
    assert not measure(speech_model(noisy), CLIPS, references).paired


def test_as_many_references_as_clips_are_needed(toy_model: Path) -> None:
    model = speech_model(toy_model)
    with pytest.raises(ValueError, match="zip"):
        measure(model, CLIPS, render_all(model, CLIPS[:1]))
