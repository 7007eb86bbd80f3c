"""Names of what a rewrite adds: never taken already, never given twice."""

from __future__ import annotations

import pytest

from kokoro_tui.core.inventory import TensorInfo
from kokoro_tui.core.specs import DYNAMIC_PARTS, FormKind, WeightForm, choose_infix

INFO = TensorInfo("w", "FLOAT", (2, 8, 4), 64, 256, 270)
BIAS = TensorInfo("w", "FLOAT", (8,), 8, 32, 40)


def forms() -> list[WeightForm]:
    """Every form of one weight that a plan could ask for at the same time."""
    found = [WeightForm(FormKind.CHANNEL_INT8, "w", axis) for axis in range(3)]
    found += [WeightForm(FormKind.TENSOR_INT8, "w", transposed=turned) for turned in (False, True)]
    found += [WeightForm(FormKind.TENSOR_UINT8, "w", transposed=turned) for turned in (False, True)]
    return [*found, *(WeightForm(kind, "w") for kind in (FormKind.HALF, FormKind.ROW_INT8, FormKind.DIRECTION_INT8))]


def test_all_forms_of_one_weight_have_names_of_their_own() -> None:
    tensors = [spec.name for form in forms() for spec in form.tensors(INFO, "__")]
    tensors += [WeightForm(FormKind.BROADCAST, "w", rank).tensors(BIAS, "__")[0].name for rank in (3, 4, 5)]
    values = [name for form in forms() for node in form.nodes("__") for name in node.outputs]
    assert len({*tensors, *values}) == len(tensors) + len(values)
    assert all(name.startswith("w__") for name in (*tensors, *values))


def test_dequantized_forms_write_the_name_that_their_readers_expect() -> None:
    for form in forms():
        nodes = form.nodes("__")
        assert bool(nodes) is (form.kind in (FormKind.CHANNEL_INT8, FormKind.ROW_INT8))
        if nodes:
            assert nodes[-1].outputs == (form.float_name("__"),)
            made = {spec.name for spec in form.tensors(INFO, "__")} | {n for node in nodes for n in node.outputs}
            assert {name for node in nodes for name in node.inputs} <= made


def test_a_transposed_form_has_its_dims_turned() -> None:
    matrix = TensorInfo("w", "FLOAT", (5, 7), 35, 140, 150)
    assert WeightForm(FormKind.TENSOR_INT8, "w", transposed=True).tensors(matrix, "__")[0].dims == (7, 5)


@pytest.mark.parametrize("suffix", [*(kind.value for kind in FormKind), *DYNAMIC_PARTS])
def test_an_infix_that_would_give_a_taken_name_is_passed_over(suffix: str) -> None:
    assert choose_infix(frozenset({"x", f"y__{suffix}"})) == "__2_"
    assert choose_infix(frozenset({f"x__{suffix}", f"x__2_{suffix}_scale"})) == "__3_"


def test_other_names_leave_the_plain_infix() -> None:
    assert choose_infix(frozenset({"x", "y__other", "fp16", "w8_0"})) == "__"
    assert choose_infix(frozenset()) == "__"
