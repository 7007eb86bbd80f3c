"""The command palette: every action by name, and every node."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from textual.fuzzy import Matcher

from kokoro_tui.lint.targets import TARGET_NAMES
from kokoro_tui.tui.bindings import PLAYER_BINDINGS, SCREEN_BINDINGS, TABLE_BINDINGS
from kokoro_tui.tui.screens.main import MainScreen
from kokoro_tui.tui.screens.target import NONE

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode
    from textual.screen import Screen

MOST_NODES = 40
"""Nodes offered at once."""


@dataclass(frozen=True)
class Command:
    """What the palette can do."""

    title: str
    help: str
    """What it does, in one line; empty where the title says it."""
    run: Callable[[], object]
    """Does it; may return something to wait for."""


def action_commands(main: MainScreen) -> Iterator[Command]:
    """One command for every action that can be taken now."""
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
            yield Command(binding.description, binding.tooltip, partial(main.app.run_action, action, namespace))  # type: ignore[attr-defined]
    if main.work is not None:
        for name in (*TARGET_NAMES, NONE):
            help_text = "Check plans against this target" if name != NONE else "Check plans against no target"
            yield Command(f"Lint target: {name}", help_text, partial(main.action_lint_target, name))
    for number, candidate in main.candidates:
        help_text = f"Hear {candidate.name} in the player"
        yield Command(f"Candidate {number}", help_text, partial(main.action_candidate, number))
    yield _theme_command(main.app)


def dialog_commands(screen: Screen[Any]) -> Iterator[Command]:
    """One command for every key that the dialog names: what those of the table do would happen out of sight."""
    app, seen = screen.app, set()
    for active in screen.active_bindings.values():
        binding = active.binding
        if binding.show and active.enabled and binding.action not in seen:
            seen.add(binding.action)
            yield Command(binding.description, active.tooltip, partial(app.run_action, binding.action, active.node))
    yield _theme_command(app)
    yield Command("Quit", "Leave; asks if the plan is not saved", app.action_quit)


def _theme_command(app: App[Any]) -> Command:
    return Command("Theme", "Choose the colours", app.action_change_theme)


def theme_commands(app: App[None]) -> list[Command]:
    """One command for every theme."""
    return [Command(name, "", partial(setattr, app, "theme", name)) for name in sorted(app.available_themes)]


def matching(commands: Iterable[Command], typed: str) -> list[Command]:
    """The commands with these letters in this order in their titles, the best first; all if nothing is typed."""
    commands = list(commands)
    if not typed:
        return commands
    matcher = Matcher(typed)
    scored = [(matcher.match(command.title), command) for command in commands]
    return [command for score, command in sorted(scored, key=lambda each: -each[0]) if score > 0]


def matching_nodes(main: MainScreen, typed: str) -> list[Command]:
    """Commands that go to the nodes in whose names all these words are found, whatever their case."""
    if main.work is None or not typed:
        return []
    words = typed.lower().split()
    # Not letter by letter as for actions: in names this long nearly all letters are found, and 2,280 take 0.1 s.
    found = (node.key for node in main.bench.inventory.main_nodes if all(word in node.key.lower() for word in words))
    return [Command(key, "", partial(main.go_to, key)) for key in islice(found, MOST_NODES)]


def find_commands(main: MainScreen, typed: str) -> list[Command]:
    """Actions and nodes for the palette: what is spelled like that before what merely has the letters."""
    actions = matching(action_commands(main), typed)
    spelled = [command for command in actions if typed.lower() in command.title.lower()]
    return [*spelled, *matching_nodes(main, typed), *(command for command in actions if command not in spelled)]
