"""Where the nodes, bytes and parameters of a model lie, by operator, name or element type.

A tensor that several nodes read is divided evenly among them, so every byte counts exactly once; shares are exact
fractions until the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from fractions import Fraction

from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.selection import Matcher
from kokoro_tui.errors import InputError

DTYPE_LABELS = {"FLOAT": "FP32", "FLOAT16": "FP16", "DOUBLE": "FP64", "BFLOAT16": "BF16"}
"""Short names of ONNX element types; the others are shown as they are."""

UNATTACHED = "Unattached"
"""Stands for the operator of tensors that no node reads."""
NO_TENSOR = "none"
"""Stands for the element type of nodes that hold and read no tensor."""
IN_A_BODY = "in a body"
"""Stands for the element type of tensors that lie inside the bodies of If, Loop or Scan."""


class CountBy(StrEnum):
    """What makes a group."""

    OP = "op"
    NAME = "name"
    INDIVIDUAL = "individual"
    DTYPE = "dtype"
    OP_DTYPE = "op+dtype"
    NAME_DTYPE = "name+dtype"

    @property
    def words(self) -> str:
        """The grouping in words."""
        return _TITLES[self]


_TITLES = {
    CountBy.OP: "operator",
    CountBy.NAME: "name",
    CountBy.INDIVIDUAL: "node",
    CountBy.DTYPE: "element type",
    CountBy.OP_DTYPE: "operator and element type",
    CountBy.NAME_DTYPE: "name and element type",
}


@dataclass(frozen=True)
class CountFilter:
    """What is counted; an empty string lets everything pass."""

    op: str = ""
    """An operator, whole, upper and lower case alike."""
    name: str = ""
    """A regular expression, searched in node names."""
    dtype: str = ""
    """An element type such as FP32 or INT8, upper and lower case alike."""


@dataclass(frozen=True)
class GroupCount:
    """One group."""

    group: str
    count: int
    """Nodes; each counts in the group of the largest tensor that it holds or reads."""
    nbytes: int | float
    """Bytes of its share of the tensors; fractional where a tensor is divided unevenly."""
    parameters: int | float
    """Elements of its share of the tensors."""


@dataclass(frozen=True)
class Count:
    """All groups of a model and their sums."""

    groups: tuple[GroupCount, ...]
    """By size or by number of nodes, largest first."""
    nodes: int
    total_bytes: int | float
    total_parameters: int | float

    def rest(self, shown: int) -> GroupCount:
        """The sum of the groups after the first ``shown`` ones."""
        hidden = self.groups[shown:]
        nbytes = self.total_bytes - sum(group.nbytes for group in self.groups[:shown])
        parameters = self.total_parameters - sum(group.parameters for group in self.groups[:shown])
        label = f"… and {len(hidden):,} more rows"
        return GroupCount(label, sum(group.count for group in hidden), _tidy(nbytes), _tidy(parameters))


@dataclass(frozen=True, slots=True)
class _Share:
    """What one node holds of one tensor."""

    dtype: str
    nbytes: Fraction
    parameters: Fraction


@dataclass
class _Sum:
    count: int = 0
    nbytes: Fraction = Fraction(0)
    parameters: Fraction = Fraction(0)


def count_model(
    inventory: Inventory,
    by: CountBy,
    *,
    by_size: bool = False,
    name_depth: int = 2,
    only: CountFilter = CountFilter(),
) -> Count:
    """Count the nodes and tensors of a model.

    Args:
        inventory: The model.
        by: What makes a group.
        by_size: Sort by bytes and leave out groups without any, instead of sorting by nodes.
        name_depth: How many parts of the path make a name group.
        only: What is counted.

    Raises:
        InputError: The filter lets nothing pass, or holds an invalid pattern.
    """
    passing = _passing_nodes(inventory, only)
    sums: dict[str, _Sum] = {}
    nodes = 0
    for node, shares in _shares(inventory):
        if (node is not None and node.key not in passing) or (node is None and (only.op or only.name)):
            continue
        wanted = [share for share in shares if not only.dtype or share.dtype == only.dtype.upper()]
        if only.dtype and not wanted:
            continue
        for share in wanted:
            total = sums.setdefault(_label(by, node, share.dtype, name_depth), _Sum())
            total.nbytes += share.nbytes
            total.parameters += share.parameters
        if node is not None:
            largest = max(wanted, key=lambda share: share.nbytes, default=None)
            label = _label(by, node, largest.dtype if largest else NO_TENSOR, name_depth)
            sums.setdefault(label, _Sum()).count += 1
            nodes += 1
    if not sums:
        raise _nothing_left(inventory, only)
    return _sorted_count(sums, nodes, by_size)


def _sorted_count(sums: Mapping[str, _Sum], nodes: int, by_size: bool) -> Count:
    shown = {label: total for label, total in sums.items() if total.nbytes or not by_size}
    order = sorted(shown, key=lambda label: (-(shown[label].nbytes if by_size else shown[label].count), label))
    return Count(
        tuple(GroupCount(k, shown[k].count, _number(shown[k].nbytes), _number(shown[k].parameters)) for k in order),
        nodes,
        _number(sum((total.nbytes for total in sums.values()), Fraction(0))),
        _number(sum((total.parameters for total in sums.values()), Fraction(0))),
    )


def _shares(inventory: Inventory) -> Iterator[tuple[NodeInfo | None, list[_Share]]]:
    """Every node with its shares, then None with the tensors that no node reads."""
    readers = dict.fromkeys(inventory.tensors, 0)
    for node in inventory.nodes:
        for name in node.weights:
            if name in readers:
                readers[name] += 1
    for node in inventory.nodes:
        yield node, [*_read_shares(inventory, node, readers), *_own_shares(inventory, node)]
    yield None, list(_whole(inventory, (name for name, count in readers.items() if not count)))


def _read_shares(inventory: Inventory, node: NodeInfo, readers: Mapping[str, int]) -> Iterator[_Share]:
    for name in node.weights:
        if tensor := inventory.tensors.get(name):
            parts = readers[name]
            yield _Share(_dtype(tensor.dtype), Fraction(tensor.nbytes, parts), Fraction(tensor.parameters, parts))


def _own_shares(inventory: Inventory, node: NodeInfo) -> Iterator[_Share]:
    """Tensors inside attributes, and initializers of the body that the node lies in."""
    if node.own_parameters or node.own_nbytes:
        yield _Share(_dtype(node.own_dtype), Fraction(node.own_nbytes), Fraction(node.own_parameters))
    outer = [inventory.tensors[name] for name in node.weights if name in inventory.tensors]
    if len(outer) < len(node.weights):
        nbytes = node.nbytes - sum(tensor.nbytes for tensor in outer)
        yield _Share(IN_A_BODY, Fraction(nbytes), Fraction(node.parameters - sum(t.parameters for t in outer)))


def _whole(inventory: Inventory, names: Iterable[str]) -> Iterator[_Share]:
    for tensor in (inventory.tensors[name] for name in names):
        yield _Share(_dtype(tensor.dtype), Fraction(tensor.nbytes), Fraction(tensor.parameters))


def _passing_nodes(inventory: Inventory, only: CountFilter) -> frozenset[str]:
    nodes = [node for node in inventory.nodes if not only.op or node.op.lower() == only.op.lower()]
    if not only.name:
        return frozenset(node.key for node in nodes)
    return frozenset(Matcher.compile(only.name).select(node.key for node in nodes))


def _label(by: CountBy, node: NodeInfo | None, dtype: str, depth: int) -> str:
    op = node.op if node is not None else UNATTACHED
    name = name_prefix(node.key, depth) if node is not None else UNATTACHED
    if by is CountBy.INDIVIDUAL:
        return f"{node.key} ({op})" if node is not None else UNATTACHED
    first = {CountBy.OP: op, CountBy.OP_DTYPE: op, CountBy.NAME: name, CountBy.NAME_DTYPE: name}.get(by)
    if first is None:
        return dtype
    return first if by in (CountBy.OP, CountBy.NAME) else f"{first} ({dtype})"


def name_prefix(name: str, depth: int) -> str:
    """The first ``depth`` parts of a node's path, as ``/decoder/generator`` of depth 2."""
    parts = [part for part in name.split("/") if part]
    return ("/" if name.startswith("/") else "") + "/".join(parts[:depth])


def _dtype(name: str) -> str:
    return DTYPE_LABELS.get(name, name)


def _tidy(value: float) -> int | float:
    """A sum of shares without the rounding error that keeps it from being whole."""
    return round(value) if abs(value - round(value)) < 1e-6 else value


def _number(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 else float(value)


def _nothing_left(inventory: Inventory, only: CountFilter) -> InputError:
    """The error of a filter that lets nothing pass, with what would have passed."""
    ops = {node.op.lower(): node.op for node in inventory.nodes}
    dtypes = {_dtype(tensor.dtype) for tensor in inventory.tensors.values()}
    if not inventory.nodes and not inventory.tensors:
        return InputError(f"{inventory.path.name} has no nodes to count", "name another model")
    if only.op and only.op.lower() not in ops:
        close = get_close_matches(only.op.lower(), ops, n=3, cutoff=0.4)
        names = ", ".join(ops[name] for name in close) or ", ".join(sorted(ops.values())[:10])
        return InputError(f"the model has no operator {only.op!r}", f"among its operators are {names}")
    if only.dtype and only.dtype.upper() not in dtypes:
        return InputError(f"the model has no tensor of type {only.dtype!r}", f"it has {', '.join(sorted(dtypes))}")
    return InputError("no node passes the filters", "loosen --filter-op, --filter-name or --filter-dtype")
