"""Choosing one option per unit: a multiple-choice knapsack, solved to the optimum by HiGHS."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from kokoro_tui.errors import WorkError

Table = Sequence[Sequence[float]]
"""A number per unit and option; units may have different numbers of options, at least one each."""

SOLVER_SECONDS = 20.0
"""Longest time of one solution; real models take some ten milliseconds."""


def choose(objective: Table, weights: Table, most: float) -> tuple[int, ...] | None:
    """The choice with the smallest sum of ``objective`` whose sum of ``weights`` is at most ``most``.

    Args:
        objective: What is minimised.
        weights: What is bounded.
        most: The bound.

    Returns:
        The position of the chosen option per unit; None if no choice keeps the bound.

    Raises:
        WorkError: The solver failed.
    """
    # 0.3 s: only where a plan is asked for
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    starts = np.cumsum([0, *(len(row) for row in objective)])
    count = int(starts[-1])
    if count == 0:
        return () if most >= 0 else None
    gains = np.concatenate([np.asarray(row, dtype=float) for row in objective])
    loads = np.concatenate([np.asarray(row, dtype=float) for row in weights])
    least = sum(min(row) for row in weights)
    if least > most:
        return None
    # HiGHS works with absolute tolerances: bytes and squared distances must come to similar magnitudes.
    gain_unit = float(np.abs(gains).max()) or 1.0
    load_unit = float(np.abs(loads).max()) or 1.0
    owners = np.repeat(np.arange(len(objective)), np.diff(starts))
    one_each = csr_array((np.ones(count), (owners, np.arange(count))), shape=(len(objective), count))
    constraints = [
        LinearConstraint(one_each, 1.0, 1.0),
        LinearConstraint(loads[None, :] / load_unit, -np.inf, most / load_unit),
    ]
    found = milp(
        gains / gain_unit,
        constraints=constraints,
        integrality=np.ones(count),
        bounds=Bounds(0.0, 1.0),
        options={"time_limit": SOLVER_SECONDS, "mip_rel_gap": 1e-6},
    )
    if found.x is None:
        if found.status == 2:  # what the tolerance of the presolve calls infeasible although the least fits exactly
            return tuple(int(np.argmin(row)) for row in weights)
        raise WorkError(f"the solver found no plan: {found.message}", "try another limit")
    return tuple(int(np.argmax(found.x[a:b])) for a, b in pairwise(starts))
