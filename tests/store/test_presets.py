"""The presets: their meaning on a small model, their sizes on the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import resolve
from kokoro_tui.core.sizing import MIB, Sizer
from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.store.presets import preset_names, read_preset
from tests.core.small_inventory import inventory_of

FP32, FP16, INT8, W8 = Precision.FP32, Precision.FP16, Precision.INT8, Precision.W8
NODES = {
    "/bert/query/MatMul": "MatMul",
    "/bert/query/Add": "Add",
    "/bert/LayerNorm/MatMul": "MatMul",
    "/norm1/fc/Gemm": "Gemm",
    "/shared/LSTM": "LSTM",
    "/ups.0/ConvTranspose": "ConvTranspose",
    "/decoder/generator/conv_post/Conv": "Conv",
    "/embedding/Gather": "Gather",
}
MEANING = {
    "fp16": (FP16, FP16, FP16, FP16, FP16, FP16, FP16, FP32),
    "matmul-int8": (INT8, FP32, FP32, INT8, FP32, FP32, FP32, FP32),
    "q8f16": (INT8, FP32, INT8, INT8, INT8, FP16, FP16, FP32),
    "quantized": (INT8, FP32, INT8, INT8, INT8, FP32, FP32, FP32),
    "uint8": (INT8, INT8, INT8, INT8, FP32, FP32, FP32, FP32),
    "uint8f16": (INT8, INT8, INT8, INT8, FP16, FP16, FP16, FP32),
    "w8": (W8, FP32, W8, W8, W8, W8, W8, W8),
}


@pytest.fixture(scope="module")
def real_inventory(real_model: Path) -> Inventory:
    return read_inventory(real_model)


def test_every_preset_has_its_meaning_here() -> None:
    assert preset_names() == tuple(MEANING)


@pytest.mark.parametrize("name", MEANING)
def test_a_preset_means_what_its_source_says(name: str) -> None:
    plan = resolve(read_preset(name), inventory_of(*NODES.items()))
    assert {key: plan.precision_of(key) for key in NODES} == dict(zip(NODES, MEANING[name], strict=True))


def test_the_words_that_source_2_excludes_are_locked_whatever_their_case() -> None:
    recipe = read_preset("matmul-int8")
    words = ("postnet", "layernorm", "rmsnorm", "out_proj", "vocoder", "final")
    assert [rule.match for rule in recipe.rules] == [f"(?i){word}" for word in words]
    assert resolve(recipe, inventory_of(*NODES.items())).locked == {"/bert/LayerNorm/MatMul"}


def test_an_unknown_preset_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputError, match="there is no preset 'quantised'") as caught:
        read_preset("quantised")
    assert caught.value.hint == "did you mean 'quantized'?"
    with pytest.raises(InputError, match=r"there is no preset '\.\./recipe'"):
        read_preset("../recipe")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "mib", "tolerance"),
    [
        ("fp16", 156.13, 0.001),
        ("q8f16", 82.37, 0.001),
        ("quantized", 88.17, 0.001),
        ("matmul-int8", 275.5, 0.003),
        ("w8", 79.03, 0.001),
        ("uint8", 153.37, 0.001),
        ("uint8f16", 104.00, 0.001),
    ],
)
def test_a_preset_has_the_published_size(real_inventory: Inventory, name: str, mib: float, tolerance: float) -> None:
    plan = resolve(read_preset(name), real_inventory)
    estimate = Sizer(real_inventory).estimate(plan)
    assert estimate.estimated_bytes / MIB == pytest.approx(mib, rel=tolerance)


@pytest.mark.real
def test_q8f16_leaves_six_nodes_to_fp16(real_inventory: Inventory) -> None:
    plan = resolve(read_preset("q8f16"), real_inventory)
    counts = plan.count(real_inventory.candidate_keys)
    assert counts == {FP32: 218, FP16: 6, INT8: 239, W8: 0}
    ops = [real_inventory.by_key[key].op for key, precision in plan.choices.items() if precision is FP16]
    assert sorted(ops) == ["Conv", *["ConvTranspose"] * 5]
