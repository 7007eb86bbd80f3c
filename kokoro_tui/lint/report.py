"""What lint finds: plain values that both front ends and the planner read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kokoro_tui.lint.targets import Target
from kokoro_tui.lint.verdicts import Status


@dataclass(frozen=True)
class Finding:
    """One operator on one target."""

    op: str
    domain: str
    """Of the operator; empty for the default one."""
    status: Status
    added_by_plan: bool
    """False for what the model holds already."""
    nodes: tuple[str, ...]
    """Names of the nodes; those that a plan adds have the names that they get in the built file."""
    reason: str
    """Why; empty for what simply runs."""
    advice: str = ""
    """What to choose instead; empty if there is nothing."""

    @property
    def count(self) -> int:
        """How many nodes; 0 for what is said of the whole file."""
        return len(self.nodes)


@dataclass(frozen=True)
class TargetReport:
    """Everything found for one target."""

    target: Target
    findings: tuple[Finding, ...]
    """What needs attention: the plan's first, the worst first, then by count."""
    running: tuple[Finding, ...]
    """What simply runs."""

    @property
    def ok(self) -> bool:
        """Whether the model loads; what falls back to the CPU is slower, but it runs."""
        return not any(finding.status is Status.FAILS for finding in self.findings)

    @property
    def counts(self) -> Mapping[Status, int]:
        """Nodes by status."""
        totals = dict.fromkeys(Status, 0)
        for finding in (*self.findings, *self.running):
            totals[finding.status] += finding.count
        return totals

    @property
    def added(self) -> tuple[Finding, ...]:
        """The findings that the plan is the reason for."""
        return tuple(finding for finding in self.findings if finding.added_by_plan)
