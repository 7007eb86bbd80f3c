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
    _key("n", "worst", "Worst", "player.worst", "Go to the half second in which A and B differ most", show=True),
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
    _key("L", "listen", "Browser", "player.browser", "Play in a browser, also at the other end of SSH, or stop that"),
    _key("T", "target", "Target", "lint.target", "Choose where the plan is to run; what has no kernel there is named"),
    _key("m", "planner", "Planner", "plan.planner", "Find the best plan within a limit of size, noise or distance"),
    _key("d", "speech", "Text", "player.speech", "Choose the text and the voice of the audition"),
    _key("j", "take_up", "Take up", "session.take_up", "Go on with a session that was cut off", show=True),
    _key("J", "throw_away", "Throw away", "session.discard", "Forget the session that was cut off"),
    _key("c", "candidates", "Candidates", "candidates.show", "Compare up to nine plans side by side", show=True),
    _key("k", "keep_candidate", "Keep", "candidates.keep_plan", "Take the plan as a candidate and render it"),
    _key("B", "blind_test", "Blind test", "blind.start", "Put what is in the player to a blind test (ABX)"),
    _key("R", "listening_results", "Blind tests", "blind.results", "List what all blind tests have given"),
    _key("q", "app.quit", "Quit", "app.quit", "Leave; asks if the plan is not saved", show=True),
)
"""Keys that hold wherever no text is typed."""

CANDIDATE_BINDINGS: tuple[Binding, ...] = tuple(
    _key(str(n), f"candidate({n})", f"Candidate {n}", f"candidates.{n}", f"Hear candidate {n} in the player")
    for n in range(1, 10)
)
"""Keys that stand for candidates, wherever no text is typed."""

PLAYER_BINDINGS: tuple[Binding, ...] = (
    _key("space", "screen.play", "Play", "player.play_too", "Play, or stop", show=True),
    _key("tab", "switch", "A/B", "player.switch", "Switch between original (A) and candidate (B)", show=True),
    _key("D", "difference", "B\u2212A", "player.difference", "Hear what B adds and lacks, or go back", show=True),
    _key("shift+tab", "leave", "Leave", "player.leave", "Go back to the node table"),
    _key(
        "escape",
        "escape",
        "Leave",
        "player.leave_too",
        "Go back to the node table, unless a build can be stopped",
        show=True,
    ),
    _key("z", "zoom", "Zoom", "player.zoom", "Show the place that is heard more closely, or all again", show=True),
    _key("left_square_bracket", "loop_from", "Loop from", "player.loop_from", "Repeat from here", show=True),
    _key("right_square_bracket", "loop_to", "to", "player.loop_to", "Repeat up to here", show=True),
    _key("backspace", "unloop", "No loop", "player.unloop", "Play on to the end again", show=True),
    _key("comma", "sentence(-1)", "Previous sentence", "player.previous", "Go to the sentence before"),
    _key("full_stop", "sentence(1)", "Next sentence", "player.next", "Go to the sentence after", show=True),
    _key("left", "seek(-1)", "Back", "player.back", "Go back by one second"),
    _key("right", "seek(1)", "Forward", "player.forward", "Go forward by one second"),
    _key("shift+left", "seek(-0.1)", "Back a little", "player.back_little", "Go back by a tenth of a second"),
    _key("shift+right", "seek(0.1)", "Forward a little", "player.forward_little", "Go forward by a tenth of a second"),
    _key("home", "seek(-3600)", "Start", "player.start", "Go to the start of the sentence"),
    _key("up", "volume(3)", "Louder", "player.louder", "Raise the volume by 3 dB"),
    _key("down", "volume(-3)", "Softer", "player.softer", "Lower the volume by 3 dB"),
    _key("plus", "gain(6)", "More B\u2212A", "player.more_difference", "Raise the difference by 6 dB"),
    _key("minus", "gain(-6)", "Less B\u2212A", "player.less_difference", "Lower the difference by 6 dB"),
    _key("o", "screen.devices", "Device", "player.device", "Choose the audio device", show=True),
)
"""Keys of the player."""
