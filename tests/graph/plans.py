"""Plans of all kinds for one model."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import allowed


def plans(inventory: Inventory) -> st.SearchStrategy[PrecisionPlan]:
    """Any plan that the model can take: every node at any of its precisions, some of them locked."""
    possible = {node.key: allowed(inventory, node) for node in inventory.main_nodes}
    free = {key: st.sampled_from(choices) for key, choices in possible.items() if len(choices) > 1}
    return st.builds(
        PrecisionPlan,
        st.fixed_dictionaries({}, optional=free),
        st.frozensets(st.sampled_from(sorted(possible))),
        st.sampled_from(WeightType),
    )


def random_plan(inventory: Inventory, seed: int, share: float = 1.0) -> PrecisionPlan:
    """A seeded plan that changes a share of the nodes."""
    generator = random.Random(seed)
    choices = {
        node.key: generator.choice(allowed(inventory, node))
        for node in inventory.main_nodes
        if generator.random() < share
    }
    return PrecisionPlan(choices, weight_type=generator.choice(list(WeightType)))


def everything_at(inventory: Inventory, precision: Precision) -> PrecisionPlan:
    """Every node that can take a precision has it."""
    keys = [node.key for node in inventory.main_nodes if precision in allowed(inventory, node)]
    return PrecisionPlan().with_precision(keys, precision)
