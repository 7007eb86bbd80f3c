"""Recipes: how a plan is arrived at, in a form that can be replayed on the same model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan, WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.rewrite import calibrated_values
from kokoro_tui.core.selection import Matcher
from kokoro_tui.core.support import WEIGHT_INPUTS, refusal
from kokoro_tui.core.trials import TrialKind, TrialStatus, TrialTable
from kokoro_tui.errors import InputError


@dataclass(frozen=True)
class Rule:
    """One ordered rule; exactly one of ``match`` and ``node`` is set."""

    precision: Precision | None = None
    """The precision that it gives; None leaves the precision and sets the lock only."""
    match: str | None = None
    """A regular expression, searched in node keys; nodes that cannot take the precision are passed over."""
    node: str | None = None
    """One node key; a node that cannot take the precision is an error."""
    locked: bool | None = None
    """Whether the nodes become locked; None leaves their locks as they are."""
    reason: str = ""
    """Why, in the words of whoever wrote the rule."""
    where: str = field(default="", compare=False)
    """File and line that it was read from, for messages; not part of what the rule says."""


@dataclass(frozen=True)
class Thresholds:
    """Largest trial distances (exclusive) that a precision may have; zero or less switches it off."""

    cast: float = 0.0
    quant: float = 0.0
    weight: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """Thresholds, then rules; the last rule that matches a node wins."""

    rules: tuple[Rule, ...] = ()
    thresholds: Thresholds = Thresholds()
    model_sha256: str = ""
    """Of the model that it was made for; empty for presets, which fit any."""
    model_name: str = ""
    weight_type: WeightType = WeightType.QINT8
    activation_type: WeightType = WeightType.QUINT8
    static: bool = False
    samples: int = 0
    """Sentences that a static recipe is calibrated on; 0 for all there are."""
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Calibrated ranges of a static recipe by value; without them they are taken again when it is built."""
    quant_exclude: str = ""
    """A regular expression that bars INT8 and W8 while the thresholds are applied."""
    op_types: tuple[str, ...] = ()
    """Operators that the thresholds may turn to INT8 or W8; empty for all of them."""
    result: Mapping[str, float] = field(default_factory=dict)
    """Bytes and distances measured when it was saved."""
    model_where: str = field(default="", compare=False)
    """File and line of ``model_sha256``, for messages."""


def resolve(recipe: Recipe, inventory: Inventory, trials: TrialTable | None = None) -> PrecisionPlan:
    """The plan that a recipe gives on a model.

    Args:
        recipe: What to apply.
        inventory: The model.
        trials: Distances for the thresholds; without them every candidate counts as under its thresholds.

    Raises:
        InputError: A rule names an unknown node or an impossible precision, or a pattern is invalid.
    """
    calibration = Calibration(recipe.activation_type, recipe.ranges, recipe.samples) if recipe.static else None
    plan = apply_thresholds(recipe, inventory, trials)
    plan = replace(plan, weight_type=recipe.weight_type, calibration=calibration)
    for number, rule in enumerate(recipe.rules, start=1):
        try:
            plan = _apply_rule(rule, plan, inventory)
        except InputError as error:
            raise InputError(f"{rule.where or f'rule {number}'}: {error.message}", error.hint) from error
    return plan


def apply_thresholds(recipe: Recipe, inventory: Inventory, trials: TrialTable | None) -> PrecisionPlan:
    """The plan that the thresholds of a recipe give, before its rules."""
    barred = _barred_keys(recipe, inventory)
    choices = {
        node.key: precision
        for node in inventory.candidates
        if (precision := _threshold_precision(node, recipe, inventory, trials, node.key in barred))
        is not Precision.FP32
    }
    return PrecisionPlan(choices)


def quantizing_kind(recipe: Recipe, trials: TrialTable | None) -> TrialKind:
    """The trials that the quant threshold goes by: a static recipe's own, where the table holds any."""
    has_static = trials is None or any(kind is TrialKind.STATIC for _, kind in trials.rows)
    return TrialKind.STATIC if recipe.static and has_static else TrialKind.QUANT


def _barred_keys(recipe: Recipe, inventory: Inventory) -> frozenset[str]:
    """Candidates that the thresholds may not turn to INT8 or W8."""
    keys = {n.key for n in inventory.candidates if recipe.op_types and n.op not in recipe.op_types}
    if recipe.quant_exclude:
        keys.update(Matcher.compile(recipe.quant_exclude).select(n.key for n in inventory.candidates))
    return frozenset(keys)


def _threshold_precision(
    node: NodeInfo, recipe: Recipe, inventory: Inventory, trials: TrialTable | None, barred: bool
) -> Precision:
    """INT8 below its threshold, else W8 below its own, else FP16 below its own, else FP32."""
    thresholds = recipe.thresholds
    eight_bit = ((quantizing_kind(recipe, trials), thresholds.quant), (TrialKind.WEIGHT, thresholds.weight))
    for kind, limit in () if barred else eight_bit:
        if not _is_below(node, kind, limit, trials):
            continue
        if refusal(inventory, node, kind.precision, static=recipe.static) is None:
            return kind.precision
        if node.op not in WEIGHT_INPUTS:
            # onnxruntime's quantizer passes over operators without weights: they are "quantized" and stay FP32.
            return Precision.FP32
    if _is_below(node, TrialKind.CAST, thresholds.cast, trials):
        return Precision.FP16 if refusal(inventory, node, Precision.FP16) is None else Precision.FP32
    return Precision.FP32


def _is_below(node: NodeInfo, kind: TrialKind, limit: float, trials: TrialTable | None) -> bool:
    """Whether the trial distance of a node is below a threshold, which zero or less switches off."""
    if limit <= 0:
        return False
    if trials is None:
        return True
    distance = trials.distance(node.key, kind)
    if distance is None and kind is not TrialKind.CAST and node.op not in WEIGHT_INPUTS:
        # Its trial was skipped because it would change nothing.
        row = trials.rows.get((node.key, kind))
        return row is not None and row.status is not TrialStatus.FAILED
    return distance is not None and distance < limit


def _apply_rule(rule: Rule, plan: PrecisionPlan, inventory: Inventory) -> PrecisionPlan:
    keys = _rule_keys(rule, inventory, static=plan.static)
    if rule.precision is not None:
        plan = plan.with_precision(keys, rule.precision)
    if rule.locked is None:
        return plan
    return replace(plan, locked=plan.locked | set(keys) if rule.locked else plan.locked - set(keys))


def _rule_keys(rule: Rule, inventory: Inventory, *, static: bool) -> tuple[str, ...]:
    if rule.node is not None:
        node = inventory.by_key.get(rule.node)
        if node is None:
            raise InputError(f"the model has no node {rule.node!r}", "check that the recipe was made for this model")
        if rule.precision is not None and (reason := refusal(inventory, node, rule.precision, static=static)):
            raise InputError(f"{rule.node} cannot be {rule.precision.label}: {reason}", "change the rule")
        return (rule.node,)
    hits = Matcher.compile(rule.match or "").select(node.key for node in inventory.main_nodes)
    if rule.precision is None:
        return hits
    return tuple(
        key for key in hits if refusal(inventory, inventory.by_key[key], rule.precision, static=static) is None
    )


def recipe_of(
    plan: PrecisionPlan, inventory: Inventory, model_sha256: str, reasons: Mapping[str, str] | None = None
) -> Recipe:
    """The recipe that gives exactly ``plan``, one rule a node in graph order."""
    why = reasons or {}
    rules = tuple(
        Rule(
            plan.precision_of(node.key),
            node=node.key,
            locked=True if node.key in plan.locked else None,
            reason=why.get(node.key, ""),
        )
        for node in inventory.main_nodes
        if node.key in plan.choices or node.key in plan.locked
    )
    recipe = Recipe(rules, model_sha256=model_sha256, model_name=inventory.path.name, weight_type=plan.weight_type)
    if plan.calibration is None:
        return recipe
    calibration = plan.calibration.restricted_to(calibrated_values(inventory, plan))
    return replace(
        recipe,
        static=True,
        activation_type=calibration.activation_type,
        samples=calibration.samples,
        ranges=calibration.ranges,
    )


def changed_nodes(
    before: PrecisionPlan, after: PrecisionPlan, keys: Iterable[str]
) -> tuple[tuple[str, Precision, Precision], ...]:
    """(node, before, after) for every one of ``keys`` whose precision differs."""
    pairs = ((key, before.precision_of(key), after.precision_of(key)) for key in keys)
    return tuple((key, old, new) for key, old, new in pairs if old is not new)
