"""Kokoro exports are recognised by their inputs and outputs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.engine.signature import Signature, recognise, speed_feed
from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from tests.graph.single_ops import single_op
from tests.models import FLOAT, INT64, ToyGraph, toy_kokoro


def inventory(model: onnx.ModelProto) -> Inventory:
    return inventory_of(model, Path("model.onnx"), 0)


def signature_of(model: onnx.ModelProto) -> Signature:
    signature = recognise(inventory(model))
    assert signature is not None
    return signature


@pytest.mark.parametrize("tokens", ["input_ids", "tokens"])
@pytest.mark.parametrize(("speed", "dtype"), [(FLOAT, "FLOAT"), (TensorProto.INT32, "INT32")])
def test_exports_of_kokoro_are_recognised(tokens: str, speed: int, dtype: str) -> None:
    found = signature_of(toy_kokoro(tokens=tokens, speed=speed))
    assert found == Signature(tokens, "style", "speed", dtype, "waveform", "duration", 178)


@pytest.mark.parametrize("missing", ["input_ids", "style", "speed"])
def test_a_model_that_lacks_an_input_is_not_kokoro(missing: str) -> None:
    model = toy_kokoro()
    renamed = next(value for value in model.graph.input if value.name == missing)
    renamed.name = "other"
    assert recognise(inventory(model)) is None


def test_other_models_are_not_kokoro() -> None:
    assert recognise(inventory(single_op("Relu", {}))) is None
    model = toy_kokoro()
    del model.graph.output[:]
    assert recognise(inventory(model)) is None


def test_a_speed_of_another_type_is_not_kokoros() -> None:
    model = toy_kokoro()
    model.graph.input[2].type.tensor_type.elem_type = TensorProto.STRING
    assert recognise(inventory(model)) is None


def test_the_vocabulary_is_that_of_the_smallest_table_that_tokens_index() -> None:
    g = ToyGraph()
    g.add("Gather", "a", g.weight("large", 300, 4), "input_ids")
    g.add("Gather", "b", g.weight("small", 120, 4), "input_ids", outputs=("waveform",))
    g.add("Gather", "c", g.weight("positions", 10, 4), "positions_ids")
    value = helper.make_tensor_value_info
    inputs = [
        value("input_ids", INT64, [1, "n"]), value("style", FLOAT, [1, 256]), value("speed", FLOAT, [1]),
        value("positions_ids", INT64, [1]),
    ]  # fmt: skip
    model = g.model(inputs, [value("waveform", FLOAT, [1, "n", 4])], infer_shapes=False)
    assert signature_of(model).vocabulary_size == 120


# Durations


def test_the_durations_are_an_output_whatever_the_first_one_is_called() -> None:
    model = toy_kokoro()
    for node in model.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = "pred_dur" if name == "duration" else name
    model.graph.output[1].name = "pred_dur"
    assert signature_of(model).duration == "pred_dur"


def test_durations_inside_are_found_behind_the_rounding() -> None:
    assert signature_of(toy_kokoro(duration=False)).duration == "duration"


def rename_op(model: onnx.ModelProto, op: str, other: str) -> None:
    for node in model.graph.node:
        if node.op_type == op:
            node.op_type = other


def test_a_model_that_does_not_round_tells_no_durations() -> None:
    model = toy_kokoro(duration=False)
    rename_op(model, "Round", "Floor")
    assert signature_of(model).duration is None


def test_a_model_that_rounds_twice_tells_no_durations() -> None:
    model = toy_kokoro(duration=False)
    model.graph.node.append(helper.make_node("Round", ["style"], ["rounded"]))
    assert signature_of(model).duration is None


def test_durations_of_unknown_type_are_not_used() -> None:
    model = toy_kokoro(duration=False)
    del model.graph.value_info[:]
    assert signature_of(model).duration is None


def test_a_damaged_model_does_not_lead_round_in_a_circle() -> None:
    model = toy_kokoro(duration=False)
    clip = next(node for node in model.graph.node if node.op_type == "Clip")
    cast = next(node for node in model.graph.node if node.name == "/encoder/predictor/Cast_1")
    clip.input[1] = cast.output[0]
    following = next(node for node in model.graph.node if cast.output[0] in node.input and node is not clip)
    following.input[0] = "style"
    assert signature_of(model).duration is None


def test_a_damaged_model_may_round_into_nothing() -> None:
    model = toy_kokoro(duration=False)
    for node in model.graph.node:
        if node.op_type in ("Round", "Clip"):
            del node.output[:]
    assert signature_of(model).duration is None


# Speed


@pytest.mark.parametrize(
    ("speed", "dtype"),
    [(FLOAT, np.float32), (TensorProto.DOUBLE, np.float64), (TensorProto.INT32, np.int32), (INT64, np.int64)],
)
def test_the_speed_has_the_type_of_the_input(speed: int, dtype: type[np.generic]) -> None:
    feed = speed_feed(signature_of(toy_kokoro(speed=speed)), 2.0)
    assert (feed.dtype, feed.tolist()) == (np.dtype(dtype), [2])


def test_a_model_of_whole_speeds_refuses_others() -> None:
    signature = signature_of(toy_kokoro(speed=TensorProto.INT32))
    with pytest.raises(InputError, match=r"whole numbers for speed, not 0\.5"):
        speed_feed(signature, 0.5)
    assert speed_feed(signature_of(toy_kokoro()), 0.5).tolist() == [0.5]


@pytest.mark.real
def test_the_real_model_is_kokoro(real_model: Path) -> None:
    found = recognise(read_inventory(real_model))
    assert found == Signature("input_ids", "style", "speed", "FLOAT", "waveform", "duration", 178)
