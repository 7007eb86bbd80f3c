"""What a command line asks of a recipe: values that replace its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from kokoro_tui.core.inventory import CANDIDATE_OPS, Inventory
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import Recipe, Rule, Thresholds
from kokoro_tui.core.selection import Matcher, SelectionError
from kokoro_tui.core.support import check_integer_types
from kokoro_tui.errors import InputError

DEFAULT_THRESHOLD = 0.25
"""Largest mel distance (exclusive) of a node's trial for FP16 and INT8 unless told otherwise."""


@dataclass(frozen=True)
class RecipeOptions:
    """Values that were given explicitly; None or empty leaves the recipe as it is."""

    quant_threshold: float | None = None
    fp16_threshold: float | None = None
    quant_exclude: str | None = None
    quant_type: WeightType | None = None
    activation_type: WeightType | None = None
    op_types: tuple[str, ...] = ()
    samples: int | None = None
    weight_only: bool = False
    """Store weights in 8 bits where the quant threshold would give INT8."""
    static: bool = False
    calibrate: bool = False
    """Take new ranges where the recipe brings some."""
    locks: tuple[str, ...] = ()
    """Patterns of nodes to exclude: FP32 and locked."""


def default_recipe() -> Recipe:
    """The recipe that a command line changes when it names neither preset nor file."""
    return Recipe(thresholds=Thresholds(cast=DEFAULT_THRESHOLD, quant=DEFAULT_THRESHOLD))


def uses_trials(recipe: Recipe) -> bool:
    """Whether any threshold is on, so that a trial table changes what the recipe gives."""
    limits = recipe.thresholds
    return max(limits.cast, limits.quant, limits.weight) > 0


def with_options(recipe: Recipe, options: RecipeOptions) -> Recipe:
    """``recipe`` with the given values in place of its own, and its locks after its rules.

    Raises:
        InputError: A pattern is invalid, an operator is none that can be quantized, or the two integer types do
            not go together.
    """
    thresholds = recipe.thresholds
    if options.quant_threshold is not None:
        thresholds = replace(thresholds, quant=options.quant_threshold)
    if options.fp16_threshold is not None:
        thresholds = replace(thresholds, cast=options.fp16_threshold)
    if options.weight_only and thresholds.quant > 0:
        thresholds = replace(thresholds, quant=0.0, weight=thresholds.quant)
    if options.quant_exclude:
        _check_pattern("--quant-exclude", options.quant_exclude)
    changed = replace(
        recipe,
        thresholds=thresholds,
        rules=(*recipe.rules, *(_lock(pattern) for pattern in options.locks)),
        quant_exclude=recipe.quant_exclude if options.quant_exclude is None else options.quant_exclude,
        weight_type=options.quant_type or recipe.weight_type,
        activation_type=options.activation_type or recipe.activation_type,
        op_types=known_op_types(options.op_types) or recipe.op_types,
        static=recipe.static or options.static,
        samples=recipe.samples if options.samples is None else options.samples,
        ranges={} if options.calibrate or options.samples is not None else recipe.ranges,
    )
    if changed.static:
        check_integer_types(changed.weight_type, changed.activation_type)
    return changed


def known_op_types(names: tuple[str, ...]) -> tuple[str, ...]:
    """Operators in the spelling of ONNX, whatever case they were typed in.

    Raises:
        InputError: One of them is no operator of the node table.
    """
    spelling = {op.lower(): op for op in CANDIDATE_OPS}
    for name in names:
        if name.lower() not in spelling:
            raise InputError(
                f"{name!r} is no operator that can be quantized", f"choose among {', '.join(sorted(CANDIDATE_OPS))}"
            )
    return tuple(spelling[name.lower()] for name in names)


def count_precisions(inventory: Inventory, plan: PrecisionPlan) -> Mapping[Precision, int]:
    """Nodes by precision: all candidates, and whatever else the plan changes."""
    return plan.count(inventory.candidate_keys | plan.choices.keys())


def _lock(pattern: str) -> Rule:
    _check_pattern("--lock", pattern)
    return Rule(Precision.FP32, match=pattern, locked=True, reason="excluded on the command line", where="--lock")


def _check_pattern(option: str, pattern: str) -> None:
    try:
        Matcher.compile(pattern)
    except SelectionError as error:
        raise SelectionError(f"{option}: {error.message}", error.hint) from error
