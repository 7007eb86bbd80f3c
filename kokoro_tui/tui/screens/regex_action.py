"""The regex action: a pattern, a precision, and what it would change before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.widgets import Input, Label

from kokoro_tui.core.precision import Precision
from kokoro_tui.core.selection import SelectionError
from kokoro_tui.tui.formats import count, mib, printable, saved_percent
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.widgets.choice import Choice
from kokoro_tui.tui.wording import groups_and_nodes_always, left_alone

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.workbench import Change, Workbench

EXCLUDE = "exclude"
"""The choice that excludes the hits, or unlocks them if all of them are excluded."""
CHOICES = (Precision.FP16, Precision.INT8, Precision.W8, Precision.FP32, EXCLUDE)
MOST_EXAMPLES = 5


class RegexActionScreen(Dialog["tuple[str, Change]"]):
    """Dismisses with what was chosen in words and the change, or None.

    Args:
        bench: The open model.
        plan: The plan on show.
        scope: Node keys among which the pattern is searched.
        pattern: What to start with.
    """

    TITLE_TEXT = "Regex action"
    BINDINGS = [
        Binding("enter", "submit", "Apply", id="regex.apply", tooltip="Make the change", priority=True),
        Binding("down", "choose(1)", "Next precision", id="regex.next", priority=True),
        Binding("up", "choose(-1)", "Previous one", id="regex.previous", priority=True),
    ]

    def __init__(self, bench: Workbench, plan: PrecisionPlan, scope: tuple[str, ...], pattern: str) -> None:
        super().__init__()
        self._bench = bench
        self._plan = plan
        self._scope = scope
        self._pattern = pattern
        self._choice: str = Precision.FP16
        self._change: Change | None = None

    def contents(self) -> ComposeResult:
        """Pattern, precision and preview."""
        yield Label(f"Search in {count(len(self._scope), 'node')}:", classes="dialog-label")
        yield Input(self._pattern, id="regex-pattern", placeholder="resblocks", compact=True)
        yield Choice({c: c.label if isinstance(c, Precision) else c for c in CHOICES}, id="regex-choice")
        yield Label("", id="regex-preview", markup=False)

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one(Input).focus()
        self._preview()

    @on(Input.Changed)
    def _pattern_changed(self, event: Input.Changed) -> None:
        self._pattern = event.value
        self._preview()

    @on(Choice.Changed)
    def _choice_changed(self, event: Choice.Changed) -> None:
        self._choice = event.value
        self._preview()

    def action_choose(self, step: int) -> None:
        """Choose the next or the previous precision without leaving the pattern."""
        self.query_one(Choice).action_step(step)

    def submit(self) -> None:
        """Make the change, if it changes anything."""
        if (pattern := self.query_one(Input).value) != self._pattern:  # the preview comes a little later
            self._pattern = pattern
            self._preview()
        if self._change is None or not self._change.changed:
            self.app.bell()
            return
        self.dismiss((f"{self._choice_label()} by /{self._pattern}/", self._change))

    def _choice_label(self) -> str:
        return EXCLUDE if self._choice == EXCLUDE else Precision(self._choice).label

    def _preview(self) -> None:
        self._change = None
        preview = self.query_one("#regex-preview", Label)
        preview.remove_class("-wrong")
        if not self._pattern:
            preview.update("type a regular expression")
            return
        try:
            hits = self._bench.select(self._pattern, self._scope)
        except SelectionError as error:
            preview.update(f"{error.message}\n{error.hint}")
            preview.add_class("-wrong")
            return
        if self._choice == EXCLUDE:
            self._change = self._bench.toggle_excluded(self._plan, hits.keys)
        else:
            self._change = self._bench.set_precision(self._plan, hits.keys, Precision(self._choice))
        preview.update(self._preview_text(hits.keys))

    def _preview_text(self, hits: tuple[str, ...]) -> str:
        change = self._change
        assert change is not None
        if not hits:
            return "no hit"
        estimate = self._bench.estimate(change.plan)
        lines = [
            f"{groups_and_nodes_always(self._bench, hits)} hit",
            f"{groups_and_nodes_always(self._bench, change.changed)} would change",
            left_alone(change),
            f"{mib(estimate.estimated_bytes)} MiB  {saved_percent(estimate.saved)}",
            "",
            *(printable(key) for key in hits[:MOST_EXAMPLES]),
        ]
        if len(hits) > MOST_EXAMPLES:
            lines.append(f"and {len(hits) - MOST_EXAMPLES:,} more")
        return "\n".join(line for index, line in enumerate(lines) if line or index == 4)
