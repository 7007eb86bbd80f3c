from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import kokoro_tui.graph.read_inventory as reader
from kokoro_tui.errors import InputError
from kokoro_tui.graph.load import read_model
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from kokoro_tui.graph.skim import LARGE_BYTES, skim_model
from tests.models import toy_kokoro, write


def assert_the_same_as_the_whole(path: Path) -> None:
    whole = inventory_of(read_model(path), path, path.stat().st_size)
    assert read_inventory(path) == whole


def one_weight(tensor: TensorProto) -> onnx.ModelProto:
    """A MatMul with the given weight [64, 64]."""
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 64]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], name="m")], "g", values[:1], values[1:])
    graph.initializer.append(tensor)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def weight(*, raw: bool = True) -> TensorProto:
    """A float weight [64, 64], as raw bytes or as a list of floats."""
    values = np.arange(64 * 64, dtype=np.float32).reshape(64, 64)
    if raw:
        return numpy_helper.from_array(values, "w")
    return helper.make_tensor("w", TensorProto.FLOAT, [64, 64], values.reshape(-1).tolist())


def test_large_weights_are_stepped_over_and_nothing_else(toy_model: Path) -> None:
    skimmed = skim_model(toy_model)
    assert skimmed is not None
    whole = toy_kokoro()
    for index, tensor in enumerate(whole.graph.initializer):
        large = len(tensor.raw_data) > LARGE_BYTES
        assert (index in skimmed.left_out) == large
        if large:
            start, nbytes = skimmed.left_out[index]
            assert toy_model.read_bytes()[start : start + nbytes] == tensor.raw_data
            tensor.ClearField("raw_data")
    assert skimmed.left_out
    assert skimmed.model == whole


def test_the_inventory_is_that_of_the_whole_file(toy_model: Path) -> None:
    assert_the_same_as_the_whole(toy_model)


@pytest.mark.real
def test_the_inventory_of_the_real_model_is_that_of_the_whole_file(real_model: Path) -> None:
    assert_the_same_as_the_whole(real_model)


@pytest.mark.parametrize("raw", [True, False])
def test_weights_are_counted_however_they_are_written(tmp_path: Path, raw: bool) -> None:
    path = write(one_weight(weight(raw=raw)), tmp_path / "m.onnx")
    skimmed = skim_model(path)
    assert skimmed is not None
    assert bool(skimmed.left_out) == raw
    assert_the_same_as_the_whole(path)


def test_a_weight_that_names_its_place_is_read_whole(tmp_path: Path) -> None:
    tensor = weight()
    tensor.data_location = TensorProto.DEFAULT
    path = write(one_weight(tensor), tmp_path / "m.onnx")
    skimmed = skim_model(path)
    assert skimmed is not None
    assert not skimmed.left_out
    assert_the_same_as_the_whole(path)


def test_the_weights_are_not_read(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "read_model", None)
    assert read_inventory(toy_model).nodes


def test_a_weight_of_another_length_than_its_shape_is_refused(tmp_path: Path) -> None:
    tensor = weight()
    tensor.raw_data = tensor.raw_data[:-4]
    with pytest.raises(InputError, match="its shape asks for 16384"):
        read_inventory(write(one_weight(tensor), tmp_path / "m.onnx"))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_ends_too_early_is_left_to_the_parser(toy_model: Path, share: float) -> None:
    content = toy_model.read_bytes()
    toy_model.write_bytes(content[: int(len(content) * share)])
    assert skim_model(toy_model) is None
    with pytest.raises(InputError, match="damaged"):
        read_inventory(toy_model)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        bytes(100_000),
        b"\x0b" * 50,
        b"\xff" * 50,
        b"\x08\x08" * 1_000_000,
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
    ],
)
def test_what_is_not_plainly_a_model_is_left_to_the_parser(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert skim_model(path) is None


def test_two_graphs_are_left_to_the_parser(toy_model: Path) -> None:
    content = toy_model.read_bytes()
    toy_model.write_bytes(content + content)
    assert skim_model(toy_model) is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in the file system")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe.onnx"
    os.mkfifo(path)
    assert skim_model(path) is None


def test_a_missing_file_is_left_to_the_reader(tmp_path: Path) -> None:
    assert skim_model(tmp_path / "nothing.onnx") is None
