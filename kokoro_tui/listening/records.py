"""What is remembered of blind tests, and what all of them say about one recipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from kokoro_tui.listening.session import AbxResult, PreferenceResult, Side
from kokoro_tui.listening.statistics import at_least, sign_test

ORIGINAL = "original"
"""Stands for the digest of a plan where the source model is meant."""


class Mode(StrEnum):
    """The two kinds of test."""

    ABX = "abx"
    PREFERENCE = "preference"


class Event(StrEnum):
    """What a line of the log is about."""

    STARTED = "started"
    FINISHED = "finished"
    STOPPED = "stopped"


@dataclass(frozen=True)
class ListeningSetup:
    """What is compared with what, known before the first trial."""

    session: str
    """Identity of the test."""
    mode: Mode
    model: str
    """Name of the model file."""
    model_sha256: str
    recipe: str
    """Digest of the plan that B was built from."""
    recipe_name: str
    against: str
    """Digest of the plan that A was built from, or ``ORIGINAL``."""
    against_name: str
    texts: tuple[str, ...]
    voices: tuple[str, ...]
    """The voice that speaks each text."""
    trials: int


@dataclass(frozen=True)
class ListeningRecord:
    """One finished test."""

    session: str
    date: str
    """ISO 8601, UTC."""
    mode: Mode
    model_sha256: str
    recipe: str
    recipe_name: str
    against: str
    against_name: str
    texts: tuple[str, ...]
    voices: tuple[str, ...]
    trials: int
    p: float
    """One-sided for ABX, two-sided for a preference."""
    right: int | None = None
    """Right answers of an ABX test."""
    preferred: int | None = None
    """How often the recipe was preferred."""
    other: int | None = None
    """How often what it was compared with was."""
    note: str = ""
    """In the listener's words."""


def started(setup: ListeningSetup, date: str) -> dict[str, Any]:
    """The line that a test begins with; nothing that it says depends on what is hidden."""
    return {"event": Event.STARTED.value, "date": date, **asdict(setup)}


def stopped(setup: ListeningSetup, date: str, answered: int) -> dict[str, Any]:
    """The line of a test that was broken off, which counts for nothing."""
    return {"event": Event.STOPPED.value, "date": date, "session": setup.session, "answered": answered}


def finished(setup: ListeningSetup, date: str, result: AbxResult | PreferenceResult, note: str = "") -> dict[str, Any]:
    """The line of a test that was carried through, with every answer."""
    line = {"event": Event.FINISHED.value, "date": date, **asdict(setup), "note": note, "p": result.p_value}
    if isinstance(result, AbxResult):
        answers = [{"clip": t.clip, "x": t.x.value, "answer": t.answer.value} for t in result.trials]
        return {**line, "right": result.right, "answers": answers}
    told = [{"clip": t.clip, "first": t.first.value, "answer": t.answer.value} for t in result.trials]
    return {**line, "preferred": result.count(Side.B), "other": result.count(Side.A), "answers": told}


def read_finished(lines: Iterable[dict[str, Any]]) -> tuple[ListeningRecord, ...]:
    """The finished tests among the lines of a log; what is no such line is passed over."""
    return tuple(record for line in lines if (record := _record(line)) is not None)


def _record(line: dict[str, Any]) -> ListeningRecord | None:
    if line.get("event") != Event.FINISHED:
        return None
    try:
        cells = {field.name: line[field.name] for field in fields(ListeningRecord) if field.name in line}
        cells["mode"] = Mode(cells["mode"])
        cells["texts"], cells["voices"] = tuple(cells["texts"]), tuple(cells["voices"])
        record = ListeningRecord(**cells)
    except (KeyError, TypeError, ValueError):
        return None
    return record if _is_sound(record) else None


def _is_sound(record: ListeningRecord) -> bool:
    """Whether the counts can be true; a log that was edited by hand must not break a summary."""
    counts = (record.right,) if record.mode is Mode.ABX else (record.preferred, record.other)
    known = [count for count in counts if isinstance(count, int) and count >= 0]
    return (
        len(known) == len(counts)
        and isinstance(record.trials, int)
        and sum(known) <= record.trials
        and all(isinstance(text, str) for text in (record.recipe, record.against, record.recipe_name, record.session))
    )


@dataclass(frozen=True)
class RecipeSummary:
    """All finished tests of one recipe against the original, or against one other recipe."""

    model_sha256: str
    recipe: str
    against: str
    name: str
    """What the recipe was called last."""
    against_name: str
    abx_tests: int = 0
    abx_trials: int = 0
    abx_right: int = 0
    preferred: int = 0
    """Trials in which the recipe was preferred."""
    other: int = 0
    """Trials in which what it was compared with was."""
    ties: int = 0
    last: str = ""
    """Date of the last test."""

    @property
    def abx_p(self) -> float | None:
        """Of all ABX trials together; None without any."""
        return at_least(self.abx_right, self.abx_trials) if self.abx_trials else None

    @property
    def preference_p(self) -> float | None:
        """Of the sign test over all preferences; None without any."""
        return sign_test(self.preferred, self.other) if self.preferred + self.other else None


def summarise(records: Iterable[ListeningRecord]) -> tuple[RecipeSummary, ...]:
    """One summary for each recipe of each model and what it was compared with, the latest first.

    A test between two recipes counts for both, seen from either side.
    """
    kept: dict[tuple[str, str, str], list[ListeningRecord]] = {}
    for record in records:
        for seen in (record, _from_the_other_side(record)):
            kept.setdefault((seen.model_sha256, seen.recipe, seen.against), []).append(seen)
    found = [_summary(tests) for tests in kept.values() if tests[0].recipe != ORIGINAL]
    return tuple(sorted(found, key=lambda summary: summary.last, reverse=True))


def _from_the_other_side(record: ListeningRecord) -> ListeningRecord:
    return replace(
        record,
        recipe=record.against,
        recipe_name=record.against_name,
        against=record.recipe,
        against_name=record.recipe_name,
        preferred=record.other,
        other=record.preferred,
    )


def _summary(tests: Sequence[ListeningRecord]) -> RecipeSummary:
    abx = [test for test in tests if test.mode is Mode.ABX]
    told = [test for test in tests if test.mode is Mode.PREFERENCE]
    preferred, other = sum(test.preferred or 0 for test in told), sum(test.other or 0 for test in told)
    last = tests[-1]
    return RecipeSummary(
        model_sha256=last.model_sha256,
        recipe=last.recipe,
        against=last.against,
        name=last.recipe_name,
        against_name=last.against_name,
        abx_tests=len(abx),
        abx_trials=sum(test.trials for test in abx),
        abx_right=sum(test.right or 0 for test in abx),
        preferred=preferred,
        other=other,
        ties=sum(test.trials for test in told) - preferred - other,
        last=max(test.date for test in tests),
    )
