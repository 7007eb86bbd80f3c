"""The planner's dialog: the limit, the run, and the plans that it has measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import DataTable, Input, Label, ProgressBar, Static

from kokoro_tui.core.precision import Precision
from kokoro_tui.errors import InputError
from kokoro_tui.planner.chart import frontier_chart
from kokoro_tui.planner.limits import Limit, LimitKind
from kokoro_tui.tui.formats import NOTHING, distance, mib
from kokoro_tui.tui.planner_worker import DEFAULT_VALUES, FRONTIER, PlannerRun, PlannerWish
from kokoro_tui.tui.screens.modal import Dialog
from kokoro_tui.tui.widgets.choice import Choice

if TYPE_CHECKING:
    from kokoro_tui.core.inventory import Inventory
    from kokoro_tui.planner.limits import MeasuredPlan
    from kokoro_tui.workbench import Workbench

_KINDS = {
    LimitKind.SIZE: "MiB",
    LimitKind.NOISE: "added noise dB",
    LimitKind.DISTANCE: "mel distance",
    FRONTIER: "frontier",
}
_COLUMNS = ("#", "MiB", "mel", "predicted", "noise dB", "moved", *(precision.label for precision in Precision))
_MINUTES = "10"
CHART_LINES = 14
FEWEST_LINES_FOR_CHART = 34
"""Terminal lines below which the table has no chart above it."""


class PlannerOwner(Protocol):
    """What the dialog asks of the screen under it."""

    planner: PlannerRun | None
    """Reactive."""

    @property
    def bench(self) -> Workbench:
        """The open model."""

    @property
    def target_title(self) -> str:
        """What plans must run on; empty without a target."""

    def start_planner(self, wish: PlannerWish) -> None:
        """Look for a plan in the background."""

    def stop_planner(self) -> None:
        """End the run."""


class PlannerScreen(Dialog["MeasuredPlan"]):
    """Dismisses with the measured plan that was chosen, or None. A run goes on when it is closed.

    Args:
        owner: Runs the planner; its run is followed while this is open.
    """

    TITLE_TEXT = "Planner"
    BINDINGS = [
        Binding("enter", "submit", "Start", id="planner.start", tooltip="Look for the plan", priority=True),
        Binding("enter", "open", "Open", id="planner.open", tooltip="Make this plan the current one", priority=True),
        Binding("down", "kind(1)", "Next limit", id="planner.next", show=False),
        Binding("up", "kind(-1)", "Previous limit", id="planner.previous", show=False),
        Binding("x", "stop", "Stop", id="planner.stop", tooltip="End the run and keep the best plan so far"),
        Binding("n", "again", "New search", id="planner.again", tooltip="Ask for another limit"),
        *(
            Binding(str(number), f"number({number})", "Open", id=f"planner.open_{number}", show=False)
            for number in range(10)
        ),
    ]

    def __init__(self, owner: PlannerOwner) -> None:
        super().__init__()
        self._owner = owner
        self._listed: tuple[MeasuredPlan, ...] = ()
        self._asking = owner.planner is None

    def contents(self) -> ComposeResult:
        """The form, and what the run shows."""
        with Vertical(id="planner-form"):
            yield Label("The best plan with at most", classes="dialog-label")
            yield Choice(dict(_KINDS), id="planner-kind")
            yield Input(DEFAULT_VALUES[LimitKind.SIZE], id="planner-value", compact=True)
            yield Label("Minutes that it may take", classes="dialog-label")
            yield Input(_MINUTES, id="planner-minutes", compact=True)
            yield Label("", id="planner-note", markup=False)
        with Vertical(id="planner-run"):
            yield Label("", id="planner-stage", markup=False)
            yield ProgressBar(total=1.0, id="planner-bar", show_eta=False)
            yield Static("", id="planner-chart", markup=False)
            yield DataTable(id="planner-plans", cursor_type="row")

    def on_mount(self) -> None:
        """Follow the run that there is, or ask."""
        table = self.query_one(DataTable)
        for name in _COLUMNS:
            table.add_column(Text(name, justify="right"), key=name)
        self._show_mode()
        self._note_default()

    def owner_changed(self) -> None:
        """Show how far the run is."""
        self._follow(self._owner.planner)

    def _show_mode(self) -> None:
        self.set_class(self._asking, "-asking")
        if self._asking:
            self.query_one("#planner-value", Input).focus()
        else:
            self.query_one(DataTable).focus()
            self._follow(self._owner.planner)
        self.refresh_bindings()

    # The form

    @property
    def _kind(self) -> str:
        return self.query_one(Choice).value

    @on(Choice.Changed)
    def _kind_changed(self) -> None:
        value = self.query_one("#planner-value", Input)
        value.display = self._kind != FRONTIER
        if self._kind != FRONTIER:
            value.value = DEFAULT_VALUES[LimitKind(self._kind)]
        self._note_default()

    @on(Input.Changed)
    def _value_changed(self) -> None:
        if self.typed_on:
            self._note_default()

    def _note_default(self) -> None:
        note = "It chooses by the trials, builds its plans, hears each on six sentences, and corrects itself."
        if self._kind == FRONTIER:
            note = "It measures ten plans from the smallest to the original; open any of them with its number."
        target = self._owner.target_title
        self._note(f"{note} Locked nodes stay as they are." + (f" Everything runs on {target}." if target else ""))

    def _note(self, text: str, *, wrong: bool = False) -> None:
        note = self.query_one("#planner-note", Label)
        note.update(text)
        note.set_class(wrong, "-wrong")

    def action_kind(self, step: int) -> None:
        """Choose the next or the previous kind of limit without leaving the value."""
        if self._asking:
            self.query_one(Choice).action_step(step)

    def submit(self) -> None:
        """Start the run."""
        try:
            wish = self._wish()
        except InputError as error:
            self._note(f"{error.message}; {error.hint}", wrong=True)
            return
        self._owner.start_planner(wish)
        self._asking = False
        self._show_mode()

    def _wish(self) -> PlannerWish:
        minutes = _number(self.query_one("#planner-minutes", Input).value)
        if minutes <= 0:
            raise InputError("it needs some minutes", "10 are usual")
        if self._kind == FRONTIER:
            return PlannerWish(None, minutes)
        value = _number(self.query_one("#planner-value", Input).value)
        return PlannerWish(Limit(LimitKind(self._kind), value), minutes)

    # The run

    def _follow(self, run: PlannerRun | None) -> None:
        if run is None or self._asking:
            return
        self.query_one("#planner-stage", Label).update(f"{run.wish.words}: {run.stage if run.running else run.said}")
        bar = self.query_one(ProgressBar)
        bar.display = run.running
        bar.update(progress=run.share)
        if run.plans != self._listed:
            self._list(run.plans)
        self._draw(run)
        self.refresh_bindings()

    def _list(self, plans: tuple[MeasuredPlan, ...]) -> None:
        table = self.query_one(DataTable)
        before = self._listed[table.cursor_row].plan.digest if table.is_valid_row_index(table.cursor_row) else None
        self._listed = plans
        table.clear()
        for number, found in enumerate(plans, start=1):
            cells = _cells(number, found, self._owner.bench.inventory)
            table.add_row(*(Text(cell, justify="right") for cell in cells))
        place = next((i for i, found in enumerate(plans) if found.plan.digest == before), len(plans) - 1)
        table.move_cursor(row=place)

    def _draw(self, run: PlannerRun) -> None:
        chart = self.query_one("#planner-chart", Static)
        room = self.app.size.height >= FEWEST_LINES_FOR_CHART
        chart.display = run.is_frontier and len(run.plans) > 1 and room
        if chart.display:
            width = chart.size.width or 70
            chart.update(frontier_chart(run.plans, width, CHART_LINES, marked=self.query_one(DataTable).cursor_row))

    @on(DataTable.RowHighlighted)
    def _highlighted(self) -> None:
        run = self._owner.planner
        if run is not None and not self._asking:
            self._draw(run)

    @on(DataTable.RowSelected)
    def _clicked(self) -> None:
        self.action_open()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Letters and digits are typed while something is asked."""
        run = self._owner.planner
        if action in ("open", "number"):
            return not self._asking and bool(self._listed)
        if action == "stop":
            return not self._asking and run is not None and run.running
        if action == "again":
            return not self._asking and run is not None and not run.running
        return action not in ("submit", "kind") or self._asking

    def action_open(self) -> None:
        """Give the plan under the cursor."""
        table = self.query_one(DataTable)
        if self._listed and table.is_valid_row_index(table.cursor_row):
            self.dismiss(self._listed[table.cursor_row])

    def action_number(self, number: int) -> None:
        """Give a plan by its number; 0 is the tenth."""
        place = (number or 10) - 1
        if place < len(self._listed):
            self.dismiss(self._listed[place])
        else:
            self.app.bell()

    def action_stop(self) -> None:
        """End the run."""
        self._owner.stop_planner()

    def action_again(self) -> None:
        """Ask for another limit."""
        self._asking = True
        self._show_mode()


def _cells(number: int, found: MeasuredPlan, inventory: Inventory) -> tuple[str, ...]:
    measured, counts = found.measured, found.plan.count(inventory.candidate_keys)
    return (
        str(number),
        mib(measured.nbytes),
        distance(measured.mel_distance),
        distance(found.predicted.mel_distance),
        f"{measured.added_noise_db:.2f}",
        NOTHING if measured.frames_moved is None else f"{measured.frames_moved:g}",
        *(str(counts[precision]) for precision in Precision),
    )


def _number(text: str) -> float:
    """A number that was typed, with a point or a comma.

    Raises:
        InputError: It is none.
    """
    try:
        return float(text.strip().replace(",", "."))
    except ValueError as error:
        raise InputError(f"{text.strip()!r} is not a number", "type one such as 88 or 0.2") from error
