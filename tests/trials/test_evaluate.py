"""A trial must give what the whole rewritten model gives, and recompute only what changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from kokoro_tui.audio.distance import compare, frames_moved
from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.cutting import Grain
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import calibrated_values
from kokoro_tui.core.support import refusal
from kokoro_tui.core.trials import TrialKind
from kokoro_tui.engine.calibrate import calibrate
from kokoro_tui.engine.session import SpeechModel
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.errors import InputError
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.pieces import Cutter, rewrite_piece
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.speech.utterance import Utterance, prepare
from kokoro_tui.trials import context as trial_context
from kokoro_tui.trials.context import Tensor, TrialContext, prepare_context, run_piece
from kokoro_tui.trials.evaluate import Evaluator, TrialSpec
from tests.models import HIDDEN, ToyGraph, toy_kokoro, write
from tests.python_versions import needs_kokoro
from tests.trials.conftest import clip

KINDS = tuple(TrialKind)
REAL_NODES = (
    "bert/embeddings/LayerNorm",
    "attention/query/MatMul",
    "full_layer_layer_norm_5",
    "text_encoder/lstms.2/LSTM",
    "shared/LSTM",
    "F0.0/conv1",
    "N.1/conv1/",
    "encode/conv1x1",
    "decode.3/pool",
    "generator/ups.1/",
    "noise_res.0/adain1.0/fc",
    "resblocks.4/convs1.2",
    "resblocks.1/Mul",
    "conv_post",
)


def spec_of(inventory: Inventory, key: str, kind: TrialKind) -> TrialSpec:
    """A trial of a node and the rest of its group."""
    members = inventory.group_of[key].members
    return TrialSpec(tuple(inventory.by_key[member].outputs[0] for member in members), kind)


def refused(inventory: Inventory, key: str, kind: TrialKind) -> bool:
    """Whether a node cannot take what a trial tries."""
    return refusal(inventory, inventory.by_key[key], kind.precision, static=kind is TrialKind.STATIC) is not None


def calibrated(
    source: Path, inventory: Inventory, keys: Sequence[str], signature: Signature, said: Utterance
) -> Calibration:
    """The ranges that static trials of the given nodes and their groups need."""
    members = [member for key in keys for member in inventory.group_of[key].members]
    static = [key for key in members if not refused(inventory, key, TrialKind.STATIC)]
    plan = PrecisionPlan(calibration=Calibration()).with_precision(static, Precision.INT8)
    return calibrate(source, signature, [said], calibrated_values(inventory, plan), Calibration())


def plan_of(context: TrialContext, members: Sequence[str], kind: TrialKind) -> PrecisionPlan:
    """What a trial tries, as a plan for the whole model."""
    calibration = context.calibration if kind is TrialKind.STATIC else None
    return PrecisionPlan(calibration=calibration).with_precision(members, kind.precision)


def _watch_pieces(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The outputs of every piece that is run from now on."""
    ran: list[Sequence[str]] = []

    def watched(session: Any, outputs: Sequence[str], values: Mapping[str, Tensor]) -> list[Tensor]:
        ran.append(outputs)
        return run_piece(session, outputs, values)

    monkeypatch.setattr("kokoro_tui.trials.evaluate.run_piece", watched)
    return ran


def whole_model(
    source: Path, inventory: Inventory, key: str, kind: TrialKind, context: TrialContext, said: Utterance, target: Path
) -> tuple[float, int | None]:
    """Distance and moved frames of the same change, built and run as a whole."""
    signature = context.signature
    build_model(source, plan_of(context, inventory.group_of[key].members, kind), target)
    reference = SpeechModel(source, signature).run(said)
    changed = SpeechModel(target, signature).run(said, durations=reference.durations)
    assert reference.durations is not None
    assert changed.durations is not None
    return (
        compare(reference.waveform, changed.waveform).mel_distance,
        frames_moved(reference.durations, changed.durations),
    )


def test_reference_equals_the_whole_model(
    toy_model: Path, toy_signature: Signature, toy_clip: Utterance, toy_context: TrialContext
) -> None:
    whole = SpeechModel(toy_model, toy_signature).run(toy_clip)
    pieces = np.load(toy_context.value_file(0, "waveform"))
    assert len(toy_context.cut.pieces) > 10
    assert np.array_equal(pieces, whole.waveform)
    assert whole.durations is not None
    assert toy_context.durations[0] == tuple(whole.durations)
    assert toy_context.noise_floor == 0.0
    assert toy_context.pinned


@pytest.mark.parametrize("kind", KINDS)
def test_every_toy_trial_equals_the_whole_model(
    toy_model: Path,
    toy_signature: Signature,
    toy_clip: Utterance,
    toy_context: TrialContext,
    kind: TrialKind,
    tmp_path: Path,
) -> None:
    inventory = read_inventory(toy_model, min_parameters=8)
    keys = [node.key for node in inventory.candidates]
    context = replace(toy_context, calibration=calibrated(toy_model, inventory, keys, toy_signature, toy_clip))
    evaluator = Evaluator(context)
    tried = 0
    for node in inventory.candidates:
        if refused(inventory, node.key, kind):
            continue
        found = evaluator.evaluate(spec_of(inventory, node.key, kind))
        distance, moved = whole_model(toy_model, inventory, node.key, kind, context, toy_clip, tmp_path / "one.onnx")
        assert found.mel_distance == pytest.approx(distance, abs=1e-9), node.key
        assert found.frames_moved == moved
        tried += 1
    assert tried >= 5


@pytest.mark.parametrize("grain", Grain)
def test_the_grain_of_the_cut_does_not_change_results(
    toy_model: Path,
    toy_signature: Signature,
    toy_clip: Utterance,
    toy_context: TrialContext,
    grain: Grain,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trial_context, "Grain", [grain])
    folder = tmp_path / "other"
    folder.mkdir()
    other = prepare_context(toy_model, toy_signature, [toy_clip], folder)
    assert (len(other.cut.pieces) == 1) == (grain is Grain.WHOLE)
    inventory = read_inventory(toy_model)
    for node in inventory.candidates[:4]:
        spec = spec_of(inventory, node.key, TrialKind.WEIGHT)
        finer, coarser = (Evaluator(c).evaluate(spec) for c in (toy_context, other))
        assert finer.mel_distance == pytest.approx(coarser.mel_distance, abs=1e-9)


def test_a_small_budget_falls_back_to_the_whole_model(
    toy_model: Path, toy_signature: Signature, toy_clip: Utterance, tmp_path: Path
) -> None:
    context = prepare_context(toy_model, toy_signature, [toy_clip], tmp_path, budget=1)
    assert len(context.cut.pieces) == 1
    inventory = read_inventory(toy_model)
    found = Evaluator(context).evaluate(spec_of(inventory, inventory.candidates[0].key, TrialKind.QUANT))
    assert found.mel_distance > 0


def test_pieces_before_the_change_are_not_run(
    toy_model: Path, toy_context: TrialContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = _watch_pieces(monkeypatch)
    inventory = read_inventory(toy_model)
    Evaluator(toy_context).evaluate(spec_of(inventory, "/decoder/generator/conv_post/Conv", TrialKind.CAST))
    assert ran == [file.piece.outputs for file in toy_context.cut.pieces][-len(ran) :]
    assert len(ran) < len(toy_context.cut.pieces) / 2


def test_a_change_without_effect_stops_at_once(
    toy_model: Path, toy_context: TrialContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rewrite that gives the same bits is distance zero and runs one piece."""
    ran = _watch_pieces(monkeypatch)
    monkeypatch.setattr("kokoro_tui.trials.evaluate.rewrite_piece", lambda path, *rest: path.read_bytes())
    inventory = read_inventory(toy_model)
    found = Evaluator(toy_context).evaluate(spec_of(inventory, "/encoder/style/Gemm", TrialKind.CAST))
    assert (found.mel_distance, found.added_noise_db, found.frames_moved) == (0.0, 0.0, 0)
    assert len(ran) == 1


def test_moved_frames_are_reported_and_rerun_free(
    toy_model: Path, toy_signature: Signature, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doubling a weight moves durations: pinned keeps the length, free does not."""
    import onnx

    folder = tmp_path / "work"
    folder.mkdir()
    context = prepare_context(toy_model, toy_signature, [clip(3, 9, 27, 81)], folder)

    def louder(path: Path, *rest: object) -> bytes:
        model = onnx.load_from_string(rewrite_piece(path, *rest))  # type: ignore[arg-type]
        tensor = next(t for t in model.graph.initializer if "predictor.scale" in t.name)
        tensor.raw_data = np.float16(11.0).tobytes()
        return model.SerializeToString()

    monkeypatch.setattr("kokoro_tui.trials.evaluate.rewrite_piece", louder)
    inventory = read_inventory(toy_model)
    node = inventory.producers["/encoder/predictor/Mul_output_0"]
    found = Evaluator(context).evaluate(TrialSpec((node.outputs[0],), TrialKind.CAST))
    assert found.frames_moved is not None
    assert found.frames_moved > 0
    assert found.mel_distance < found.mel_distance_free


def test_several_clips_give_mean_and_worst(toy_model: Path, toy_signature: Signature, tmp_path: Path) -> None:
    clips = [clip(5, 6, 7), clip(30, 31, 32, 33)]
    singles = []
    inventory = read_inventory(toy_model)
    spec = spec_of(inventory, "/decoder/encode/Conv", TrialKind.QUANT)
    for index, one in enumerate(clips):
        folder = tmp_path / str(index)
        folder.mkdir()
        singles.append(Evaluator(prepare_context(toy_model, toy_signature, [one], folder)).evaluate(spec))
    folder = tmp_path / "both"
    folder.mkdir()
    both = Evaluator(prepare_context(toy_model, toy_signature, clips, folder)).evaluate(spec)
    distances = [single.mel_distance for single in singles]
    assert both.mel_distance == pytest.approx(sum(distances) / 2)
    assert both.mel_distance_worst == max(distances)


def test_an_impossible_precision_is_refused(toy_model: Path, toy_context: TrialContext) -> None:
    inventory = read_inventory(toy_model)
    spec = spec_of(inventory, "/decoder/generator/ups.0/ConvTranspose", TrialKind.QUANT)
    with pytest.raises(InputError, match="no dynamic INT8 form"):
        Evaluator(toy_context).evaluate(spec)


@needs_kokoro
@pytest.mark.real
def test_real_trials_equal_whole_model_runs(real_model: Path, tmp_path: Path) -> None:
    """Fourteen nodes across bert, predictor, F0, decoder and generator, every kind that they can take."""

    inventory = read_inventory(real_model)
    signature = recognise(inventory)
    assert signature is not None
    said = prepare("Hello there.")[0]
    folder = tmp_path / "work"
    folder.mkdir()
    keys = [next(node.key for node in inventory.candidates if pattern in node.key) for pattern in REAL_NODES]
    calibration = calibrated(real_model, inventory, keys, signature, said)
    context = prepare_context(real_model, signature, [said], folder, calibration=calibration)
    assert context.noise_floor == 0.0
    assert len(context.cut.pieces) > 50
    evaluator = Evaluator(context, threads=2)
    model = SpeechModel(real_model, signature)
    reference = model.run(said)
    del model
    for key in keys:
        for kind in KINDS:
            if refused(inventory, key, kind):
                continue
            found = evaluator.evaluate(spec_of(inventory, key, kind))
            target = tmp_path / "one.onnx"
            build_model(real_model, plan_of(context, inventory.group_of[key].members, kind), target)
            whole = SpeechModel(target, signature).run(said, durations=reference.durations)
            distance = compare(reference.waveform, whole.waveform).mel_distance
            assert found.mel_distance == pytest.approx(distance, rel=0.01, abs=0.0005), (key, kind)


def test_a_cut_keeps_shared_weights_and_bodies_together(toy_model: Path, tmp_path: Path) -> None:
    cut = Cutter(toy_model, "duration").cut(tmp_path, Grain.ANCHOR)
    names = {name for file in cut.pieces for name in file.members}
    assert {"/decoder/If_output_0", "waveform", "duration"} <= names
    assert cut.pinnable
    assert len(cut.noise) == 2


def test_a_sequence_that_is_made_early_does_not_prevent_cuts(tmp_path: Path) -> None:
    """Kokoro's alignment loop fills a sequence that the export makes among the first nodes."""
    g = ToyGraph()
    empty = g.add("SequenceEmpty", "/net/align/SequenceEmpty")
    value = "x"
    for module in ("one", "two", "three"):
        value = g.add("MatMul", f"/net/{module}/linear/MatMul", value, g.weight(module, HIDDEN, HIDDEN))
    filled = g.add("SequenceInsert", "/net/align/SequenceInsert", empty, value)
    g.add("ConcatFromSequence", "/net/align/ConcatFromSequence", filled, outputs=("y",), axis=0)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, HIDDEN]) for name in "xy"]
    source = write(g.model(ends[:1], ends[1:]), tmp_path / "sequence.onnx")
    pieces = Cutter(source, None).cut(tmp_path, Grain.MODULE).pieces
    assert [len(file.members) for file in pieces] == [1, 1, 1, 3]


def test_durations_inside_a_model_are_pinned_too(
    toy_model: Path, toy_signature: Signature, toy_clip: Utterance, toy_context: TrialContext, tmp_path: Path
) -> None:
    """Other exports have no duration output; the rounding tells where the durations are."""
    hidden = write(toy_kokoro(duration=False), tmp_path / "hidden.onnx")
    inventory = read_inventory(hidden)
    assert [value.name for value in inventory.outputs] == ["waveform"]
    signature = recognise(inventory)
    assert signature is not None
    assert signature.duration == toy_signature.duration == "duration"
    folder = tmp_path / "hidden"
    folder.mkdir()
    context = prepare_context(hidden, signature, [toy_clip], folder)
    assert context.pinned
    assert context.durations == toy_context.durations
    spec = spec_of(inventory, "/encoder/lstm/LSTM", TrialKind.QUANT)
    assert Evaluator(context).evaluate(spec).mel_distance == Evaluator(toy_context).evaluate(spec).mel_distance
