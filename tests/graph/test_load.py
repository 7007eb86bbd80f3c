"""Model files may come from anywhere: what cannot be read is one clear error, and nothing outside is opened."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.errors import ExitCode, InputError
from kokoro_tui.graph.load import load_external_data, read_model
from kokoro_tui.graph.read_inventory import MAX_SUBGRAPH_DEPTH, read_inventory
from tests.graph.single_ops import FLOAT, normal, single_op
from tests.models import toy_kokoro, write

WEIGHT = normal(8, 16)


def external_model(folder: Path, entries: dict[str, str], data: bytes | None = WEIGHT.tobytes()) -> Path:
    """A MatMul whose weight lies in ``weights.bin``, described by ``entries``."""
    model = single_op("MatMul", {"w": WEIGHT})
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    if data is not None:
        (folder / "weights.bin").write_bytes(data)
    return write(model, folder / "model.onnx")


def refuse(path: Path, message: str) -> InputError:
    """Read a file that has to be refused in one line with a hint."""
    with pytest.raises(InputError, match=message) as caught:
        read_inventory(path)
    assert caught.value.exit_code is ExitCode.USAGE
    assert caught.value.hint
    assert "\n" not in caught.value.message
    return caught.value


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    refuse(tmp_path / "none.onnx", "^there is no file .*none.onnx$")
    refuse(tmp_path, "is a folder, not a model file")
    (tmp_path / "empty.onnx").touch()
    refuse(tmp_path / "empty.onnx", "empty.onnx is empty")
    (tmp_path / "text.onnx").write_text("# Kokoro\n\nA model.\n" * 100)
    refuse(tmp_path / "text.onnx", "text.onnx is not an ONNX model")
    refuse(tmp_path / "text.onnx" / "model.onnx", "cannot read .*: Not a directory")
    refuse(Path("nul\0.onnx"), r"'nul\\x00.onnx' is no file name")
    refuse(tmp_path / ("long" * 100), "cannot read .*: File name too long")


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    refuse(pipe, "pipe.onnx is not a file that can be read from start to end")
    refuse(Path("/dev/null"), "/dev/null is not a file")


def test_what_cannot_be_a_protobuf_is_not_read_into_memory(tmp_path: Path) -> None:
    huge = tmp_path / "huge.onnx"
    with huge.open("wb") as handle:
        handle.truncate(2**31 + 1)
    refuse(huge, "huge.onnx is larger than 2 GiB")


def test_an_unreadable_file_is_named(toy_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root, as which CI may run, can read files of mode 0, so the system's refusal is played."""

    def refused(path: Path, *args: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refused)
    monkeypatch.setattr(Path, "read_bytes", refused)
    refuse(toy_model, "cannot read .*: Permission denied")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.999])
def test_a_truncated_model_is_damaged(toy_model: Path, share: float) -> None:
    content = toy_model.read_bytes()
    toy_model.write_bytes(content[: int(len(content) * share)])
    refuse(toy_model, "toy.onnx is damaged: it ends too early or holds bytes that are not ONNX")


@pytest.mark.parametrize(
    "model",
    [onnx.ModelProto(ir_version=9), helper.make_model(onnx.GraphProto(), opset_imports=[]), onnx.ModelProto()],
)
def test_a_protobuf_without_a_graph_or_opset_is_no_model(model: onnx.ModelProto, tmp_path: Path) -> None:
    if model.HasField("graph"):
        del model.opset_import[:]
    path = write(model, tmp_path / "model.onnx")
    path.write_bytes(path.read_bytes() or b"\x08\x00")
    refuse(path, "model.onnx is not an ONNX model")


@pytest.mark.real
def test_a_real_model_that_was_cut_off_is_damaged(real_model: Path, tmp_path: Path) -> None:
    with real_model.open("rb") as source:
        (tmp_path / "cut.onnx").write_bytes(source.read(50_000_000))
    refuse(tmp_path / "cut.onnx", "cut.onnx is damaged")


# External data


@pytest.mark.parametrize(
    "entries",
    [
        {"location": "weights.bin"},
        {"location": "./weights.bin", "offset": "0", "length": str(WEIGHT.nbytes)},
        {"location": "weights.bin", "length": str(WEIGHT.nbytes), "checksum": "whatever"},
    ],
)
def test_external_data_beside_the_model_is_read(entries: dict[str, str], tmp_path: Path) -> None:
    path = external_model(tmp_path, entries, WEIGHT.tobytes() + b"of another tensor")
    inventory = read_inventory(path)
    assert inventory.external_data
    assert inventory.tensors["w"].nbytes == WEIGHT.nbytes
    assert inventory.file_bytes == path.stat().st_size + WEIGHT.nbytes + 17
    model = read_model(path)
    load_external_data(model, path)
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), WEIGHT)


def test_an_offset_is_followed(tmp_path: Path) -> None:
    path = external_model(tmp_path, {"location": "weights.bin", "offset": "4096"}, bytes(4096) + WEIGHT.tobytes())
    model = read_model(path)
    load_external_data(model, path)
    np.testing.assert_array_equal(numpy_helper.to_array(model.graph.initializer[0]), WEIGHT)


def test_a_link_inside_the_folder_is_followed(tmp_path: Path) -> None:
    path = external_model(tmp_path, {"location": "link.bin"})
    (tmp_path / "link.bin").symlink_to("weights.bin")
    assert read_inventory(path).external_data


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": "absent.bin"}, "needs the external data file 'absent.bin', which is missing"),
        ({"location": "."}, "needs the external data file '.', which is missing"),
        ({}, r"keeps weights outside its own folder \(''\), which is not opened"),
        ({"location": "/etc/passwd"}, r"outside its own folder \('/etc/passwd'\), which is not opened"),
        ({"location": "../outside.bin"}, r"outside its own folder \('../outside.bin'\)"),
        ({"location": "a/../../outside.bin"}, "outside its own folder"),
        ({"location": "link.bin"}, r"outside its own folder \('link.bin'\)"),
        ({"location": "linked/outside.bin"}, r"outside its own folder \('linked/outside.bin'\)"),
        ({"location": "circle.bin"}, "impossible external data file|which is missing"),
        ({"location": "nul\0.bin"}, "names an impossible external data file"),
        ({"location": "x" * 5000}, "names an impossible external data file"),
        ({"location": "\x1b[31m\u202e[bold]"}, r"needs the external data file '\\x1b\[31m\\u202e\[bold\]'"),
        ({"location": "weights.bin", "offset": "8"}, "'weights.bin' is shorter than model.onnx says"),
        ({"location": "weights.bin", "offset": str(10**30)}, "'weights.bin' is shorter than model.onnx says"),
        ({"location": "weights.bin", "offset": "-8"}, "external data entry of 'w' does not fit its shape"),
        ({"location": "weights.bin", "length": "100"}, "external data entry of 'w' does not fit its shape"),
        ({"location": "weights.bin", "length": "-1"}, "external data entry of 'w' does not fit its shape"),
        ({"location": "weights.bin", "offset": "many"}, "external data entry of 'w' is not a number"),
        ({"location": "weights.bin", "offset": "1" * 5000}, "external data entry of 'w' is not a number"),
    ],
)
def test_external_data_elsewhere_or_of_another_length_is_refused(
    entries: dict[str, str], message: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside.bin").write_bytes(WEIGHT.tobytes())
    (folder / "link.bin").symlink_to(tmp_path / "outside.bin")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "circle.bin").symlink_to("circle.bin")
    refuse(external_model(folder, entries), message)


def test_a_location_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = external_model(tmp_path, {"location": "weights_bin"})
    path.write_bytes(path.read_bytes().replace(b"weights_bin", b"weights\xffbin"))
    refuse(path, "names an impossible external data file")


def test_a_data_file_that_shrinks_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    path = external_model(tmp_path, {"location": "weights.bin"})
    model = read_model(path)
    (tmp_path / "weights.bin").write_bytes(b"short")
    with pytest.raises(InputError, match="is shorter than"):
        load_external_data(model, path)
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(InputError, match="which is missing"):
        load_external_data(model, path)


def test_more_data_than_a_file_can_hold_is_not_loaded(tmp_path: Path) -> None:
    path = external_model(tmp_path, {"location": "weights.bin"})
    model = read_model(path)
    model.graph.initializer[0].dims[:] = [2**30]
    with (tmp_path / "weights.bin").open("wb") as handle:
        handle.truncate(2**32)  # sparse
    with pytest.raises(InputError, match="has more than 2 GiB of weights"):
        load_external_data(model, path)


def test_external_data_of_nodes_and_bodies_is_not_opened(tmp_path: Path) -> None:
    outside = TensorProto(name="secret", data_type=FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="/etc/passwd")
    model = toy_kokoro()
    model.graph.node.append(helper.make_node("Constant", [], ["secret"], value=outside))
    refuse(write(model, tmp_path / "constant.onnx"), "keeps data of a node or a subgraph in another file")
    model = toy_kokoro()
    body = next(node for node in model.graph.node if node.op_type == "If").attribute[0].g
    body.initializer.append(outside)
    refuse(write(model, tmp_path / "body.onnx"), "keeps data of a node or a subgraph in another file")
    model = toy_kokoro()
    function = helper.make_function(
        "own", "F", [], ["y"], [helper.make_node("Constant", [], ["y"], value=outside)], [helper.make_opsetid("", 20)]
    )
    model.functions.append(function)
    refuse(write(model, tmp_path / "function.onnx"), "keeps data of a node or a subgraph in another file")
    model = toy_kokoro()
    indices = helper.make_tensor("indices", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=outside, indices=indices, dims=[4]))
    refuse(write(model, tmp_path / "sparse.onnx"), "keeps data of a node or a subgraph in another file")


# Order


def in_file_order(model: onnx.ModelProto, order: list[int]) -> onnx.ModelProto:
    """The model with its nodes written in another order."""
    nodes = [onnx.NodeProto.FromString(model.graph.node[index].SerializeToString()) for index in order]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


@pytest.mark.parametrize("seed", range(5))
def test_nodes_are_put_in_an_order_in_which_they_can_run(seed: int, tmp_path: Path) -> None:
    # As onnxruntime's FP16 converter writes them: it appends its casts.
    model = toy_kokoro()
    order = [int(index) for index in np.random.default_rng(seed).permutation(len(model.graph.node))]
    path = write(in_file_order(model, order), tmp_path / "shuffled.onnx")
    found = read_model(path)
    onnx.checker.check_model(found)
    assert sorted(n.SerializeToString() for n in found.graph.node) == sorted(
        n.SerializeToString() for n in model.graph.node
    )
    assert [node.key for node in read_inventory(path).main_nodes] == [node.name for node in found.graph.node]


def test_nodes_that_are_in_order_stay_as_they_are(toy_model: Path) -> None:
    assert [n.name for n in read_model(toy_model).graph.node] == [n.name for n in toy_kokoro().graph.node]


def test_what_a_body_reads_comes_before_its_node(tmp_path: Path) -> None:
    model = toy_kokoro()
    index = next(i for i, node in enumerate(model.graph.node) if node.op_type == "If")
    others = [i for i in range(len(model.graph.node)) if i != index]
    names = [n.name for n in read_model(write(in_file_order(model, [index, *others]), tmp_path / "m.onnx")).graph.node]
    assert names.index("/decoder/LeakyRelu") < names.index("/decoder/If")


def test_nodes_in_a_circle_are_left_to_the_checker(tmp_path: Path) -> None:
    model = toy_kokoro()
    model.graph.node[1].input[0] = "/encoder/style/Add_output_0"
    names = [node.name for node in model.graph.node]
    assert [n.name for n in read_model(write(model, tmp_path / "circle.onnx")).graph.node] == names


# Hostile contents


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([-1, 4], "the initializer 'w' has a negative dimension"),
        ([10**6, 10**6], "the initializer 'w' holds 512 bytes, but its shape asks for 4000000000000"),
        ([8, 15], "the initializer 'w' holds 512 bytes, but its shape asks for 480"),
        ([0, 16], "the initializer 'w' holds 512 bytes, but its shape asks for 0"),
    ],
)
def test_a_shape_that_does_not_fit_the_data_is_refused(dims: list[int], message: str, tmp_path: Path) -> None:
    model = single_op("MatMul", {"w": WEIGHT})
    model.graph.initializer[0].dims[:] = dims
    refuse(write(model, tmp_path / "model.onnx"), message)


def test_a_shape_without_any_data_is_refused(tmp_path: Path) -> None:
    model = single_op("MatMul", {"w": WEIGHT})
    model.graph.initializer[0].ClearField("raw_data")
    refuse(write(model, tmp_path / "model.onnx"), "'w' holds 0 bytes, but its shape asks for 512")


def test_ambiguous_and_nameless_initializers_are_refused(tmp_path: Path) -> None:
    model = single_op("MatMul", {"w": WEIGHT})
    model.graph.initializer.append(model.graph.initializer[0])
    refuse(write(model, tmp_path / "twice.onnx"), "it holds the initializer 'w' more than once")
    model = single_op("MatMul", {"w": WEIGHT})
    model.graph.initializer[0].name = ""
    refuse(write(model, tmp_path / "nameless.onnx"), "it holds an initializer without a name")


@pytest.mark.parametrize("text", [b"/encoder/bert/layer/Tanh", b"bert.shared", b"then_out", b"waveform", b"branch"])
def test_names_that_are_not_text_are_refused(text: bytes, toy_model: Path) -> None:
    toy_model.write_bytes(toy_model.read_bytes().replace(text, text[:-1] + b"\xff"))
    refuse(toy_model, "toy.onnx is damaged: it holds a name that is not UTF-8 text")


def nested(depth: int) -> onnx.ModelProto:
    """If in If in If."""
    output = [helper.make_tensor_value_info("y", FLOAT, [])]
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "body", [], output)
    for _ in range(depth):
        node = helper.make_node("If", ["condition"], ["y"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "body", [], output)
    inner.input.append(helper.make_tensor_value_info("x", FLOAT, []))
    inner.input.append(helper.make_tensor_value_info("condition", TensorProto.BOOL, []))
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def one_branch(depth: int) -> onnx.ModelProto:
    """The same with one body each, so that it grows with the depth only."""
    inner = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "body", [], [])
    for _ in range(depth):
        inner = helper.make_graph([helper.make_node("If", ["c"], ["y"], then_branch=inner)], "body", [], [])
    return helper.make_model(inner, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


def test_subgraphs_are_read_as_deep_as_exporters_nest_them(tmp_path: Path) -> None:
    inventory = read_inventory(write(nested(4), tmp_path / "nested.onnx"))
    assert [node.depth for node in inventory.nodes].count(4) == 16
    assert read_inventory(write(one_branch(MAX_SUBGRAPH_DEPTH), tmp_path / "deep.onnx")).nodes[-1].depth == 16


def test_subgraphs_that_are_nested_deeper_are_refused(tmp_path: Path) -> None:
    refuse(write(one_branch(MAX_SUBGRAPH_DEPTH + 1), tmp_path / "deep.onnx"), "nests subgraphs more than 16 deep")


def test_subgraphs_without_end_are_refused(tmp_path: Path) -> None:
    graph = b""
    for _ in range(10_000):  # a graph in an attribute in a node in a graph, deeper than protobuf itself would write
        for tag in (b"\x32", b"\x2a", b"\x0a"):
            graph = tag + varint(len(graph)) + graph
    model = onnx.ModelProto(ir_version=9).SerializeToString() + b"\x3a" + varint(len(graph)) + graph
    (tmp_path / "endless.onnx").write_bytes(model)
    refuse(tmp_path / "endless.onnx", "endless.onnx is damaged")


def varint(value: int) -> bytes:
    """A length as protobuf writes it."""
    groups = [value >> shift & 0x7F for shift in range(0, max(1, value.bit_length()), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
