"""A model that is ready to speak: paired, pinned, stoppable, and never with garbage."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.engine.session import NEVER_CHOSEN, available_providers, create_session, first_line
from kokoro_tui.errors import InputError, WorkError
from tests.engine.toy_speech import CLIP, clip, signature_of, speech_model
from tests.models import INT64, toy_kokoro, write


def test_the_same_clip_gives_the_same_sound(toy_model: Path) -> None:
    model = speech_model(toy_model)
    first, again, other = model.run(CLIP), model.run(CLIP), speech_model(toy_model).run(CLIP)
    np.testing.assert_array_equal(first.waveform, again.waveform)
    np.testing.assert_array_equal(first.waveform, other.waveform)
    assert first.durations is not None
    assert (first.waveform.dtype, first.waveform.size) == (np.dtype(np.float32), first.durations.sum() * 600)
    assert first.seconds > 0


def test_the_seed_is_of_the_noise(toy_model: Path) -> None:
    one, other = speech_model(toy_model, seed=1), speech_model(toy_model, seed=2)
    assert np.abs(one.run(CLIP).waveform - other.run(CLIP).waveform).max() > 1e-4
    assert len(one.noise) == 2
    assert (one.noise[0] != other.noise[0]).any()
    np.testing.assert_array_equal(one.noise[0], speech_model(toy_model, seed=1).noise[0])


def test_a_pinned_run_keeps_the_lengths(toy_model: Path) -> None:
    model = speech_model(toy_model)
    free = model.run(CLIP)
    assert model.pinnable
    assert free.durations is not None
    wanted = free.durations[::-1] + 1
    held = model.run(CLIP, durations=wanted)
    assert held.waveform.size == wanted.sum() * 600
    np.testing.assert_array_equal(held.durations, free.durations)  # what it would have chosen
    np.testing.assert_array_equal(model.run(CLIP, durations=free.durations).waveform, free.waveform)


def test_pinning_changes_no_sound_of_its_own(toy_model: Path) -> None:
    plain = speech_model(toy_model, pin=False)
    assert not plain.pinnable
    np.testing.assert_array_equal(plain.run(CLIP).waveform, speech_model(toy_model).run(CLIP).waveform)


def test_durations_inside_the_model_are_told_while_they_are_held(tmp_path: Path) -> None:
    hidden = write(toy_kokoro(duration=False), tmp_path / "hidden.onnx")
    open_model = write(toy_kokoro(), tmp_path / "open.onnx")
    found, expected = speech_model(hidden).run(CLIP), speech_model(open_model).run(CLIP)
    np.testing.assert_array_equal(found.durations, expected.durations)
    np.testing.assert_array_equal(found.waveform, expected.waveform)
    loose = speech_model(hidden, pin=False).run(CLIP)
    assert loose.durations is None
    np.testing.assert_array_equal(loose.waveform, expected.waveform)


@pytest.mark.parametrize("dtype", [TensorProto.INT32, TensorProto.FLOAT])
@pytest.mark.parametrize("rank", [1, 2])
def test_durations_of_another_type_and_shape_can_be_held(dtype: int, rank: int, tmp_path: Path) -> None:
    """A [1, n] int32 or float output takes the place of the toy's own durations."""
    model = toy_kokoro()
    graph = model.graph
    length = next(index for index, node in enumerate(graph.node) if node.op_type == "CumSum")
    for node in graph.node[length:]:
        for position, name in enumerate(node.input):
            if name == "duration":
                node.input[position] = "whole"
    shape = numpy_helper.from_array(np.array([-1] if rank == 1 else [1, -1]), "own.shape")
    flat = numpy_helper.from_array(np.array([-1]), "own.flat")
    graph.initializer.extend([shape, flat])
    made = [
        helper.make_node("Reshape", ["duration", "own.shape"], ["shaped"]),
        helper.make_node("Cast", ["shaped"], ["pred_dur"], to=dtype),
        helper.make_node("Reshape", ["pred_dur", "own.flat"], ["long"]),
        helper.make_node("Cast", ["long"], ["whole"], to=INT64),
    ]
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in graph.node]
    del graph.node[:]
    graph.node.extend([*nodes[:length], *made, *nodes[length:]])
    dims: list[str | int] = ["n"] if rank == 1 else [1, "n"]
    graph.output[1].CopyFrom(helper.make_tensor_value_info("pred_dur", dtype, dims))
    speaker = speech_model(write(model, tmp_path / "model.onnx"))
    assert speaker.pinnable
    free = speaker.run(CLIP)
    assert free.durations is not None
    assert (free.durations.dtype, free.durations.shape) == (np.dtype(np.int64), (8,))
    assert speaker.run(CLIP, durations=free.durations + 2).waveform.size == (free.durations.sum() + 16) * 600


def test_an_export_with_other_names_and_whole_speeds_speaks(tmp_path: Path) -> None:
    model = toy_kokoro(tokens="tokens", speed=TensorProto.INT32, duration=False)
    speaker = speech_model(write(model, tmp_path / "model.onnx"))
    slow, fast = speaker.run(CLIP), speaker.run(clip(*CLIP.input_ids[0], speed=2.0))
    assert fast.waveform.size < slow.waveform.size
    with pytest.raises(InputError, match="takes whole numbers for speed"):
        speaker.run(clip(5, 6, speed=1.5))


@pytest.mark.parametrize(("ids", "bad"), [((0, 5, 178, 0), 178), ((0, -1, 0), -1), ((0, 10**12, 0), 10**12)])
def test_ids_outside_the_vocabulary_are_refused_before_any_run(
    ids: tuple[int, ...], bad: int, toy_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = speech_model(toy_model)
    monkeypatch.setattr(model, "_run", lambda *_: pytest.fail("the model was run"))
    with pytest.raises(InputError, match=f"token id {bad} is outside the model's vocabulary of 178"):
        model.run(clip(*ids))


def test_the_last_id_of_the_vocabulary_is_inside(toy_model: Path) -> None:
    assert speech_model(toy_model).run(clip(0, 177, 0)).waveform.size > 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_audio_that_is_not_finite_is_an_error(bad: float, tmp_path: Path) -> None:
    model = toy_kokoro()
    tensor = next(t for t in model.graph.initializer if t.name == "encode.bias")
    tensor.CopyFrom(numpy_helper.from_array(np.full(32, bad, np.float32), "encode.bias"))
    with pytest.raises(WorkError, match="the model gave audio that is not finite"):
        speech_model(write(model, tmp_path / "model.onnx")).run(CLIP)


def test_a_model_that_onnxruntime_refuses_is_one_line(tmp_path: Path) -> None:
    model = toy_kokoro()
    model.graph.node[5].op_type = "NoSuchOperator"
    path = write(model, tmp_path / "broken.onnx")
    with pytest.raises(WorkError, match=r"onnxruntime cannot load broken\.onnx: ") as caught:
        speech_model(path)
    assert "\n" not in caught.value.message
    assert "NoSuchOperator" in caught.value.message


def test_a_run_that_fails_is_one_line(toy_model: Path) -> None:
    model = speech_model(toy_model)
    with pytest.raises(WorkError, match="onnxruntime could not run the model: ") as caught:
        model.run(replace(CLIP, style=np.zeros((1, 10), np.float32)))
    assert "\n" not in caught.value.message


def endless() -> onnx.ModelProto:
    """A Kokoro that computes for minutes before it speaks."""
    model = toy_kokoro()
    graph = model.graph
    state = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_in"], ["go_out"]),
            helper.make_node("MatMul", ["v_in", "own.matrix"], ["v_out"]),
        ],
        "body",
        [state("i", INT64, []), state("go_in", TensorProto.BOOL, []), state("v_in", TensorProto.FLOAT, [64, 64])],
        [state("go_out", TensorProto.BOOL, []), state("v_out", TensorProto.FLOAT, [64, 64])],
    )
    graph.initializer.append(numpy_helper.from_array(np.eye(64, dtype=np.float32), "own.matrix"))
    graph.initializer.append(numpy_helper.from_array(np.array(10**9), "own.count"))
    last = graph.node[-1]
    last.output[0] = "early"
    zero = numpy_helper.from_array(np.zeros(1, np.float32), "own.zero")
    graph.initializer.append(zero)
    graph.node.extend(
        [
            helper.make_node("Loop", ["own.count", "condition", "own.matrix"], ["v"], body=body),
            helper.make_node("ReduceSum", ["v"], ["sum"], keepdims=0),
            helper.make_node("Mul", ["sum", "own.zero"], ["nothing"]),
            helper.make_node("Add", ["early", "nothing"], ["waveform"]),
        ]
    )
    return model


def test_stop_ends_a_run_in_the_middle(tmp_path: Path) -> None:
    model = speech_model(write(endless(), tmp_path / "endless.onnx"))
    errors: list[BaseException] = []

    def speak() -> None:
        try:
            model.run(CLIP)
        except WorkError as error:
            errors.append(error)

    thread = threading.Thread(target=speak)
    thread.start()
    thread.join(0.3)
    assert thread.is_alive(), "it was done before it could be stopped"
    model.stop()
    thread.join(1.0)
    assert not thread.is_alive()
    assert len(errors) == 1
    assert "\n" not in str(errors[0])


def test_a_session_is_quiet_and_single_threaded_when_asked(toy_model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    session = create_session(str(toy_model), threads=1)
    assert session.get_session_options().intra_op_num_threads == 1
    assert session.get_session_options().get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert capfd.readouterr() == ("", "")


def test_remote_providers_are_never_offered() -> None:
    providers = available_providers()
    assert "CPUExecutionProvider" in providers
    assert not NEVER_CHOSEN.intersection(providers)


@pytest.mark.parametrize(
    ("text", "line"),
    [("[ONNXRuntimeError] : 1 : FAIL : bad\nmore", "1 : FAIL : bad"), ("  plain ", "plain"), ("", "ValueError")],
)
def test_errors_are_cut_to_their_first_line(text: str, line: str) -> None:
    assert first_line(ValueError(text)) == line


@pytest.mark.real
def test_the_real_model_speaks_and_holds_durations(real_model: Path) -> None:
    model = speech_model(real_model)
    assert signature_of(real_model).duration == "duration"
    words = clip(0, 50, 156, 43, 102, 4, 0)
    free = model.run(words)
    assert free.durations is not None
    assert free.waveform.size == free.durations.sum() * 600
    np.testing.assert_array_equal(model.run(words).waveform, free.waveform)
    longer = free.durations + 1
    assert model.run(words, durations=longer).waveform.size == longer.sum() * 600
