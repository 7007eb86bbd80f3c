"""Plans of all kinds for one model."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import allowed


def plans(inventory: Inventory, calibration: Calibration | None = None) -> st.SearchStrategy[PrecisionPlan]:
    """Any plan that the model can take: every node at any of its precisions, some of them locked."""
    static = calibration is not None
    possible = {node.key: allowed(inventory, node, static=static) for node in inventory.main_nodes}
    free = {key: st.sampled_from(choices) for key, choices in possible.items() if len(choices) > 1}
    return st.builds(
        PrecisionPlan,
        st.fixed_dictionaries({}, optional=free),
        st.frozensets(st.sampled_from(sorted(possible))),
        st.sampled_from(WeightType),
        st.just(calibration),
    )


def wide_calibration(inventory: Inventory, activation_type: WeightType = WeightType.QUINT8) -> Calibration:
    """A range from -2 to 3 for every value, whatever it holds."""
    names = (value.name for value in inventory.inputs)
    return Calibration(activation_type, dict.fromkeys((*names, *inventory.producers), (-2.0, 3.0)))


def random_plan(inventory: Inventory, seed: int, share: float = 1.0) -> PrecisionPlan:
    """A seeded plan that changes a share of the nodes."""
    generator = random.Random(seed)
    choices = {
        node.key: generator.choice(allowed(inventory, node))
        for node in inventory.main_nodes
        if generator.random() < share
    }
    return PrecisionPlan(choices, weight_type=generator.choice(list(WeightType)))


def everything_at(inventory: Inventory, precision: Precision, calibration: Calibration | None = None) -> PrecisionPlan:
    """Every node that can take a precision has it; INT8 is static with a calibration."""
    static = calibration is not None
    keys = [node.key for node in inventory.main_nodes if precision in allowed(inventory, node, static=static)]
    return PrecisionPlan(calibration=calibration).with_precision(keys, precision)
