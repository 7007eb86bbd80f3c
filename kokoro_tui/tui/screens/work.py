"""The part of the main screen that holds the state and hands it down to the widgets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from textual.reactive import var
from textual.screen import Screen
from textual.widgets import DataTable

from kokoro_tui.core.selection import SelectionError
from kokoro_tui.tui.describe import describe_node
from kokoro_tui.tui.formats import count
from kokoro_tui.tui.host import Host
from kokoro_tui.tui.rows import RowSource, View
from kokoro_tui.tui.state import WorkState
from kokoro_tui.tui.widgets.filter_bar import FilterBar
from kokoro_tui.tui.widgets.node_detail import NodeDetail
from kokoro_tui.tui.widgets.node_table import NodeTable
from kokoro_tui.tui.widgets.player_bar import PlayerBar
from kokoro_tui.tui.widgets.size_bar import SizeBar
from kokoro_tui.tui.widgets.status_line import StatusLine
from kokoro_tui.tui.widgets.trial_panel import TrialPanel

if TYPE_CHECKING:
    from kokoro_tui.core.plan import PlanHistory, PrecisionPlan
    from kokoro_tui.errors import KokoroTuiError
    from kokoro_tui.lint.linter import Linter
    from kokoro_tui.workbench import Workbench

_SORT_ARROWS = {True: "\u25be", False: "\u25b4"}


class WorkScreen(Screen[None]):
    """Holds the plan; widgets get it from here and post messages back."""

    work: var[WorkState | None] = var(None, init=False)
    """The plan with what follows from it; None until the model is open."""
    view: var[View] = var(View(), init=False)
    """Which rows are listed."""
    marked: var[frozenset[str]] = var(frozenset(), init=False)
    """Keys of the marked rows."""

    def __init__(self) -> None:
        super().__init__()
        self.linter: Linter | None = None
        """What the plan is checked against; None without a target, and until its tables are read."""
        self._bench: Workbench | None = None
        self._rows: RowSource | None = None

    # What is known

    @property
    def bench(self) -> Workbench:
        """The open model; only asked for once there is one."""
        assert self._bench is not None
        return self._bench

    @property
    def state(self) -> WorkState:
        """The plan on show; only asked for once a model is open."""
        assert self.work is not None
        return self.work

    @property
    def table(self) -> NodeTable:
        """The node table."""
        return self.query_one(NodeTable)

    @property
    def player_bar(self) -> PlayerBar:
        """The player."""
        return self.query_one(PlayerBar)

    @property
    def host(self) -> Host:
        """The application."""
        return cast(Host, self.app)

    def say(self, message: str, *, warning: bool = False) -> None:
        """Show what happened in the status line; warnings also as a toast, so that they are not overlooked."""
        self.query_one(StatusLine).say(message, warning=warning)
        if warning:
            self.notify(message, severity="warning", markup=False)

    def report(self, what: str, error: KokoroTuiError) -> None:
        """Show that a job came to nothing, and what to do about it."""
        self.query_one(StatusLine).say(f"{what}: {error.message}", warning=True)
        self.notify(f"{error.message}\n{error.hint}", title=f"{what} failed", severity="error", markup=False)

    def update_hints(self) -> None:
        """Let the footer follow what can be done."""
        self.refresh_bindings()

    # Changing

    def open_bench(self, bench: Workbench) -> None:
        """Show a model that has been read."""
        self._bench = bench
        self._rows = RowSource(bench)
        self.work = WorkState.first(bench)
        self.list_rows()

    def move_to(self, history: PlanHistory) -> None:
        """Take over a plan, and with it everything that follows from it."""
        self.work = self.state.moved_to(history, self.bench)

    def push(self, plan: PrecisionPlan) -> None:
        """Take over a plan as a step that can be undone."""
        self.move_to(self.state.history.push(plan))

    def watch_work(self, before: WorkState | None, after: WorkState | None) -> None:
        """Hand the new state down; only rows that the change touches are drawn anew."""
        self.query_one(SizeBar).work = after
        if before is None or after is None:
            return
        if after.plan is not before.plan:
            changed = after.plan.changed_keys(before.plan)
            self._refresh_rows(changed, after.plan)
            self.show_detail()
            result = self.player_bar.result
            self.player_bar.stale = result is not None and result.plan.digest != after.plan.digest
        self._summarise()
        self.update_hints()

    def _refresh_rows(self, changed: frozenset[str], plan: PrecisionPlan) -> None:
        assert self._rows is not None
        table, rows = self.table, self._rows
        if not self.view.grouped:
            touched = [
                row for key in changed if (place := table.place_of(key)) is not None for row in [table.listed[place]]
            ]
        else:
            touched = [row for row in table.listed if not changed.isdisjoint(row.members)]
        table.refresh_rows(rows.updated(row, plan) for row in touched)

    # What is listed

    def watch_view(self, before: View, after: View) -> None:
        """List other rows."""
        if self.work is not None:
            self.list_rows()
            self.update_hints()

    def list_rows(self) -> None:
        """Fill the table by the view; a filter that does not work leaves the rows as they are and says why."""
        assert self._rows is not None
        bar, table = self.query_one(FilterBar), self.table
        try:
            rows = self._rows.rows(self.state.plan, self.view)
        except SelectionError as error:
            bar.note(error.message, wrong=True)
            return
        current = table.current
        table.list_rows(
            rows, self.view, with_trials=self.bench.trials is not None, keep=current.key if current else None
        )
        self.set_class(not rows and not self.view.pattern, "-empty")
        if current is not None:
            self.show_detail()
        bar.note(f"{len(rows):,} of {len(self._rows.scope(self.view)):,}" if self.view.pattern else "")
        self._summarise()

    def watch_marked(self, before: frozenset[str], after: frozenset[str]) -> None:
        """Show the marks."""
        self.table.mark(after)
        self._summarise()
        self.update_hints()

    def _summarise(self) -> None:
        if self.work is None:
            return
        view, listed = self.view, self.table.listed
        what = "group" if view.grouped else "node" if view.all_nodes else "candidate"
        parts = [count(len(listed), what), f"by {view.sort_column} {_SORT_ARROWS[view.descending]}"]
        if self.marked:
            parts.insert(0, f"{len(self.marked)} marked")
        if self.state.unsaved:
            parts.append("unsaved")
        self.query_one(StatusLine).summary = f"{self.bench.inventory.path.name}  {'  '.join(parts)}"

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Tell more about the row under the cursor."""
        self.show_detail()

    def show_detail(self) -> None:
        """Tell all about the row under the cursor."""
        row = self.table.current
        known = row is not None and self.work is not None
        parts = describe_node(self.bench, self.state.plan, row.key, self.linter) if row and known else ()
        self.query_one(NodeDetail).show_parts(parts)

    def show_trials(self) -> None:
        """Let every widget know of other trials."""
        self.work = self.state.with_trials(self.bench)
        self.list_rows()

    @property
    def trial_panel(self) -> TrialPanel:
        """The trials panel."""
        return self.query_one(TrialPanel)

    def change_view(self, **changes: object) -> None:
        """List rows by a view that differs in some respects."""
        self.view = replace(self.view, **changes)  # type: ignore[arg-type]
