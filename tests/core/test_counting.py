"""Every byte of a model counts once, in the right group."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from kokoro_tui.core.counting import Count, CountBy, CountFilter, GroupCount, count_model, name_prefix
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import inventory_of as read_inventory_of
from tests.core.small_inventory import inventory_of

SHARED = inventory_of(
    ("/enc/bert/MatMul", "MatMul"), ("/enc/bert/MatMul_1", "MatMul"), ("/enc/Gemm", "Gemm"), ("/dec/Conv", "Conv"),
    shared={"/enc/bert/MatMul": "w", "/enc/bert/MatMul_1": "w", "/enc/Gemm": "w"},
)  # fmt: skip

INDIVIDUAL = ("/enc/bert/MatMul (MatMul)", "/enc/bert/MatMul_1 (MatMul)", "/enc/Gemm (Gemm)", "/dec/Conv (Conv)")


def groups(count: Count) -> dict[str, tuple[int, float, float]]:
    return {group.group: (group.count, group.nbytes, group.parameters) for group in count.groups}


def with_constants() -> Inventory:
    """A Constant node, a tensor in an attribute, a body with its own initializer, and an initializer nobody reads."""
    body = helper.make_graph(
        [helper.make_node("Add", ["x", "inner"], ["y"], name="/body/Add")], "body", [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.ones(3, np.float32), "inner")],
    )  # fmt: skip
    nodes = [
        helper.make_node("Constant", [], ["c"], name="/Constant", value=numpy_helper.from_array(np.arange(5))),
        helper.make_node(
            "ConstantOfShape", ["c"], ["x"], name="/Fill", value=numpy_helper.from_array(np.zeros(1, np.float32))
        ),
        helper.make_node("If", ["c"], ["z"], name="/If", then_branch=body, else_branch=body),
        helper.make_node("Relu", ["z"], ["out"], name="/Relu"),
    ]
    graph = helper.make_graph(
        nodes, "g", [], [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.zeros(10, np.float16), "unused")],
    )  # fmt: skip
    model = helper.make_model(graph)
    assert isinstance(model, onnx.ModelProto)
    return read_inventory_of(model, Path("constants.onnx"), 100)


def test_a_shared_tensor_is_divided_evenly_and_counts_once() -> None:
    counted = count_model(SHARED, CountBy.OP, by_size=True)
    third = 16 * 32 / 3
    assert groups(counted) == {
        "MatMul": (2, 4 * 16 * 32 * 2 / 3, 2 * third),
        "Gemm": (1, 4 * 16 * 32 / 3, third),
        "Conv": (1, 4 * 8 * 16 * 3, 8 * 16 * 3),
    }
    assert (counted.total_bytes, counted.total_parameters, counted.nodes) == (4 * (512 + 384), 512 + 384, 4)
    assert isinstance(counted.total_parameters, int)


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (CountBy.NAME, {"/enc/bert": 2, "/enc/Gemm": 1, "/dec/Conv": 1}),
        (
            CountBy.INDIVIDUAL,
            dict.fromkeys(INDIVIDUAL, 1),
        ),
        (CountBy.DTYPE, {"FP32": 4}),
        (CountBy.OP_DTYPE, {"MatMul (FP32)": 2, "Gemm (FP32)": 1, "Conv (FP32)": 1}),
        (CountBy.NAME_DTYPE, {"/enc/bert (FP32)": 2, "/enc/Gemm (FP32)": 1, "/dec/Conv (FP32)": 1}),
    ],
)
def test_nodes_by_every_grouping(by: CountBy, expected: dict[str, int]) -> None:
    counted = count_model(SHARED, by)
    assert {group.group: group.count for group in counted.groups} == expected
    assert [group.count for group in counted.groups] == sorted(expected.values(), reverse=True)


def test_constants_bodies_and_unread_tensors_count() -> None:
    counted = count_model(with_constants(), CountBy.OP_DTYPE, by_size=True)
    assert groups(counted) == {
        "Constant (INT64)": (1, 40, 5),
        "Add (in a body)": (2, 24, 6),
        "Unattached (FP16)": (0, 20, 10),
        "ConstantOfShape (FP32)": (1, 4, 1),
    }
    assert counted.nodes == 6
    assert {group.group for group in count_model(with_constants(), CountBy.OP_DTYPE).groups} >= {"Relu (none)"}


@pytest.mark.parametrize(
    ("only", "expected"),
    [
        (CountFilter(op="matmul"), {"MatMul"}),
        (CountFilter(name="^/enc"), {"MatMul", "Gemm"}),
        (CountFilter(op="MatMul", name="_1$", dtype="fp32"), {"MatMul"}),
    ],
)
def test_filters(only: CountFilter, expected: set[str]) -> None:
    assert set(groups(count_model(SHARED, CountBy.OP, only=only))) == expected


def test_unread_tensors_pass_a_filter_by_type_only() -> None:
    assert set(groups(count_model(with_constants(), CountBy.OP, only=CountFilter(dtype="FP16")))) == {"Unattached"}
    with pytest.raises(InputError, match="no node passes"):
        count_model(with_constants(), CountBy.OP, only=CountFilter(op="Relu", dtype="FP16"))


@pytest.mark.parametrize(
    ("only", "message", "hint"),
    [
        (CountFilter(op="Matmull"), "no operator 'Matmull'", "MatMul"),
        (CountFilter(dtype="INT4"), "no tensor of type 'INT4'", "FP32"),
        (CountFilter(name="nowhere"), "no node passes", "loosen"),
        (CountFilter(name="("), "invalid regular expression", "escape"),
    ],
)
def test_an_empty_selection_is_an_error(only: CountFilter, message: str, hint: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        count_model(SHARED, CountBy.OP, only=only)
    assert hint in caught.value.hint


def test_a_model_without_nodes_is_an_error() -> None:
    with pytest.raises(InputError, match=r"small.onnx has no nodes"):
        count_model(replace(SHARED, nodes=(), tensors={}), CountBy.OP)


def test_the_rest_sums_up_what_is_not_shown() -> None:
    counted = count_model(SHARED, CountBy.OP, by_size=True)
    assert counted.rest(1) == GroupCount("… and 2 more rows", 3, 4 * 512, 512)


@pytest.mark.parametrize(
    ("name", "depth", "prefix"),
    [("/a/b/Conv", 2, "/a/b"), ("/a/b/Conv", 9, "/a/b/Conv"), ("plain", 2, "plain"), ("x/y", 1, "x")],
)
def test_name_prefixes(name: str, depth: int, prefix: str) -> None:
    assert name_prefix(name, depth) == prefix
