"""Hazards are found by what the graph does, whatever its nodes are called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper

from kokoro_tui.core.hazards import Hazard, hazards, phase_ancestors, phase_sums, risky_nodes
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.regions import HalfRegions
from kokoro_tui.graph.read_inventory import inventory_of, read_inventory
from tests.models import FLOAT, INT64, ToyGraph

FP32, FP16, INT8, W8 = Precision


def source_model() -> onnx.ModelProto:
    """A miniature of the harmonic source: LSTM, two layers, an If that holds the curve, a running sum, a sine."""
    g = ToyGraph()
    g.add(
        "LSTM", "a", "x", g.weight("W", 1, 64, 32), g.weight("R", 1, 64, 16), outputs=("features",), hidden_size=16
    )  # fmt: skip
    h = g.add("Squeeze", "b", "features", g.constant("one", np.array([1])))
    h = g.add("MatMul", "c", h, g.weight("w1", 16, 32))
    h = g.add("LeakyRelu", "d", h)
    curve = g.add("MatMul", "e", h, g.weight("w2", 32, 9))
    bodies = [
        helper.make_graph(
            [helper.make_node("Identity", [curve], [f"{name}_out"], name=name)], name, [],
            [helper.make_tensor_value_info(f"{name}_out", FLOAT, None)],
        )
        for name in ("f", "g")
    ]  # fmt: skip
    h = g.add("If", "h", g.constant("yes", np.array(True)), then_branch=bodies[0], else_branch=bodies[1])
    h = g.add("Mul", "i", h, g.constant("rate", np.float32(0.01)))
    h = g.add("CumSum", "j", h, g.constant("axis", np.array(0)))
    h = g.add("Mul", "k", h, g.constant("turn", np.float32(6.28)))
    h = g.add("Sin", "l", h)
    noise = g.add("RandomNormalLike", "m", h)
    noise = g.add("Mul", "n", noise, g.constant("loudness", np.float32(0.1)))
    h = g.add("Add", "o", h, noise)
    h = g.add("MatMul", "p", h, g.weight("w3", 9, 32))
    h = g.add("MatMul", "q", h, g.weight("w4", 32, 32))
    angle = g.add("Div", "r", h, g.constant("real", np.float32(3.0)))
    angle = g.add("Atan", "s", angle)
    angle = g.add("Mul", "t", angle, g.constant("side", np.float32(1.0)))
    h = g.add("MatMul", "u", angle, g.weight("w5", 32, 32))
    h = g.add("Exp", "v", h)
    g.add("MatMul", "z", h, g.weight("w6", 32, 32), outputs=("y",))
    g.add("CumSum", "counting", "n_frames", "axis", outputs=("ends",))
    info = helper.make_tensor_value_info
    return g.model(
        [info("x", FLOAT, ["t", 1, 32]), info("n_frames", INT64, ["n"])],
        [info("y", FLOAT, None), info("ends", INT64, None)],
    )


@pytest.fixture(scope="module")
def source() -> Inventory:
    return inventory_of(source_model(), Path("source.onnx"), 0)


def test_every_kind_of_hazard_has_its_nodes(source: Inventory) -> None:
    by_words: dict[str, set[str]] = {}
    for key, hazard in hazards(source).items():
        by_words.setdefault(hazard.reason, set()).add(key)
    found = {
        word: next(keys for reason, keys in by_words.items() if word in reason)
        for word in ("the phase, ", "F0 curve", "predicts F0", "atan2", "random draws", "log spectrum")
    }
    assert found == {
        "the phase, ": {"j", "k", "l"},
        "F0 curve": {"e", "h", "i"},
        "predicts F0": {"a", "b", "c", "d"},
        "atan2": {"q", "r", "s", "t"},
        "random draws": {"m", "n", "o"},
        "log spectrum": {"u"},
    }


def test_only_integers_are_risky_in_what_predicts_f0(source: Inventory) -> None:
    found = hazards(source)
    assert found["c"].precisions == found["u"].precisions == (INT8,)
    assert found["e"].precisions == found["k"].precisions == (FP16, INT8, W8)
    assert found["e"].clause(W8) == "W8 is risky: it makes the F0 curve, whose errors add up to wrong phase"


def test_a_sum_of_integers_is_no_phase(source: Inventory) -> None:
    assert [node.key for node in phase_sums(source)] == ["j"]


def test_everything_before_the_sum_is_kept_out_of_regions(source: Inventory) -> None:
    assert phase_ancestors(source) == {"a", "b", "c", "d", "e", "h", "i"}
    everything = PrecisionPlan(dict.fromkeys(["a", "c", "e", "p", "q", "u"], FP16))
    assert HalfRegions(source).followers(everything) == ()


def test_a_plan_that_takes_a_risk_is_told_of_it(source: Inventory) -> None:
    found = hazards(source)
    plan = PrecisionPlan({"e": FP16, "c": INT8, "p": FP16})
    assert set(risky_nodes(found, plan)) == {"e", "c"}
    assert risky_nodes(found, PrecisionPlan({"c": FP16})) == ()


def test_members_of_a_group_share_a_hazard() -> None:
    g = ToyGraph()
    weight = g.weight("w", 32, 32)
    h = g.add("MatMul", "/layer/dense/MatMul", "x", weight)
    h = g.add("Tanh", "tanh", h)
    h = g.add("MatMul", "/layer/dense_1/MatMul", h, weight)
    g.add("Exp", "exp", h, outputs=("y",))
    info = helper.make_tensor_value_info
    model = g.model([info("x", FLOAT, ["n", 32])], [info("y", FLOAT, None)])
    found = hazards(inventory_of(model, Path("model.onnx"), 0))
    assert isinstance(found["/layer/dense/MatMul"], Hazard)
    assert found["/layer/dense/MatMul"] == found["/layer/dense_1/MatMul"]


@pytest.mark.real
def test_the_hazards_of_the_real_model(real_model: Path) -> None:
    inventory = read_inventory(real_model)
    found = {key: hazard for key, hazard in hazards(inventory).items() if key in inventory.candidate_keys}
    curve = [key for key, hazard in found.items() if FP16 in hazard.precisions]
    assert curve == ["/F0_proj/Conv"]
    assert {"/shared/LSTM", "/F0.0/conv1/Conv", "/decoder/generator/conv_post/Conv"} < found.keys()
    assert not any(key.startswith(("/N_proj", "/bert", "/decoder/decode")) for key in found)
    assert len(found) == 23
