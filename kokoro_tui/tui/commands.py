"""The command palette: every action by name, and every node."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from textual.app import SystemCommand
from textual.command import Hit, Hits, Provider

from kokoro_tui.lint.targets import TARGET_NAMES
from kokoro_tui.tui.bindings import PLAYER_BINDINGS, SCREEN_BINDINGS, TABLE_BINDINGS
from kokoro_tui.tui.formats import printable
from kokoro_tui.tui.screens.main import MainScreen
from kokoro_tui.tui.screens.target import NONE

if TYPE_CHECKING:
    from textual.dom import DOMNode

MOST_NODES = 40
"""Nodes offered at once."""


def action_commands(main: MainScreen) -> Iterator[SystemCommand]:
    """One command for every binding whose action can be taken now."""
    sources: tuple[tuple[DOMNode, tuple[object, ...]], ...] = (
        (main.table, TABLE_BINDINGS),
        (main, SCREEN_BINDINGS),
        (main.player_bar, PLAYER_BINDINGS),
    )
    seen: set[str] = set()
    for owner, bindings in sources:
        for binding in bindings:
            action = binding.action.removeprefix("screen.")  # type: ignore[attr-defined]
            namespace = main if binding.action.startswith("screen.") else owner  # type: ignore[attr-defined]
            if action in seen or namespace.check_action(action.partition("(")[0], ()) is not True:
                continue
            seen.add(action)
            yield SystemCommand(binding.description, binding.tooltip, partial(main.app.run_action, action, namespace))  # type: ignore[attr-defined]
    if main.work is not None:
        for name in (*TARGET_NAMES, NONE):
            help_text = "Check plans against this target" if name != NONE else "Check plans against no target"
            yield SystemCommand(f"Lint target: {name}", help_text, partial(main.action_lint_target, name))
    for number, candidate in main.candidates:
        help_text = f"Hear {printable(candidate.name)} in the player"
        yield SystemCommand(f"Candidate {number}", help_text, partial(main.action_candidate, number))


class NodeProvider(Provider):
    """Finds nodes by name and puts the cursor on the one chosen."""

    async def search(self, query: str) -> Hits:
        """Nodes whose name fits."""
        main = self.app.screen_stack[0]
        if not isinstance(main, MainScreen) or main.work is None:
            return
        matcher = self.matcher(query)
        found = ((matcher.match(node.key), node.key) for node in main.bench.inventory.main_nodes)
        best = sorted((hit for hit in found if hit[0] > 0), key=lambda hit: -hit[0])[:MOST_NODES]
        for score, key in best:
            yield Hit(score * 0.9, matcher.highlight(printable(key)), partial(main.go_to, key), help="Go to this node")
