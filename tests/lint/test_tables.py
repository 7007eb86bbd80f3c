"""The tables that ship: complete, dated, and in agreement with the onnxruntime that is installed."""

from __future__ import annotations

import re
from collections import defaultdict

import onnxruntime
import pytest
from onnxruntime.capi import onnxruntime_pybind11_state as native

from kokoro_tui.lint.tables import find_schema, load_schemas, load_table, only_type
from kokoro_tui.lint.targets import TARGET_NAMES, find_target

INFINITE = 2**31 - 1


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_every_table_says_where_it_is_from_and_when_it_was_read(name: str) -> None:
    table = load_table(name)
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", table.date)
    assert len(table.source) > 40
    assert table.runtime.startswith("onnxruntime")
    assert (table.fallback_release is None) == (name in ("cpu", "wasm"))


@pytest.mark.parametrize("name", TARGET_NAMES)
def test_every_kernel_is_of_a_known_operator_and_release(name: str) -> None:
    table = load_table(name)
    assert len(table.kernels) > 50
    assert set(table.kernels) - set(load_schemas()) == set()
    for op, kernels in table.kernels.items():
        known = {version.since for version in load_schemas()[op]}
        for kernel in kernels:
            assert any(kernel.first <= since <= kernel.last for since in known), op
            assert kernel.releases is None or set(kernel.releases) <= set(table.releases), op


@pytest.mark.parametrize("op", ["ConvInteger", "MatMulInteger", "DynamicQuantizeLinear"])
def test_integer_operators_are_where_they_are_known_to_be(op: str) -> None:
    has = {name for name in TARGET_NAMES if op in load_table(name).kernels}
    assert has == {"cpu", "wasm"} | ({"cuda"} if op == "MatMulInteger" else set())


def test_dequantize_linear_is_everywhere_but_on_coreml() -> None:
    assert {n for n in TARGET_NAMES if "DequantizeLinear" not in load_table(n).kernels} == {"coreml"}


def test_the_operator_set_chooses_the_version_of_an_operator() -> None:
    found = {opset: find_schema("DequantizeLinear", {"": opset}) for opset in (9, 10, 18, 20, 21)}
    assert {opset: schema and schema.since for opset, schema in found.items()} == {
        9: None,
        10: 10,
        18: 13,
        20: 19,
        21: 21,
    }
    assert find_schema("com.microsoft:QGemm", {"": 20}) is not None
    assert find_schema("org.pytorch.aten:ATen", {"org.pytorch.aten": 1}) is None


def test_variadic_operators_type_all_their_inputs_alike() -> None:
    schema = find_schema("Concat", {"": 20})
    assert schema is not None
    assert [schema.input_variable(i) for i in (0, 5)] == ["T", "T"]
    where = find_schema("Where", {"": 20})
    assert where is not None
    assert [where.input_variable(i) for i in range(4)] == ["B", "T", "T", ""]


def test_types_that_an_operator_always_has_are_known() -> None:
    schema, conv = find_schema("ConvInteger", {"": 20}), find_schema("Conv", {"": 20})
    assert schema is not None
    assert conv is not None
    assert (only_type(schema, "T3"), only_type(schema, "T1"), only_type(conv, "nothing")) == ("INT32", None, None)


def installed_kernels() -> dict[tuple[str, int], dict[str, set[str]]]:
    """What the installed onnxruntime registers for the CPU: types by operator version and type variable."""
    found: dict[tuple[str, int], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for kernel in native.get_all_opkernel_def():
        if kernel.provider != "CPUExecutionProvider":
            continue
        op = f"{kernel.domain}:{kernel.op_name}" if kernel.domain else kernel.op_name
        first, last = kernel.version_range
        for schema in load_schemas().get(op, ()):
            if schema.since == first or (first < schema.since and last != INFINITE and schema.since <= last):
                types = found[op, schema.since]
                for variable, names in kernel.type_constraints.items():
                    types[variable] |= {short_type(name) for name in names}
    return found


def short_type(name: str) -> str:
    """``tensor(float)`` as FLOAT, ``seq(…)`` as SEQUENCE."""
    kinds = {"seq": "SEQUENCE", "optional": "OPTIONAL", "sparse_tensor": "SPARSE_TENSOR"}
    kind, _, inner = name.partition("(")
    return name.upper() if kind == "map" else kinds.get(kind, inner.rstrip(")").upper())


def test_the_cpu_table_is_what_the_installed_onnxruntime_registers() -> None:
    installed = installed_kernels()
    assert len(installed) > 600
    target = find_target("cpu@" + ".".join(onnxruntime.__version__.split(".")[:2]))
    for op, since in installed:
        if op.startswith(("ai.onnx.training", "ai.onnx.preview")):
            continue
        types: dict[str, set[str]] = defaultdict(set)
        kernels = target.table.implementations(op, since, target.release)
        assert kernels, f"{op} {since} is missing"
        for kernel in kernels:
            for variable, names in kernel.types.items():
                types[variable] |= names
        # A later release than the table may know more types.
        assert all(names <= installed[op, since][variable] for variable, names in types.items()), (op, since)
        if target.name == f"cpu@{target.release}":
            assert types == installed[op, since], (op, since)


def test_the_cpu_table_holds_nothing_that_the_installed_onnxruntime_lacks() -> None:
    installed = set(installed_kernels())
    target = find_target("cpu@" + ".".join(onnxruntime.__version__.split(".")[:2]))
    listed = {
        (op, schema.since)
        for op in target.table.kernels
        for schema in load_schemas()[op]
        if target.table.implementations(op, schema.since, target.release)
    }
    assert listed - installed == set()
