"""Every key, once: the footer, the help screen, the command palette and the user's keymap all read these."""

from __future__ import annotations

from textual.binding import Binding


def _key(key: str, action: str, label: str, name: str, help_text: str, *, show: bool = False) -> Binding:
    return Binding(key, action, label, show=show, id=name, tooltip=help_text)


TABLE_BINDINGS: tuple[Binding, ...] = (
    _key(
        "f", "screen.precision('fp16')", "FP16", "precision.fp16", "Give the row, or the marked rows, FP16", show=True
    ),
    _key("i", "screen.precision('int8')", "INT8", "precision.int8", "Give them dynamic INT8", show=True),
    _key("w", "screen.precision('w8')", "W8", "precision.w8", "Give them weight-only INT8", show=True),
    _key(
        "x",
        "screen.exclude",
        "Exclude",
        "precision.exclude",
        "Exclude them (FP32 and locked), or unlock them",
        show=True,
    ),
    _key("0", "screen.precision('fp32')", "FP32", "precision.fp32", "Put them back to FP32", show=True),
    _key("space", "screen.cycle", "Next", "precision.cycle", "Go on to the next precision that the node can take"),
    _key("v", "screen.mark", "Mark", "table.mark", "Mark the row, or take its mark away"),
    _key("escape", "screen.clear_marks", "Clear marks", "table.unmark", "Take all marks away", show=True),
    _key("o", "screen.sort", "Sort", "table.sort", "Sort by the next column; a click on a heading sorts by that one"),
    _key("g", "screen.group", "Group", "table.group", "One row per shared weight, or one per node"),
    _key("a", "screen.all_nodes", "All nodes", "table.all", "List every node of the model, or the candidates only"),
    _key("home", "scroll_top", "First row", "table.first", "Go to the first row"),
    _key("end", "scroll_bottom", "Last row", "table.last", "Go to the last row"),
)
"""Keys of the node table."""

SCREEN_BINDINGS: tuple[Binding, ...] = (
    _key("escape", "cancel_build", "Stop build", "build.cancel", "Stop the build that is running", show=True),
    _key("slash", "filter", "Filter", "table.filter", "List only the nodes in whose name a regex is found", show=True),
    _key("escape", "clear_filter", "Clear filter", "table.unfilter", "List all rows again", show=True),
    _key("r", "regex", "Regex", "plan.regex", "Give all nodes in whose name a regex is found a precision", show=True),
    _key("u", "undo", "Undo", "plan.undo", "Take the last change back", show=True),
    _key("ctrl+r", "redo", "Redo", "plan.redo", "Make the change again that was taken back"),
    _key("b", "build", "Build", "build.start", "Build this plan and render it beside the original", show=True),
    _key("p", "play", "Play", "player.play", "Play, or stop", show=True),
    _key("e", "export", "Export", "file.export", "Write the optimized model", show=True),
    _key("question_mark", "help", "Help", "app.help", "Show all keys", show=True),
    _key("s", "save", "Save", "file.save", "Save the plan as a recipe", show=True),
    _key("l", "load", "Load", "file.load", "Load a recipe, a preset or a trial table", show=True),
    _key("y", "copy_command", "Command", "file.command", "Copy the command that builds this plan headless"),
    _key(
        "t",
        "trials",
        "Trials",
        "trials.run",
        "Run trials of all, the marked or the filtered rows; pause or stop them",
        show=True,
    ),
    _key("d", "speech", "Text", "player.speech", "Choose the text and the voice of the audition"),
    _key("q", "app.quit", "Quit", "app.quit", "Leave; asks if the plan is not saved", show=True),
)
"""Keys that hold wherever no text is typed."""

PLAYER_BINDINGS: tuple[Binding, ...] = (
    _key("tab", "switch", "A/B", "player.switch", "Switch between original (A) and candidate (B)", show=True),
    _key("shift+tab", "leave", "Leave", "player.leave", "Go back to the node table", show=True),
    _key("escape", "escape", "Leave", "player.leave_too", "Go back to the node table, unless a build can be stopped"),
    _key("left", "seek(-1)", "Back", "player.back", "Go back by one second"),
    _key("right", "seek(1)", "Forward", "player.forward", "Go forward by one second"),
    _key("space", "screen.play", "Play", "player.play_too", "Play, or stop"),
)
"""Keys of the player."""
