"""The sizes that core computes are those of real protobuf records."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, helper

from kokoro_tui.core.specs import NodeSpec, TensorSpec
from kokoro_tui.core.wire import (
    ITEM_BYTES,
    int_attribute_bytes,
    message_bytes,
    names_bytes,
    opset_bytes,
    tensor_bytes,
    text_bytes,
    varint_bytes,
)

NAMES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.integers(1, 3).map(lambda n: "/largo/ß音𝄞" * (10 * n)),
    st.sampled_from([126, 127, 128, 16383, 16384]).map(lambda n: "n" * n),
)
INTEGERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, 127, 128, 16383, 16384, 2**31, 2**62]))
DIMS = st.lists(st.one_of(st.integers(0, 300), st.sampled_from([127, 128, 16384])), max_size=5).map(tuple)


@given(INTEGERS)
def test_a_varint_takes_as_many_bytes_as_in_an_attribute(value: int) -> None:
    assert AttributeProto(i=value).ByteSize() == 1 + varint_bytes(value)


@given(st.integers(0, 40_000))
def test_a_message_counts_tag_and_length(length: int) -> None:
    assert TensorProto(raw_data=b"\0" * length).ByteSize() == message_bytes(length)


@given(st.lists(NAMES, max_size=4))
def test_repeated_names_count_empty_ones_too(names: list[str]) -> None:
    assert NodeProto(input=names).ByteSize() == names_bytes(names) == sum(text_bytes(name) for name in names)


@given(NAMES, INTEGERS)
def test_an_integer_attribute(name: str, value: int) -> None:
    node = NodeProto(attribute=[AttributeProto(name=name, i=value, type=AttributeProto.INT)])
    assert node.ByteSize() == int_attribute_bytes(name, value)


@pytest.mark.parametrize("dtype", sorted(ITEM_BYTES))
def test_an_initializer_of_every_type(dtype: str) -> None:
    tensor = TensorProto(name="weight", dims=[3, 5], data_type=TensorProto.DataType.Value(dtype))
    tensor.raw_data = b"\0" * 15 * ITEM_BYTES[dtype]
    measured = GraphProto(initializer=[tensor]).ByteSize()
    assert measured == tensor_bytes("weight", (3, 5), 15 * ITEM_BYTES[dtype])


@given(NAMES, DIMS)
def test_an_initializer_of_any_name_and_shape(name: str, dims: tuple[int, ...]) -> None:
    if prod(dims) > 1_000_000:
        dims = dims[:1]
    spec = TensorSpec(name, "FLOAT16", dims)
    tensor = TensorProto(name=name, dims=dims, data_type=TensorProto.FLOAT16, raw_data=b"\0" * 2 * prod(dims))
    assert GraphProto(initializer=[tensor]).ByteSize() == spec.record_bytes
    assert spec.nbytes == 2 * prod(dims)


@given(NAMES, st.integers(1, 30))
def test_an_opset_import(domain: str, version: int) -> None:
    entry = OperatorSetIdProto(version=version)
    if domain:
        entry.domain = domain
    assert ModelProto(opset_import=[entry]).ByteSize() == opset_bytes(domain, version)


@given(
    st.lists(NAMES, max_size=3), st.lists(NAMES, max_size=3), NAMES, NAMES, st.dictionaries(NAMES, INTEGERS, max_size=3)
)
def test_a_node_to_be_written(
    inputs: list[str], outputs: list[str], name: str, domain: str, attributes: dict[str, int]
) -> None:
    spec = NodeSpec("Cast", name, tuple(inputs), tuple(outputs), domain, tuple(attributes.items()))
    node = helper.make_node("Cast", inputs, outputs, name=name or None, domain=domain or None)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
    assert GraphProto(node=[node]).ByteSize() == spec.record_bytes
