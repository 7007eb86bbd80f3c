"""What is written of blind tests, and what they add up to."""

from __future__ import annotations

import json
from random import Random
from typing import Any

from kokoro_tui.listening.records import (
    ORIGINAL,
    ListeningSetup,
    Mode,
    finished,
    read_finished,
    started,
    stopped,
    summarise,
)
from kokoro_tui.listening.session import AbxSession, Preference, PreferenceSession, Side

DATE = "2026-01-02T03:04:05+00:00"


def setup(mode: Mode = Mode.ABX, recipe: str = "r1", against: str = ORIGINAL, trials: int = 4) -> ListeningSetup:
    """A test of one recipe."""
    return ListeningSetup(
        session="s", mode=mode, model="m.onnx", model_sha256="abc", recipe=recipe, recipe_name=f"name of {recipe}",
        against=against, against_name=f"name of {against}", texts=("hello",), voices=("af_heart",), trials=trials,
    )  # fmt: skip


def abx(right: int, trials: int, recipe: str = "r1") -> dict[str, Any]:
    """The line of an ABX test with so many right answers."""
    session = AbxSession(trials, random=Random(5))
    while not session.finished:
        truth, other = session.x_of((Side.A, Side.B), (Side.B, Side.A))
        session.answer(truth if session.answered < right else other)
    return finished(setup(Mode.ABX, recipe, trials=trials), DATE, session.result(), "headphones")


def preference(b: int, a: int, ties: int, recipe: str = "r1", against: str = ORIGINAL) -> dict[str, Any]:
    """The line of a preference test."""
    session = PreferenceSession(b + a + ties, random=Random(6))
    wanted = [Side.B] * b + [Side.A] * a + [None] * ties
    while not session.finished:
        first, _ = session.pair_of(Side.A, Side.B)
        side = wanted[session.answered]
        told = Preference.NEITHER if side is None else Preference.FIRST if side is first else Preference.SECOND
        session.answer(told)
    return finished(setup(Mode.PREFERENCE, recipe, against, trials=b + a + ties), DATE, session.result())


def through_the_file(*lines: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines as they are read back."""
    return [json.loads(json.dumps(line)) for line in lines]


def test_a_finished_test_says_everything() -> None:
    (record,) = read_finished(through_the_file(abx(3, 4)))
    assert (record.mode, record.right, record.trials, record.p) == (Mode.ABX, 3, 4, 5 / 16)
    assert (record.recipe, record.against, record.note) == ("r1", ORIGINAL, "headphones")
    assert (record.texts, record.voices, record.date) == (("hello",), ("af_heart",), DATE)


def test_what_is_not_finished_counts_for_nothing() -> None:
    lines = through_the_file(started(setup(), DATE), stopped(setup(), DATE, 3))
    assert read_finished(lines) == ()
    assert lines[1] == {"event": "stopped", "date": DATE, "session": "s", "answered": 3}


def test_what_was_edited_by_hand_breaks_nothing() -> None:
    good = abx(3, 4)
    bad: list[dict[str, Any]] = [
        {"event": "finished"},
        {**good, "right": 9},
        {**good, "right": "many"},
        {**good, "mode": "smell"},
        {**good, "trials": None},
        {**good, "recipe": 7},
        {},
    ]
    assert len(read_finished([*bad, good])) == 1


def test_several_tests_of_a_recipe_are_taken_together() -> None:
    lines = through_the_file(abx(8, 10), abx(9, 10), preference(7, 2, 1), abx(1, 2, recipe="r2"))
    by_recipe = {summary.recipe: summary for summary in summarise(read_finished(lines))}
    first = by_recipe["r1"]
    assert (first.abx_tests, first.abx_trials, first.abx_right) == (2, 20, 17)
    assert first.abx_p is not None and abs(first.abx_p - 0.00129) < 1e-5
    assert (first.preferred, first.other, first.ties) == (7, 2, 1)
    assert first.preference_p == 2 * (36 + 9 + 1) / 512
    assert (first.name, first.against_name) == ("name of r1", "name of original")
    assert by_recipe["r2"].preference_p is None
    assert ORIGINAL not in by_recipe


def test_two_recipes_against_each_other_are_seen_from_both_sides() -> None:
    found = summarise(read_finished(through_the_file(preference(6, 1, 0, recipe="r1", against="r2"))))
    sides = {(summary.recipe, summary.against): (summary.preferred, summary.other) for summary in found}
    assert sides == {("r1", "r2"): (6, 1), ("r2", "r1"): (1, 6)}
