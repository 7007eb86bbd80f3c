"""A part of a model gives what the whole model gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from kokoro_tui.core.precision import Precision
from kokoro_tui.engine.session import create_session, feeds_of
from kokoro_tui.errors import InputError
from kokoro_tui.graph.harness import PINNED_DURATIONS
from kokoro_tui.graph.probe import PartialModel
from tests.engine.toy_speech import CLIP, signature_of, speech_model

LENGTHS = "/encoder/predictor/Div_output_0"
STYLE = "/encoder/style/Gemm_output_0"


def run(path: Path, part: PartialModel, precisions: dict[str, Precision]) -> list[np.ndarray]:
    feeds = feeds_of(CLIP, signature_of(path), part.noise, 1)
    session = create_session(part.build(precisions), threads=1)
    return list(session.run([LENGTHS, "duration"], {k: v for k, v in feeds.items() if k in part.inputs}))


def test_the_part_is_smaller_and_gives_the_same_durations(toy_model: Path) -> None:
    part = PartialModel(toy_model, "duration", [LENGTHS, "duration"])
    model = onnx.load_from_string(part.build({}))
    whole = onnx.load(toy_model)
    assert len(model.graph.node) < 0.6 * len(whole.graph.node)
    assert not any("decoder" in node.name for node in model.graph.node)
    assert not any("ups" in tensor.name for tensor in model.graph.initializer)
    assert {value.name for value in model.graph.input} == {"input_ids", "style", "speed"} == part.inputs
    lengths, durations = run(toy_model, part, {})
    own = speech_model(toy_model).run(CLIP).durations
    assert own is not None
    assert durations.reshape(-1).tolist() == own.tolist()
    assert np.maximum(np.rint(lengths.reshape(-1)), 1).tolist() == own.tolist()


def test_another_precision_changes_the_value_and_nothing_else(toy_model: Path) -> None:
    part = PartialModel(toy_model, "duration", [LENGTHS, "duration"])
    original = run(toy_model, part, {})[0]
    other = run(toy_model, part, {STYLE: Precision.W8})[0]
    assert 0 < np.abs(other - original).max() < 0.5
    assert np.array_equal(run(toy_model, part, {})[0], original), "building leaves the part as it was"


def test_nodes_of_the_rest_are_passed_over(toy_model: Path) -> None:
    part = PartialModel(toy_model, "duration", [LENGTHS])
    assert part.build({"/decoder/encode/Conv_output_0": Precision.W8}) == part.build({})


def test_what_a_node_cannot_take_is_refused(toy_model: Path) -> None:
    part = PartialModel(toy_model, "duration", [LENGTHS])
    with pytest.raises(InputError, match="cannot be W8"):
        part.build({"/encoder/style/Add_output_0": Precision.W8})


def test_durations_are_an_input_where_a_value_needs_them(toy_model: Path) -> None:
    frames = "/encoder/Transpose_1_output_0"
    part = PartialModel(toy_model, "duration", [frames])
    assert PINNED_DURATIONS in part.inputs
    assert PINNED_DURATIONS not in PartialModel(toy_model, None, [frames]).inputs


def test_an_output_keeps_its_type(toy_model: Path) -> None:
    part = PartialModel(toy_model, "duration", ["duration", LENGTHS])
    outputs = onnx.load_from_string(part.build({})).graph.output
    types = [output.type.tensor_type.elem_type for output in outputs]
    assert types == [TensorProto.INT64, TensorProto.FLOAT]
    assert helper.printable_type(outputs[0].type).startswith("INT64")
