"""What a blind test, and all of them together, have to say."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Label, Static

from kokoro_tui.listening.records import ListeningSetup, RecipeSummary
from kokoro_tui.listening.session import AbxResult, AbxTrial, PreferenceResult, PreferenceTrial, Side
from kokoro_tui.tui.formats import ELLIPSIS, NOTHING, count, printable
from kokoro_tui.tui.screens.modal import Dialog

_LONGEST_TEXT = 40


def p_value(p: float) -> str:
    """A p-value with two significant figures, without an exponent as long as that can be read."""
    return f"{p:.5f}" if 1e-5 <= p < 1e-3 else f"{p:.2g}"


def abx_figures(summary: RecipeSummary) -> str:
    """Such as ``9/10 p 0.011``; a dash without any test."""
    if summary.abx_p is None:
        return NOTHING
    return f"{summary.abx_right}/{summary.abx_trials} p {p_value(summary.abx_p)}"


def preference_figures(summary: RecipeSummary) -> str:
    """Such as ``7:3 p 0.34``: how often it was preferred, and how often the other was; a dash without any test."""
    if not summary.preferred + summary.other + summary.ties:
        return NOTHING
    p = "" if summary.preference_p is None else f" p {p_value(summary.preference_p)}"
    return f"{summary.preferred}:{summary.other}{p}"


def result_text(result: AbxResult | PreferenceResult, setup: ListeningSetup, convincing: float) -> Table:
    """The counts, the p-value, what they mean, and every answer."""
    whole = Table.grid()
    if isinstance(result, AbxResult):
        figures = f"{result.right} of {len(result.trials)} right   p = {p_value(result.p_value)} (exact, one-sided)"
        verdict = _abx_verdict(result, convincing)
    else:
        a, b = printable(setup.against_name), printable(setup.recipe_name)
        figures = f"{b} {result.count(Side.B)}, {a} {result.count(Side.A)}   p = {p_value(result.p_value)} (sign test)"
        verdict = _preference_verdict(result, setup, convincing)
    whole.add_row(Text(figures, "bold"))
    whole.add_row(Text(verdict))
    whole.add_row("")
    whole.add_row(_answers(result.trials, setup))
    return whole


def _abx_verdict(result: AbxResult, convincing: float) -> str:
    share = f"guessing gets this far, or further, in {100 * result.p_value:.3g} % of all tests"
    if result.p_value <= convincing:
        return f"You hear the difference: {share}."
    return f"No difference is shown: {share}."


def _preference_verdict(result: PreferenceResult, setup: ListeningSetup, convincing: float) -> str:
    ties = f"; no preference in {count(result.count(None), 'trial')}" if result.count(None) else ""
    if result.p_value > convincing:
        return f"No preference is shown{ties}."
    better = setup.recipe_name if result.count(Side.B) > result.count(Side.A) else setup.against_name
    return f"You prefer {printable(better)}{ties}."


def _answers(trials: Sequence[AbxTrial | PreferenceTrial], setup: ListeningSetup) -> Table:
    table = Table.grid(padding=(0, 2))
    first = "X was" if isinstance(trials[0], AbxTrial) else "1 was"
    table.add_row(*(Text(head, "dim") for head in ("trial", first, "you said", "", "")))
    for number, trial in enumerate(trials, 1):
        if isinstance(trial, AbxTrial):
            cells = (trial.x.value, trial.answer.value, "right" if trial.right else "wrong")
        else:
            told = "neither" if trial.preferred is None else trial.preferred.value
            cells = (trial.first.value, trial.answer.value, f"preferred {told}")
        table.add_row(str(number), *cells, Text(_short(setup.texts[trial.clip]), "dim"))
    return table


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_TEXT else shown[: _LONGEST_TEXT - 1] + ELLIPSIS


class ListeningResultsScreen(Dialog[None]):
    """Every recipe that was put to a blind test, with all its tests together.

    Args:
        summaries: What to list.
        log: Where the log lies, in words.
    """

    TITLE_TEXT = "Blind tests so far"

    def __init__(self, summaries: Sequence[RecipeSummary], log: str) -> None:
        super().__init__()
        self._summaries = tuple(summaries)
        self._log = log

    def contents(self) -> ComposeResult:
        """A scrolling table."""
        if not self._summaries:
            yield Label("No blind test of this model was finished yet; B starts one.", classes="dialog-text")
            return
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(ratio=1)
        for _ in range(4):
            table.add_column(no_wrap=True)
        heads = ("recipe", "compared with", "ABX, right", "preferred : other", "last")
        table.add_row(*(Text(head, "bold") for head in heads))
        for summary in self._summaries:
            table.add_row(
                Text(printable(summary.name)),
                Text(printable(summary.against_name)),
                abx_figures(summary),
                preference_figures(summary),
                Text(summary.last[:10], "dim"),
            )
        with VerticalScroll(id="results-scroll"):
            yield Static(table)
        note = f"Unfinished tests count for nothing. p is exact: one-sided for ABX, two-sided sign test. {self._log}"
        yield Label(note, classes="dialog-text", markup=False)
