"""A blind test as it goes on: draws what is hidden, takes answers, and tells nothing before the end.

The draws are independent of each other and of everything else, one fair bit a trial. A test with as many X = A as
X = B would let a listener who counts do better than chance; with independent bits the number of right answers of
whoever hears no difference follows Binomial(n, ½), whatever that listener answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from secrets import SystemRandom
from typing import Generic, NoReturn, Protocol, TypeVar

from kokoro_tui.errors import InputError
from kokoro_tui.listening.statistics import at_least, sign_test

MOST_TRIALS = 1000
Sound = TypeVar("Sound")
Hidden = TypeVar("Hidden")


class Side(StrEnum):
    """One of the two renderings that are compared."""

    A = "A"
    B = "B"


class Preference(StrEnum):
    """What a listener says who has heard both."""

    FIRST = "1"
    SECOND = "2"
    NEITHER = "="


class RandomBits(Protocol):
    """Where the draws come from: ``secrets.SystemRandom``, or ``random.Random`` with a seed in tests."""

    def getrandbits(self, k: int, /) -> int:
        """A whole number of ``k`` random bits."""

    def shuffle(self, x: list[int], /) -> None:
        """Bring a list into random order."""


class SealedError(RuntimeError):
    """Somebody asked for what is hidden before the end; a mistake of the program."""


class _Sealed(Generic[Hidden]):
    """Holds a value so that no representation, copy or dump of whatever holds it can tell it."""

    __slots__ = ("__value",)

    def __init__(self, value: Hidden) -> None:
        self.__value = value

    def open(self) -> Hidden:
        """The value."""
        return self.__value

    def __repr__(self) -> str:
        return "<sealed>"

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise SealedError("a blind test cannot be copied or written before its end")


@dataclass(frozen=True)
class AbxTrial:
    """One answer, with the truth."""

    clip: int
    """Index of the sentence."""
    x: Side
    """What X was."""
    answer: Side

    @property
    def right(self) -> bool:
        """Whether the listener found out."""
        return self.answer is self.x


@dataclass(frozen=True)
class AbxResult:
    """What came of an ABX test."""

    trials: tuple[AbxTrial, ...]

    @property
    def right(self) -> int:
        """How many answers were right."""
        return sum(trial.right for trial in self.trials)

    @property
    def p_value(self) -> float:
        """Probability of as many right answers, or more, by guessing."""
        return at_least(self.right, len(self.trials))


@dataclass(frozen=True)
class PreferenceTrial:
    """One answer, with the truth."""

    clip: int
    """Index of the sentence."""
    first: Side
    """What came first."""
    answer: Preference

    @property
    def preferred(self) -> Side | None:
        """What the listener preferred; None for neither."""
        if self.answer is Preference.NEITHER:
            return None
        other = Side.B if self.first is Side.A else Side.A
        return self.first if self.answer is Preference.FIRST else other


@dataclass(frozen=True)
class PreferenceResult:
    """What came of a preference test."""

    trials: tuple[PreferenceTrial, ...]

    def count(self, side: Side | None) -> int:
        """How often a rendering was preferred; None counts the ties."""
        return sum(trial.preferred is side for trial in self.trials)

    @property
    def p_value(self) -> float:
        """Of the sign test, two-sided, without the ties."""
        return sign_test(self.count(Side.A), self.count(Side.B))


class _Session:
    """What both kinds of test share: the trials in order, one hidden bit each.

    Args:
        trials: How many, from 1 to ``MOST_TRIALS``; fixed beforehand, since stopping when the figures look good
            would make the p-value wrong.
        clips: How many sentences there are; each comes up as often as any other, give or take one.
        random: Where the draws come from.

    Raises:
        InputError: There is no trial, or far too many, or no sentence.
    """

    def __init__(self, trials: int, clips: int = 1, random: RandomBits | None = None) -> None:
        if not 1 <= trials <= MOST_TRIALS:
            raise InputError(f"{trials} trials are not possible", f"choose from 1 to {MOST_TRIALS}")
        if clips < 1:
            raise InputError("there is no sentence to compare", "render one first")
        source = random if random is not None else SystemRandom()
        self._trials = trials
        self._hidden = _Sealed(tuple(_SIDES[source.getrandbits(1)] for _ in range(trials)))
        self._clips = _shuffled_rounds(trials, clips, source)
        self._answered = 0

    @property
    def trials(self) -> int:
        """How many trials there are."""
        return self._trials

    @property
    def answered(self) -> int:
        """How many of them are answered."""
        return self._answered

    @property
    def finished(self) -> bool:
        """Whether all are."""
        return self._answered == self._trials

    @property
    def clip(self) -> int:
        """Index of the sentence of the present trial; of the last one once all are answered."""
        return self._clips[min(self._answered, self._trials - 1)]

    def _present(self) -> Side:
        if self.finished:
            raise SealedError("the test is over")
        return self._hidden.open()[self._answered]

    def _reveal(self) -> tuple[Side, ...]:
        if not self.finished:
            raise SealedError("the test is not over")
        return self._hidden.open()


class AbxSession(_Session):
    """Is X the rendering A or the rendering B? See `_Session` for the arguments.

    Use `x_of` to get what is to be played as X, `answer` for what the listener says, and `result` at the end.
    """

    def __init__(self, trials: int, clips: int = 1, random: RandomBits | None = None) -> None:
        super().__init__(trials, clips, random)
        self._answers: list[Side] = []

    def x_of(self, a: Sound, b: Sound) -> Sound:
        """Which of both is X in the present trial; for the player alone.

        Raises:
            SealedError: All trials are answered.
        """
        return a if self._present() is Side.A else b

    def answer(self, answer: Side) -> None:
        """Take the answer to the present trial and go on to the next.

        Raises:
            SealedError: All trials are answered.
        """
        self._present()
        self._answers.append(answer)
        self._answered += 1

    def result(self) -> AbxResult:
        """Every answer with the truth.

        Raises:
            SealedError: Not all trials are answered.
        """
        rows = zip(self._clips, self._reveal(), self._answers, strict=True)
        return AbxResult(tuple(AbxTrial(*row) for row in rows))


class PreferenceSession(_Session):
    """Which of both sounds better? They come as first and second, in random order. See `_Session` for the arguments."""

    def __init__(self, trials: int, clips: int = 1, random: RandomBits | None = None) -> None:
        super().__init__(trials, clips, random)
        self._answers: list[Preference] = []

    def pair_of(self, a: Sound, b: Sound) -> tuple[Sound, Sound]:
        """Both in the order of the present trial; for the player alone.

        Raises:
            SealedError: All trials are answered.
        """
        return (a, b) if self._present() is Side.A else (b, a)

    def answer(self, answer: Preference) -> None:
        """Take the answer to the present trial and go on to the next.

        Raises:
            SealedError: All trials are answered.
        """
        self._present()
        self._answers.append(answer)
        self._answered += 1

    def result(self) -> PreferenceResult:
        """Every answer with the truth.

        Raises:
            SealedError: Not all trials are answered.
        """
        rows = zip(self._clips, self._reveal(), self._answers, strict=True)
        return PreferenceResult(tuple(PreferenceTrial(*row) for row in rows))


_SIDES = (Side.A, Side.B)


def _shuffled_rounds(trials: int, clips: int, random: RandomBits) -> tuple[int, ...]:
    """The sentence of every trial: all of them in random order, then all again."""
    found: list[int] = []
    while len(found) < trials:
        order = list(range(clips))
        random.shuffle(order)
        found += order
    return tuple(found[:trials])
