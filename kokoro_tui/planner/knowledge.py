"""What is known of every option, and how it changes with what is measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kokoro_tui.core.precision import Precision
from kokoro_tui.core.trials import TrialStatus, TrialTable
from kokoro_tui.planner.optimise import Choice, Problem
from kokoro_tui.planner.quality import Cost, Quality, cost_of, fit_pitch_curve, noise_per_distance
from kokoro_tui.planner.tasks import ProbeFigures
from kokoro_tui.planner.units import Option, Unit

Place = tuple[int, Precision]
"""An option: the position of its unit, and its precision."""

LEAST_SHARE = 0.1
"""Least share of what it costs alone that an option is taken to cost among others."""


@dataclass(frozen=True)
class Knowledge:
    """Units with what is known of them."""

    units: tuple[Unit, ...]
    quality: Quality

    @classmethod
    def first(cls, units: tuple[Unit, ...], trials: TrialTable) -> Knowledge:
        """What the trials alone tell."""
        heard = [row for row in trials.rows.values() if row.status is TrialStatus.OK]
        pairs = [(r.mel_distance, r.added_noise_db) for r in heard if r.mel_distance and r.added_noise_db is not None]
        noise = noise_per_distance([(distance, noise) for distance, noise in pairs if noise is not None])
        return cls(units, Quality(noise_per_distance=noise))

    def probes(self) -> dict[Place, Mapping[str, Precision]]:
        """What to probe: every option of a unit that shows inside the model, those that save most first."""
        places = [
            (option.nbytes, (index, option.precision))
            for index, unit in enumerate(self.units)
            if unit.probed
            for option in unit.options[1:]
        ]
        return {
            place: dict.fromkeys(self.units[place[0]].outputs, place[1])
            for _, place in sorted(places, key=lambda pair: pair[0])
        }

    def with_probes(self, found: Mapping[Place, ProbeFigures]) -> Knowledge:
        """What is known once options have been probed alone; the curve is fitted to those that were also tried."""
        units = list(self.units)
        for (index, precision), figures in found.items():
            unit = units[index]
            units[index] = unit.with_option(
                replace(_option(unit, precision), pitch=figures.pitch, length=figures.length)
            )
        points = [
            (option.pitch, option.distance)
            for unit in units
            if unit.on_pitch
            for option in unit.options
            if option.pitch is not None and option.distance is not None
        ]
        return Knowledge(tuple(units), replace(self.quality, curve=fit_pitch_curve(points)))

    def untried(self, most: int) -> tuple[Place, ...]:
        """The options that save most of those that only hearing can judge and that no trial covers."""
        places = [
            (option.nbytes, (index, option.precision))
            for index, unit in enumerate(self.units)
            for option in unit.options[1:]
            if cost_of(unit, option, self.quality.curve) is None
        ]
        return tuple(place for _, place in sorted(places, key=lambda pair: pair[0])[:most])

    def with_distances(self, found: Mapping[Place, float]) -> Knowledge:
        """What is known once options have been heard alone."""
        units = list(self.units)
        for (index, precision), distance in found.items():
            units[index] = units[index].with_option(replace(_option(units[index], precision), distance=distance))
        return replace(self, units=tuple(units))

    def settled(self) -> Knowledge:
        """Without options of which nothing is known: they stay as they are."""
        units = []
        for unit in self.units:
            known = tuple(o for o in unit.options if cost_of(unit, o, self.quality.curve) is not None)
            units.append(replace(unit, options=known))
        return replace(self, units=tuple(units))

    def for_clips(self, tokens: float) -> Knowledge:
        """The same for clips of so many tokens on average."""
        return replace(self, quality=replace(self.quality, tokens=tokens))

    def problem_of_sizes(self) -> Problem:
        """What every option saves, at no cost."""
        nbytes = tuple(tuple(option.nbytes for option in unit.options) for unit in self.units)
        return Problem(nbytes, tuple((Cost(),) * len(row) for row in nbytes), self.quality)

    def problem(self) -> Problem:
        """What is to be solved; of settled knowledge."""
        costs = []
        for unit in self.units:
            row = [cost_of(unit, option, self.quality.curve) for option in unit.options]
            costs.append(tuple(cost for cost in row if cost is not None))
        nbytes = tuple(tuple(option.nbytes for option in unit.options) for unit in self.units)
        return Problem(nbytes, tuple(costs), self.quality)

    # Corrections

    def precisions(self, choice: Choice, without: int | None = None) -> dict[str, Precision]:
        """A choice by first output names, maybe with one unit left at FP32."""
        return {
            name: unit.options[position].precision
            for index, (unit, position) in enumerate(zip(self.units, choice, strict=True))
            if index != without and position
            for name in unit.outputs
        }

    def contributors(self, choice: Choice) -> dict[int, Mapping[str, Precision]]:
        """The choice with one unit back at FP32, for every probed unit that it changes."""
        return {
            index: self.precisions(choice, without=index)
            for index, (unit, position) in enumerate(zip(self.units, choice, strict=True))
            if position and unit.probed
        }

    def corrected(self, choice: Choice, joint: ProbeFigures, without: Mapping[int, ProbeFigures]) -> Knowledge:
        """What is known once the parts of a choice have been probed among the others.

        What an option adds to the joint error replaces half of what it does alone, so that a few rounds come to rest.
        """
        units = list(self.units)
        for index, rest in without.items():
            option = units[index].options[choice[index]]
            pitch = _moved(option.pitch, joint.pitch - rest.pitch)
            length = _moved(option.length, joint.length - rest.length)
            units[index] = units[index].with_option(replace(option, pitch=pitch, length=length))
        return replace(self, units=tuple(units))

    def strengthened(self, factor: float) -> Knowledge:
        """The same, but what moves durations counts more."""
        return replace(self, quality=self.quality.strengthened(factor))


def mean_tokens(lengths: Iterable[int]) -> float:
    """The average number of tokens of clips."""
    counts = list(lengths)
    return sum(counts) / len(counts)


def _option(unit: Unit, precision: Precision) -> Option:
    return next(option for option in unit.options if option.precision is precision)


def _moved(alone: float | None, among_others: float) -> float | None:
    if alone is None:
        return None
    return (alone + max(among_others, LEAST_SHARE * alone)) / 2
