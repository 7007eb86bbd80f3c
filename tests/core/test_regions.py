"""Small nodes between FP16 nodes follow them; everything else stays what the plan says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.regions import HalfRegions
from kokoro_tui.graph.read_inventory import inventory_of
from tests.graph.plans import plans
from tests.models import FLOAT, ToyGraph, toy_kokoro

FP32, FP16, INT8, W8 = Precision
BETWEEN = ("reshape", "leaky", "scale", "sin", "power", "sum")


def chain(*, factor: float = 0.5, expose: bool = False, bounded: bool = True) -> onnx.ModelProto:
    """Two layers with small nodes between them, and a third one behind a Neg, which has no FP16 form.

    Args:
        factor: What one of the small nodes multiplies by.
        expose: The value before the second layer is a graph output as well.
        bounded: A sine stands before the power.
    """
    g = ToyGraph()
    h = g.add("MatMul", "first", "x", g.weight("w1", 32, 32))
    h = g.add("Reshape", "reshape", h, g.constant("shape", np.array([1, -1, 32])))
    h = g.add("LeakyRelu", "leaky", h, alpha=0.1)
    h = skip = g.add("Mul", "scale", h, g.constant("factor", np.float32(factor)))
    h = g.add("Sin", "sin", h) if bounded else g.add("Relu", "relu", h)
    h = g.add("Pow", "power", h, g.constant("two", np.float32(2.0)))
    h = g.add("Add", "sum", h, skip)
    h = before = g.add("MatMul", "second", h, g.weight("w2", 32, 32))
    h = g.add("Transpose", "turn", h, perm=[0, 2, 1])
    h = g.add("Neg", "negative", h)
    g.add("MatMul", "third", g.weight("w3", 4, 32), h, outputs=("y",))
    info = helper.make_tensor_value_info
    outputs = [info("y", FLOAT, None)] + ([info("sum_output_0", FLOAT, None)] if expose else [])
    assert before == "second_output_0"
    return g.model([info("x", FLOAT, [1, "n", 32])], outputs)


def regions(model: onnx.ModelProto) -> HalfRegions:
    return HalfRegions(inventory_of(model, Path("chain.onnx"), 0))


def both(**others: Precision) -> PrecisionPlan:
    return PrecisionPlan({"first": FP16, "second": FP16, **others})


def test_what_stands_between_two_half_layers_follows_them() -> None:
    found = regions(chain())
    assert set(found.followers(both())) == set(BETWEEN)
    spread = found.spread(both())
    assert {key for key, precision in spread.choices.items() if precision is FP16} == {"first", "second", *BETWEEN}


@pytest.mark.parametrize(
    "plan",
    [
        PrecisionPlan(),
        PrecisionPlan({"first": FP16}),
        PrecisionPlan({"second": FP16}),
        PrecisionPlan({"first": FP16, "second": W8}),
        PrecisionPlan({"first": INT8, "second": FP16}),
        PrecisionPlan({"second": FP16, "third": FP16}),
    ],
)
def test_a_half_node_alone_has_no_followers(plan: PrecisionPlan) -> None:
    found = regions(chain())
    assert found.followers(plan) == ()
    assert found.spread(plan) is plan


def test_what_the_plan_says_itself_stays() -> None:
    found = regions(chain())
    assert "leaky" not in found.followers(both(leaky=FP16))
    assert found.spread(both(scale=FP16)).precision_of("scale") is FP16
    assert found.built_as("leaky", both(leaky=W8)) is W8


def test_a_constant_that_half_precision_cannot_hold_keeps_its_node_in_float() -> None:
    for factor in (1e6, 1e-9):
        # What lies on either side of it now has a neighbour that is not FP16.
        assert regions(chain(factor=factor)).followers(both()) == ()


def test_a_power_of_anything_unbounded_stays_in_float() -> None:
    assert "power" not in regions(chain(bounded=False)).followers(both())


def test_what_leads_to_a_graph_output_stays_in_float() -> None:
    assert regions(chain(expose=True)).followers(both()) == ()


def test_a_large_weight_is_for_the_plan_to_decide() -> None:
    model = chain()
    factor = next(t for t in model.graph.initializer if t.name == "factor")
    factor.CopyFrom(onnx.numpy_helper.from_array(np.full((16, 32), 0.5, np.float32), "factor"))
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 16
    assert regions(model).followers(both()) == ()


TOY: Inventory = inventory_of(toy_kokoro(), Path("toy.onnx"), 0)


@given(plans(TOY))
@settings(deadline=None)
def test_one_node_at_a_time_gives_the_same_as_all_at_once(plan: PrecisionPlan) -> None:
    found = HalfRegions(TOY)
    spread = found.spread(plan)
    assert all(found.built_as(node.key, plan) is spread.precision_of(node.key) for node in TOY.main_nodes)
    assert set(plan.choices.items()) <= set(spread.choices.items())
    assert not TOY.candidate_keys & set(found.followers(plan))


@given(plans(TOY), st.sampled_from(sorted(TOY.by_key)), st.sampled_from(Precision))
@settings(deadline=None)
def test_only_nodes_beside_a_change_begin_or_cease_to_follow(
    plan: PrecisionPlan, key: str, precision: Precision
) -> None:
    found = HalfRegions(TOY)
    after = plan.with_precision([key], precision)
    moved = set(found.followers(plan)) ^ set(found.followers(after))
    assert moved <= found.beside([key]) | {key}
