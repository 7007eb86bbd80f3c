"""What came of a change, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kokoro_tui.tui.formats import count, printable

if TYPE_CHECKING:
    from kokoro_tui.lint.report import Finding
    from kokoro_tui.workbench import Change, Workbench

LOCKED_HINT = "x unlocks it"


@dataclass(frozen=True)
class Outcome:
    """A message, and whether it is a refusal."""

    text: str
    refused: bool = False


@dataclass(frozen=True)
class TargetNote:
    """What a plan brings to a target, in a few words."""

    text: str
    warns: bool
    """Something falls back or does not load."""


def target_note(title: str, added: Iterable[Finding]) -> TargetNote:
    """Such as ``CUDA: 376 nodes fall back``; ``added`` is what the plan brings that needs attention."""
    counts = Counter[str]()
    for finding in added:
        counts[finding.status.value] += finding.count
    words = {"fails": ("keeps it from loading", "keep it from loading"), "fallback": ("falls back", "fall back")}
    said = [f"{count(n, 'node')} {what[n > 1]}" for status, what in words.items() if (n := counts[status])]
    return TargetNote(f"{title}: {', '.join(said) or 'runs'}", bool(said))


def groups_and_nodes(bench: Workbench, keys: tuple[str, ...]) -> str:
    """Such as ``2 groups, 24 nodes``; groups are named only where they differ from the nodes."""
    groups = bench.complete(keys).groups
    nodes = count(len(keys), "node")
    return nodes if groups == len(keys) else f"{count(groups, 'group')}, {nodes}"


def groups_and_nodes_always(bench: Workbench, keys: tuple[str, ...]) -> str:
    """Such as ``24 groups, 24 nodes``: a preview names both."""
    return f"{count(bench.complete(keys).groups, 'group')}, {count(len(keys), 'node')}"


def left_alone(change: Change) -> str:
    """Why some nodes were left alone; empty if none was."""
    parts = []
    if change.locked:
        parts.append(f"{count(len(change.locked), 'node')} excluded and left alone")
    reasons = Counter((change.refused or {}).values())
    if reasons:
        reason, _ = reasons.most_common(1)[0]
        more = f" and {count(len(reasons) - 1, 'other reason')}" if len(reasons) > 1 else ""
        parts.append(f"{count(sum(reasons.values()), 'node')} cannot: {printable(reason)}{more}")
    return "; ".join(parts)


def outcome(bench: Workbench, change: Change, what: str) -> Outcome:
    """What to say after asking for ``what``."""
    left = left_alone(change)
    if change.changed:
        text = f"{what}: {groups_and_nodes(bench, change.changed)}"
        return Outcome(f"{text}; {left}" if left else text)
    if len(change.locked) == 1 and not change.refused:
        return Outcome(f"{printable(change.locked[0])} is excluded; {LOCKED_HINT}", refused=True)
    if change.locked and not change.refused:
        return Outcome(f"{count(len(change.locked), 'node')} are excluded; x unlocks them", refused=True)
    if left:
        return Outcome(f"no {what}: {left}", refused=True)
    return Outcome(f"nothing to change: {what} already")
