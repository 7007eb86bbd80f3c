"""Blind tests: what guessing gives, and that nothing is told before the end."""

from __future__ import annotations

import copy
import json
import pickle
from collections import Counter
from collections.abc import Callable, MutableSequence
from random import Random
from typing import Any

import pytest
from scipy.stats import binom, chisquare

from kokoro_tui.errors import InputError
from kokoro_tui.listening.session import (
    AbxSession,
    Preference,
    PreferenceSession,
    SealedError,
    Side,
)

SESSIONS, TRIALS = 1000, 12
Listener = Callable[[AbxSession, Random], Side]


def guesses(session: AbxSession, random: Random) -> Side:
    """Answer by throwing a coin."""
    return random.choice((Side.A, Side.B))


def always_a(session: AbxSession, random: Random) -> Side:
    """Answer the same every time."""
    return Side.A


def takes_turns(session: AbxSession, random: Random) -> Side:
    """Answer A and B in turns, as somebody does who thinks that both come up as often."""
    return (Side.A, Side.B)[session.answered % 2]


def hears(session: AbxSession, random: Random) -> Side:
    """Compare X with A and B, as good ears do."""
    return session.x_of(Side.A, Side.B)


def run(session: AbxSession, listener: Listener, random: Random) -> AbxSession:
    """Answer every trial."""
    while not session.finished:
        session.answer(listener(session, random))
    return session


@pytest.mark.parametrize("listener", [guesses, always_a, takes_turns])
def test_a_thousand_sessions_of_guessing_are_binomial(listener: Listener) -> None:
    draws, coin = Random(20), Random(21)
    results = [run(AbxSession(TRIALS, 3, draws), listener, coin).result() for _ in range(SESSIONS)]
    seen = Counter(result.right for result in results)
    expected = [binom.pmf(k, TRIALS, 0.5) * SESSIONS for k in range(TRIALS + 1)]
    # The tails are pooled, so that every cell expects five or more.
    low, high = 2, TRIALS - 2
    observed = [seen[k] for k in range(low + 1, high)]
    pooled = [sum(seen[k] for k in range(low + 1)), *observed, sum(seen[k] for k in range(high, TRIALS + 1))]
    wanted = [sum(expected[: low + 1]), *expected[low + 1 : high], sum(expected[high:])]
    assert min(wanted) >= 5
    assert chisquare(pooled, wanted).pvalue > 0.01
    for alpha in (0.01, 0.05, 0.1):
        false_alarms = sum(result.p_value <= alpha for result in results)
        assert false_alarms <= binom.ppf(0.999, SESSIONS, alpha)


def test_the_binomial_test_would_notice_a_leak() -> None:
    """The same chi-square over listeners who hear the difference in one trial of five."""
    draws, coin = Random(20), Random(21)

    def leaky(session: AbxSession, random: Random) -> Side:
        return hears(session, random) if random.random() < 0.2 else guesses(session, random)

    results = [run(AbxSession(TRIALS, 1, draws), leaky, coin).result() for _ in range(SESSIONS)]
    assert sum(result.p_value <= 0.05 for result in results) > binom.ppf(0.999, SESSIONS, 0.05)


def test_a_perfect_listener_gets_ten_of_ten() -> None:
    result = run(AbxSession(10), hears, Random(1)).result()
    assert (result.right, f"{result.p_value:.5f}") == (10, "0.00098")
    assert all(trial.right for trial in result.trials)


def test_a_seed_gives_the_same_draws_and_the_default_does_not() -> None:
    def truth(session: AbxSession) -> list[Side]:
        return [trial.x for trial in run(session, always_a, Random(0)).result().trials]

    assert truth(AbxSession(64, 2, Random(5))) == truth(AbxSession(64, 2, Random(5)))
    assert truth(AbxSession(64)) != truth(AbxSession(64))


@pytest.mark.parametrize("clips", [1, 3, 5])
def test_every_sentence_comes_up_as_often(clips: int) -> None:
    session = AbxSession(17, clips, Random(2))
    seen = []
    while not session.finished:
        seen.append(session.clip)
        session.answer(Side.A)
    times = Counter(seen)
    assert set(times) == set(range(clips))
    assert max(times.values()) - min(times.values()) <= 1
    assert [trial.clip for trial in session.result().trials] == seen


def test_which_sentence_says_nothing_about_x() -> None:
    """Were one drawn from the other, the table of both would not be that of independent draws."""
    random = Random(9)
    table: Counter[tuple[int, Side]] = Counter()
    for _ in range(500):
        for trial in run(AbxSession(4, 2, random), always_a, random).result().trials:
            table[trial.clip, trial.x] += 1
    assert chisquare([table[clip, side] for clip in (0, 1) for side in Side]).pvalue > 0.01


def test_nothing_is_told_before_the_end() -> None:
    session = AbxSession(3, random=Random(4))
    with pytest.raises(SealedError, match="not over"):
        session.result()
    session.answer(Side.A)
    session.answer(Side.B)
    with pytest.raises(SealedError, match="not over"):
        session.result()
    session.answer(Side.A)
    assert len(session.result().trials) == 3
    with pytest.raises(SealedError, match="is over"):
        session.answer(Side.A)
    with pytest.raises(SealedError, match="is over"):
        session.x_of(1, 2)


@pytest.mark.parametrize("dump", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_running_test_cannot_be_copied_or_dumped(dump: Callable[[object], object]) -> None:
    with pytest.raises(SealedError, match="cannot be copied"):
        dump(vars(AbxSession(3))["_hidden"])
    if dump is not copy.copy:
        with pytest.raises(SealedError, match="cannot be copied"):
            dump(AbxSession(3))


def test_two_tests_with_other_answers_look_the_same() -> None:
    """Everything that can be read off a running test, for two that differ in what is hidden."""

    def looks(bits: int) -> str:
        class Fixed(Random):
            def getrandbits(self, k: int) -> int:
                return bits

            def shuffle(self, x: MutableSequence[Any]) -> None:
                """Leave the order."""

        session = AbxSession(4, 2, Fixed())
        session.answer(Side.A)
        told = {name: repr(value) for name, value in vars(session).items()}
        told |= {name: repr(getattr(session, name)) for name in ("trials", "answered", "finished", "clip")}
        return json.dumps(told)

    assert looks(0) == looks(1)


def test_a_preference_counts_what_is_behind_the_numbers() -> None:
    session = PreferenceSession(40, random=Random(6))
    while not session.finished:
        first, _ = session.pair_of(Side.A, Side.B)
        if session.answered < 5:
            session.answer(Preference.NEITHER)
        else:
            session.answer(Preference.FIRST if first is Side.B else Preference.SECOND)
    result = session.result()
    assert (result.count(Side.A), result.count(Side.B), result.count(None)) == (0, 35, 5)
    assert result.p_value == pytest.approx(2 / 2**35)
    assert {trial.first for trial in result.trials} == set(Side), "both orders come up"


def test_always_taking_the_first_is_no_preference() -> None:
    random = Random(8)
    counts = []
    for _ in range(300):
        session = PreferenceSession(10, random=random)
        while not session.finished:
            session.answer(Preference.FIRST)
        counts.append(session.result().count(Side.B))
    assert sum(counts) / 3000 == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("trials", "clips", "message"), [(0, 1, "0 trials"), (1001, 1, "1001 trials"), (5, 0, "no sentence")]
)
def test_impossible_tests_are_refused(trials: int, clips: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        AbxSession(trials, clips)
