"""What the node table lists: one row a node or a group, selected and sorted, before any widget sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kokoro_tui.core.precision import Precision
from kokoro_tui.core.selection import Matcher

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.workbench import Workbench

TRIED = (Precision.FP16, Precision.INT8, Precision.W8)
"""The precisions whose trial distances have a column each."""


@dataclass(frozen=True)
class View:
    """Which rows are listed and in which order."""

    all_nodes: bool = False
    """Every node of the main graph instead of the candidates."""
    grouped: bool = False
    """One row per shared-weight group instead of one per node."""
    pattern: str = ""
    """Regular expression of the filter; empty lists everything."""
    sort_column: str = "size"
    descending: bool = True


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One row."""

    key: str
    """Key of the node, or of the group."""
    members: tuple[str, ...]
    """Node keys that the row stands for."""
    name: str
    op: str
    order: int
    """Place in the file."""
    parameters: int
    size: int
    """Payload of the weights in the source model, in bytes."""
    after: int
    """Payload of the weights under the plan, in bytes."""
    distances: tuple[float | None, ...]
    """Trial distances in the order of ``TRIED``."""
    precision: Precision | None
    """None where the members of a group differ."""
    locked: bool
    risky: bool
    """Whether the plan gives a member a precision that a built-in rule warns of."""


class RowSource:
    """Lists the rows of one model."""

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._order = {node.key: index for index, node in enumerate(workbench.inventory.nodes)}

    def scope(self, view: View) -> tuple[str, ...]:
        """Node keys that the view is about, before its filter, in file order."""
        inventory = self._workbench.inventory
        return tuple(node.key for node in (inventory.main_nodes if view.all_nodes else inventory.candidates))

    def rows(self, plan: PrecisionPlan, view: View) -> list[NodeRow]:
        """The rows on show, sorted.

        Raises:
            SelectionError: The filter is invalid or takes too long.
        """
        keys: Iterable[str] = self.scope(view)
        if view.pattern:
            keys = Matcher.compile(view.pattern).select(keys)
        if view.grouped:
            group_of = self._workbench.inventory.group_of
            members = (group_of[key].members for key in dict.fromkeys(group_of[k].key for k in keys))
        else:
            members = ((key,) for key in keys)
        return sort_rows([self.row(m, plan) for m in members], view)

    def row(self, members: tuple[str, ...], plan: PrecisionPlan) -> NodeRow:
        """The row that stands for these nodes; a group's weights count once."""
        bench, key = self._workbench, members[0]
        node = bench.inventory.by_key[key]
        precisions = {plan.precision_of(member) for member in members}
        return NodeRow(
            key=key,
            members=members,
            name=node.key,
            op=node.op,
            order=self._order[key],
            parameters=node.parameters,
            size=node.nbytes,
            after=bench.node_bytes(key, plan),
            distances=self._distances(key),
            precision=precisions.pop() if len(precisions) == 1 else None,
            locked=all(member in plan.locked for member in members),
            risky=self._risky(members, plan),
        )

    def _risky(self, members: tuple[str, ...], plan: PrecisionPlan) -> bool:
        known = self._workbench.hazards
        return any(m in known and plan.precision_of(m) in known[m].precisions for m in members)

    def _distances(self, key: str) -> tuple[float | None, ...]:
        trials = self._workbench.trials
        return tuple(None if trials is None else trials.distance_at(key, precision) for precision in TRIED)

    def updated(self, row: NodeRow, plan: PrecisionPlan) -> NodeRow:
        """The row under another plan or other trials; what the model alone decides stays."""
        precisions = {plan.precision_of(member) for member in row.members}
        return replace(
            row,
            after=self._workbench.node_bytes(row.key, plan),
            distances=self._distances(row.key),
            precision=precisions.pop() if len(precisions) == 1 else None,
            locked=all(member in plan.locked for member in row.members),
            risky=self._risky(row.members, plan),
        )


def sort_rows(rows: list[NodeRow], view: View) -> list[NodeRow]:
    """Rows in the order of the view; equal ones in file order, missing figures last."""
    key = _SORT_KEYS.get(view.sort_column, _SORT_KEYS["size"])
    by_order = sorted(rows, key=lambda row: row.order)
    known = [row for row in by_order if key(row) is not None]
    unknown = [row for row in by_order if key(row) is None]
    known.sort(key=key, reverse=view.descending)
    return known + unknown


_PRECISION_ORDER: Mapping[Precision, int] = {precision: index for index, precision in enumerate(Precision)}

_SORT_KEYS: Mapping[str, Callable[[NodeRow], Any]] = {
    "name": lambda row: row.name,
    "op": lambda row: row.op,
    "parameters": lambda row: row.parameters,
    "size": lambda row: row.size,
    "after": lambda row: row.after,
    "fp16": lambda row: row.distances[0],
    "int8": lambda row: row.distances[1],
    "w8": lambda row: row.distances[2],
    "precision": lambda row: None if row.precision is None else _PRECISION_ORDER[row.precision],
    "lock": lambda row: row.locked,
}

DESCENDING_FIRST = frozenset({"parameters", "size", "after", "fp16", "int8", "w8", "lock"})
"""Columns that are sorted largest first when they are chosen."""
