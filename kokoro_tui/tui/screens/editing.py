"""Everything that changes the plan by hand, or what the table lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on
from textual.widgets import DataTable, Input

from kokoro_tui.core.precision import Precision
from kokoro_tui.store.settings import SortOrder
from kokoro_tui.tui.formats import printable
from kokoro_tui.tui.rows import DESCENDING_FIRST
from kokoro_tui.tui.screens.linting import LintingScreen
from kokoro_tui.tui.screens.regex_action import RegexActionScreen
from kokoro_tui.tui.widgets.columns import COLUMNS
from kokoro_tui.tui.widgets.filter_bar import FilterBar, FilterInput
from kokoro_tui.tui.wording import outcome

if TYPE_CHECKING:
    from kokoro_tui.workbench import Change


class EditingScreen(LintingScreen):
    """Precisions, marks, filter, order, groups, undo and the regex action."""

    # Precisions

    def action_precision(self, name: str) -> None:
        """Give the current row, or the marked ones, a precision."""
        precision = Precision(name)
        keys = self._chosen_keys()
        if keys:
            self._take_over(self.bench.set_precision(self.state.plan, keys, precision), precision.label)

    def action_cycle(self) -> None:
        """Go on to the next precision that the current node can take."""
        keys = self._chosen_keys()
        if keys:
            precision = self.bench.next_precision(self.state.plan, keys[0])
            self._take_over(self.bench.set_precision(self.state.plan, keys, precision), precision.label)

    def action_exclude(self) -> None:
        """Exclude the current row, or the marked ones; unlock them if they are excluded."""
        keys = self._chosen_keys()
        if keys:
            change = self.bench.toggle_excluded(self.state.plan, keys)
            unlocks = len(change.plan.locked) < len(self.state.plan.locked)
            self._take_over(change, "unlocked" if unlocks else "excluded")

    def action_undo(self) -> None:
        """Take the last change back."""
        history = self.state.history
        if not history.past:
            self.say("nothing to undo")
            return
        self.move_to(history.undo())
        self.say(f"undone; {len(history.past) - 1} more")

    def action_redo(self) -> None:
        """Make the change again that was taken back."""
        history = self.state.history
        if not history.future:
            self.say("nothing to redo")
            return
        self.move_to(history.redo())
        self.say(f"redone; {len(history.future) - 1} more")

    def action_regex(self) -> None:
        """Ask for a pattern and a precision."""
        assert self._rows is not None
        screen = RegexActionScreen(self.bench, self.state.plan, self._rows.scope(self.view), self.view.pattern)
        self.app.push_screen(screen, self._regex_chosen)

    def _regex_chosen(self, answer: tuple[str, Change] | None) -> None:
        if answer is not None:
            what, change = answer
            self._take_over(change, what)

    def _take_over(self, change: Change, what: str) -> None:
        if change.changed:
            self.push(change.plan)
        said = outcome(self.bench, change, what)
        self.say(said.text, warning=said.refused)

    def _chosen_keys(self) -> tuple[str, ...]:
        """Node keys of the marked rows, or of the current one."""
        if self.marked:
            group_of = self.bench.inventory.group_of
            if not self.view.grouped:
                return tuple(self.marked)
            return tuple(member for key in self.marked for member in group_of[key].members)
        row = self.table.current
        return row.members if row is not None else ()

    # Marks

    def action_mark(self) -> None:
        """Mark the current row, or take its mark away, and go on to the next."""
        row = self.table.current
        if row is not None:
            self.marked = self.marked ^ {row.key}
            self.table.action_cursor_down()

    def action_clear_marks(self) -> None:
        """Take all marks away."""
        self.marked = frozenset()

    # What is listed

    def action_filter(self) -> None:
        """Type a filter."""
        self.query_one(FilterBar).open()

    def action_clear_filter(self) -> None:
        """List all rows again."""
        self.query_one(FilterInput).value = ""
        self.query_one(FilterBar).close_if_empty()

    @on(Input.Changed, "#filter")
    def _filter_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one(FilterBar).set_class(bool(event.value) or event.input.has_focus, "-open")
        self.change_view(pattern=event.value)

    @on(FilterInput.Left)
    def _filter_left(self) -> None:
        self.query_one(FilterBar).close_if_empty()
        self.table.focus()

    def action_group(self) -> None:
        """One row per shared weight, or one per node."""
        self.marked = frozenset()
        self.change_view(grouped=not self.view.grouped)
        self.say("one row per shared weight" if self.view.grouped else "one row per node")

    def action_all_nodes(self) -> None:
        """All nodes, or the candidates only."""
        self.change_view(all_nodes=not self.view.all_nodes)
        self.say("all nodes" if self.view.all_nodes else "candidates only")

    def action_sort(self) -> None:
        """Sort by the next column."""
        keys = [str(column.value) for column in self.table.columns]
        place = keys.index(self.view.sort_column) if self.view.sort_column in keys else -1
        self.sort_by(keys[(place + 1) % len(keys)])

    @on(DataTable.HeaderSelected, "#nodes")
    def _header_selected(self, event: DataTable.HeaderSelected) -> None:
        self.sort_by(str(event.column_key.value))

    def sort_by(self, column: str) -> None:
        """Sort by a column; the other way round if it is the present one."""
        if column == self.view.sort_column:
            self.change_view(descending=not self.view.descending)
        else:
            self.change_view(sort_column=column, descending=column in DESCENDING_FIRST)
        self.host.remember(sort=SortOrder(self.view.sort_column, self.view.descending))
        label = next(spec.long_label for spec in COLUMNS if spec.key == column)
        self.say(f"sorted by {label}, {'largest' if self.view.descending else 'smallest'} first")

    def go_to(self, key: str) -> None:
        """Put the cursor on a node, listing it if it is not."""
        if self.table.place_of(key) is None:
            self.action_clear_filter()
            self.change_view(pattern="", grouped=False, all_nodes=key not in self.bench.inventory.candidate_keys)
        place = self.table.place_of(key)
        if place is not None:
            self.table.move_cursor(row=place)
            self.table.focus()
        else:
            self.say(f"{printable(key)} is not in the table", warning=True)
