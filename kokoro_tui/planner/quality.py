"""What a choice will sound like, from what its parts were measured to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import log1p, pi, sqrt
from statistics import median

from kokoro_tui.planner.limits import FRAME_DISTANCE
from kokoro_tui.planner.units import Option, Unit


@dataclass(frozen=True)
class PitchCurve:
    """Mel distance that an error of the phase makes: ``scale`` · ln(1 + error / ``knee``).

    The error is the root mean square of the running sum of the F0 curve's error. The distance rises steeply with small
    errors and hardly with large ones, but it never stops rising: PESQ goes on falling where the distance seems to
    stand still.
    """

    scale: float
    knee: float
    """In Hz · frames."""

    def distance(self, square: float) -> float:
        """The mel distance of a mean square error."""
        return self.scale * log1p(sqrt(max(square, 0.0)) / self.knee)

    def square(self, distance: float) -> float:
        """The mean square error that makes a mel distance."""
        from math import expm1

        return (self.knee * expm1(min(distance / self.scale, _MOST_EXPONENT))) ** 2

    def slope(self, square: float) -> float:
        """How fast the squared mel distance grows with the mean square error, at ``square``."""
        root = max(sqrt(square), self.knee * 1e-3)
        return self.distance(root**2) * self.scale / (root * (root + self.knee))


_MOST_EXPONENT = 30.0
DEFAULT_CURVE = PitchCurve(0.06, 0.04)
"""As measured on the bundled model; used where there are too few trials to fit one."""
_KNEES = tuple(0.005 * 1.5**step for step in range(20))
_FEWEST_POINTS = 6


def fit_pitch_curve(points: Iterable[tuple[float, float]]) -> PitchCurve:
    """The curve that fits pairs of mean square error and mel distance best, by least squares."""
    pairs = [(square, distance) for square, distance in points if square > 0 and distance > 0]
    if len(pairs) < _FEWEST_POINTS:
        return DEFAULT_CURVE
    best: tuple[float, PitchCurve] | None = None
    for knee in _KNEES:
        shape = [log1p(sqrt(square) / knee) for square, _ in pairs]
        energy = sum(s * s for s in shape)
        scale = sum(s * d for s, (_, d) in zip(shape, pairs, strict=True)) / energy
        error = sum((scale * s - d) ** 2 for s, (_, d) in zip(shape, pairs, strict=True))
        if best is None or error < best[0]:
            best = (error, PitchCurve(scale, knee))
    assert best is not None
    return best[1]


@dataclass(frozen=True)
class Cost:
    """What one option adds to three sums that errors of different units share."""

    spectral: float = 0.0
    """Squared mel distance that does not come from the pitch."""
    pitch: float = 0.0
    """Mean square error of the phase, (Hz · frames)²."""
    length: float = 0.0
    """Mean square error of the durations before rounding, frames²."""

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.spectral + other.spectral, self.pitch + other.pitch, self.length + other.length)


@dataclass(frozen=True)
class Quality:
    """How sums of costs turn into the figures of a plan."""

    curve: PitchCurve = DEFAULT_CURVE
    noise_per_distance: float = 5.0
    """Added noise in dB that comes with a mel distance of 1."""
    tokens: float = 50.0
    """Tokens of a planning clip, on average."""
    length_weight: float = 1.0
    """How much more than its share the error of the durations counts while a plan is chosen."""

    def distance(self, cost: Cost) -> float:
        """Mel distance of a sum of costs."""
        return sqrt(max(cost.spectral, 0.0) + self.curve.distance(cost.pitch) ** 2)

    def noise(self, cost: Cost) -> float:
        """Added noise of a sum of costs, in dB."""
        return self.noise_per_distance * self.distance(cost)

    def frames_moved(self, cost: Cost) -> float:
        """Expected number of moved frames in a clip.

        A duration is rounded otherwise with the probability of its error's magnitude, which for normal errors is
        sqrt(2 / pi) of its root mean square.
        """
        return self.tokens * sqrt(2.0 / pi * max(cost.length, 0.0))

    def length_price(self) -> float:
        """What a mean square error of the durations adds to the score."""
        return self.length_weight * FRAME_DISTANCE**2 * self.tokens**2 * 2.0 / pi

    def strengthened(self, factor: float) -> Quality:
        """The same, but durations count ``factor`` times as much."""
        return replace(self, length_weight=self.length_weight * factor)


def cost_of(unit: Unit, option: Option, curve: PitchCurve) -> Cost | None:
    """What is known of an option; None where nothing is.

    A unit on the way to the pitch counts by the error of the phase; its trial counts only where that was not
    measured, turned into such an error by the curve.
    """
    if option.nbytes == 0:
        return Cost()
    length = option.length or 0.0
    if unit.on_pitch:
        if option.pitch is not None:
            return Cost(0.0, option.pitch, length)
        return None if option.distance is None else Cost(0.0, curve.square(option.distance), length)
    return None if option.distance is None else Cost(option.distance**2, 0.0, length)


def noise_per_distance(pairs: Sequence[tuple[float, float]], default: float = 5.0) -> float:
    """The usual ratio of added noise in dB to mel distance over trials that can be heard and add noise; above 0.

    What only takes energy away adds none however far it is, so a limit of noise would bound nothing by such trials.
    """
    ratios = [noise / distance for distance, noise in pairs if distance > 0.02 and noise > 0]
    return median(ratios) if ratios else default
