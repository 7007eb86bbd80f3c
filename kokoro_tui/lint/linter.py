"""Lint of one model for one target: of the file as it is, and of every plan for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import Rewriter
from kokoro_tui.core.support import allowed
from kokoro_tui.lint.added import AddedNode, AddedNodes, nodes_of
from kokoro_tui.lint.advice import instead_of_plan, instead_of_source
from kokoro_tui.lint.operations import Operation, OperationReader
from kokoro_tui.lint.report import Finding, TargetReport
from kokoro_tui.lint.targets import Target
from kokoro_tui.lint.verdicts import NATIVE, Judge, Status, Verdict

_NO_TYPE = "no kernel for "


@dataclass(frozen=True, slots=True)
class _Place:
    """A node with what becomes of it."""

    operation: Operation
    verdict: Verdict
    name: str
    owners: tuple[str, ...]
    """Keys of the nodes whose precision asks for it."""
    by_plan: bool = False
    """The plan is the reason for the verdict."""
    natively: bool = True
    """It simply runs."""


class Linter:
    """Keeps what is known of one model on one target, so that a plan costs a few milliseconds.

    Args:
        inventory: The model.
        target: Where it is to run.
        plan: Says which weight type INT8 has and whether it is static; all plans asked for must agree in that.
    """

    def __init__(self, inventory: Inventory, target: Target, plan: PrecisionPlan | None = None) -> None:
        self.inventory = inventory
        self.target = target
        self._rewriter = Rewriter.of(inventory, plan or PrecisionPlan())
        self._judge = Judge(target, inventory.opsets)
        self._reader = OperationReader(self._rewriter)
        self._added = AddedNodes(self._rewriter, self._place)
        self._native: dict[str, frozenset[Precision]] = {}

    def serves(self, plan: PrecisionPlan) -> bool:
        """Whether ``plan`` is built by the same rules as the plan that this linter was made for."""
        return self._rewriter.serves(plan)

    def report(self, plan: PrecisionPlan | None = None) -> TargetReport:
        """Everything about the model, or about what ``plan`` makes of it."""
        places = list(self._of_plan(plan)) if plan is not None else []
        replaced = {key for place in places for key in place.owners if not place.by_plan}
        if plan is not None:
            replaced |= self._rewriter.regions.spread(plan).choices.keys()
        places += [place for key, place in self._source.items() if key not in replaced]
        findings = sorted(
            (*self._of_file(), *self._grouped(places, plan)),
            key=lambda f: (-f.status.severity, not f.added_by_plan, -f.count, f.op),
        )
        return TargetReport(
            self.target,
            tuple(finding for finding in findings if finding.reason),
            tuple(finding for finding in findings if not finding.reason),
        )

    def added(self, plan: PrecisionPlan) -> tuple[Finding, ...]:
        """What needs attention of that which ``plan`` brings, the worst first: quick enough for every key."""
        places = [place for place in self._of_plan(plan) if place.by_plan and not place.natively]
        return tuple(sorted(self._grouped(places, plan), key=lambda f: (-f.status.severity, -f.count, f.op)))

    def effect(self, key: str, precision: Precision) -> tuple[Finding, ...]:
        """What a node at ``precision`` needs that does not simply run; empty if all of it does.

        FP32 tells of the node as it is, other precisions of what they would bring.
        """
        if precision is Precision.FP32:
            own = self._source[key]
            return self._grouped([] if own.natively else [own], None)
        places = [self._place(added) for added in nodes_of(self._rewriter, self.inventory.by_key[key], precision)]
        plan = PrecisionPlan({key: precision})
        return self._grouped([place for place in places if not place.natively], plan)

    def native_precisions(self, key: str) -> frozenset[Precision]:
        """The precisions other than FP32 that a node can take without bringing what does not run natively."""
        found = self._native.get(key)
        if found is None:
            node = self.inventory.by_key[key]
            possible = (p for p in self._possible(node) if not self.obstacle(node, p))
            found = self._native[key] = frozenset(possible)
        return found

    def blocked(self, key: str) -> tuple[Precision, ...]:
        """The precisions that a node can take, but that would bring what does not run natively."""
        native = self.native_precisions(key)
        return tuple(p for p in self._possible(self.inventory.by_key[key]) if p not in native)

    def blocked_precisions(self) -> dict[str, dict[Precision, str]]:
        """By node of the main graph, the precisions that would bring what does not run natively, and why."""
        found: dict[str, dict[Precision, str]] = {}
        for node in self.inventory.main_nodes:
            for precision in self._possible(node):
                if reason := self.obstacle(node, precision):
                    found.setdefault(node.key, {})[precision] = reason
        return found

    def obstacle(self, node: NodeInfo, precision: Precision) -> str:
        """What ``precision`` would bring to a node that does not run natively, and why; empty if all of it does."""
        for added in nodes_of(self._rewriter, node, precision):
            place = self._place(added)
            if place.by_plan and place.verdict.status is not Status.RUNS:
                return f"{place.operation.name} {place.verdict.status.label}: {place.verdict.reason}"
        return ""

    def _possible(self, node: NodeInfo) -> tuple[Precision, ...]:
        static = self._rewriter.static_type is not None
        return tuple(p for p in allowed(self.inventory, node, static=static) if p is not Precision.FP32)

    @cached_property
    def _source(self) -> Mapping[str, _Place]:
        """Every node of the model as it is, by key."""
        operations = ((node.key, self._reader.source(node)) for node in self.inventory.nodes)
        return {key: self._placed(operation, key, (key,)) for key, operation in operations}

    def _of_plan(self, plan: PrecisionPlan) -> Iterator[_Place]:
        assert self.serves(plan)
        return self._added.of(plan)

    def _place(self, added: AddedNode) -> _Place:
        """A node that goes on with its operator is the model's, unless the plan makes it worse."""
        operation, replaced = self._reader.added(added.spec), added.replaces
        if replaced is None:
            return self._placed(operation, added.spec.name, added.owners, by_plan=True)
        before, after = self._source[replaced.key].verdict, self._judge(operation)
        worse = before.status.severity < after.status.severity or (before == NATIVE and after != NATIVE)
        return self._placed(operation, replaced.key, added.owners, by_plan=worse)

    def _placed(self, operation: Operation, name: str, owners: tuple[str, ...], *, by_plan: bool = False) -> _Place:
        verdict = self._judge(operation)
        return _Place(operation, verdict, name, owners, by_plan, verdict == NATIVE)

    def _grouped(self, places: Iterable[_Place], plan: PrecisionPlan | None) -> tuple[Finding, ...]:
        groups: dict[tuple[str, Status, bool, bool], list[_Place]] = {}
        for place in places:
            group = (place.operation.op, place.verdict.status, place.natively, place.by_plan)
            groups.setdefault(group, []).append(place)
        return tuple(self._finding(group, plan) for group in groups.values())

    def _finding(self, places: list[_Place], plan: PrecisionPlan | None) -> Finding:
        first = places[0]
        return Finding(
            op=first.operation.name,
            domain=first.operation.domain,
            status=first.verdict.status,
            added_by_plan=first.by_plan,
            nodes=tuple(place.name for place in places),
            reason=_together(dict.fromkeys(place.verdict.reason for place in places)),
            advice=self._advice(places, plan),
        )

    def _advice(self, places: list[_Place], plan: PrecisionPlan | None) -> str:
        first = places[0]
        if first.verdict.status is Status.RUNS:
            return ""
        if plan is None or not first.by_plan:
            return instead_of_source(self._judge, first.operation)
        keys = tuple(dict.fromkeys(key for place in places for key in place.owners))
        return instead_of_plan(
            (self._rewriter.regions.built_as(key, plan) for key in keys),
            (self.native_precisions(key) for key in keys),
            native=all(self._source[key].verdict == NATIVE for key in keys),
        )

    def _of_file(self) -> Iterator[Finding]:
        """What keeps the whole file from loading, whatever its nodes are."""
        limits, opset = self.target.limits, self.inventory.opsets.get("", 1)
        release = f"onnxruntime {self.target.release}"
        if opset > limits.opset:
            reason = f"{release} reads operator sets up to {limits.opset}"
            yield Finding(f"opset {opset}", "", Status.FAILS, False, (), reason, "export it with a lower opset")
        if self.inventory.ir_version > limits.ir:
            reason, op = f"{release} reads IR versions up to {limits.ir}", f"IR version {self.inventory.ir_version}"
            yield Finding(op, "", Status.FAILS, False, (), reason, "save it with a lower ir_version")


def _together(reasons: Iterable[str]) -> str:
    """Several reasons as one text; types without a kernel are listed once."""
    types = [reason.removeprefix(_NO_TYPE) for reason in reasons if reason.startswith(_NO_TYPE)]
    others = [reason for reason in reasons if not reason.startswith(_NO_TYPE)]
    return "; ".join(([f"{_NO_TYPE}{', '.join(types)}"] if types else []) + others)


def blocked_precisions(
    inventory: Inventory, target: Target, plan: PrecisionPlan | None = None
) -> Mapping[str, Mapping[Precision, str]]:
    """By node key, the precisions that would bring nodes which do not run natively on ``target``, and why.

    Args:
        inventory: The model.
        target: From ``find_target``.
        plan: Says which weight type INT8 has and whether it is static; dynamic with QInt8 unless given.
    """
    return Linter(inventory, target, plan).blocked_precisions()
