"""The headless core that both front ends call: an open model, changes to its plan, and what they cost.

Nothing here prints, and nothing here knows of a screen. What holds the interpreter lock for long is in
``kokoro_tui.jobs.tasks`` and runs in a child process.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kokoro_tui.core.hazards import Hazard, hazards, risky_nodes
from kokoro_tui.core.inventory import MIN_CANDIDATE_PARAMETERS, Inventory, NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import Recipe, recipe_of, resolve
from kokoro_tui.core.recipe_options import uses_trials
from kokoro_tui.core.selection import Matcher
from kokoro_tui.core.sizing import Estimate, Sizer
from kokoro_tui.core.support import allowed, refusal
from kokoro_tui.core.trials import PredictedDistance, TrialTable, predict_distance
from kokoro_tui.engine.signature import Signature, recognise
from kokoro_tui.errors import InputError
from kokoro_tui.graph.read_inventory import read_inventory


@dataclass(frozen=True)
class Change:
    """What came of asking for a precision."""

    plan: PrecisionPlan
    changed: tuple[str, ...]
    """Keys whose precision or lock is new, in graph order; members of shared-weight groups included."""
    locked: tuple[str, ...] = ()
    """Keys that were left alone because they are locked."""
    refused: Mapping[str, str] | None = None
    """Keys that cannot take the precision, and why."""


@dataclass(frozen=True)
class Selection:
    """What a pattern, or a set of rows, stands for once groups are completed."""

    keys: tuple[str, ...]
    """Node keys in graph order."""
    groups: int


@dataclass(frozen=True)
class TrialRun:
    """What trying everything would take."""

    trials: int
    seconds: float
    """Estimated wall time."""


SECONDS_PER_TRIAL = 0.78
"""Mean wall time of one trial of the 310 MiB Kokoro on a 5.5 s clip, two cores."""
_KOKORO_BYTES = 325_434_092


class Workbench:
    """One open model.

    Args:
        inventory: The model's nodes and tensors.
    """

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.trials: TrialTable | None = None
        self.trials_path: Path | None = None
        self._sizer = Sizer(inventory)
        self._sort_order = {node.key: index for index, node in enumerate(inventory.nodes)}

    @classmethod
    def open(cls, path: Path, *, min_parameters: int = MIN_CANDIDATE_PARAMETERS) -> Workbench:
        """Read a model file.

        Raises:
            InputError: It is missing, damaged or not ONNX.
        """
        return cls(read_inventory(path, min_parameters=min_parameters))

    @cached_property
    def signature(self) -> Signature | None:
        """How the model names its inputs; None if it is not a Kokoro model, which then gets no audio step."""
        return recognise(self.inventory)

    def require_signature(self) -> Signature:
        """How the model names its inputs, where nothing can be done without.

        Raises:
            InputError: It is not a Kokoro model.
        """
        if self.signature is None:
            raise InputError(
                f"{self.inventory.path.name} does not have Kokoro's inputs, so it cannot be heard",
                "name a Kokoro export with input_ids or tokens, style and speed",
            )
        return self.signature

    @cached_property
    def hazards(self) -> Mapping[str, Hazard]:
        """Nodes that are risky at some precisions, by key."""
        return hazards(self.inventory)

    def risky(self, plan: PrecisionPlan) -> tuple[str, ...]:
        """Keys of the nodes to which ``plan`` gives a risky precision, in graph order."""
        return tuple(sorted(risky_nodes(self.hazards, plan), key=self._sort_order.__getitem__))

    @cached_property
    def model_sha256(self) -> str:
        """Digest of the model file; reads all of it, so the first call belongs off the UI thread.

        Raises:
            InputError: The file cannot be read any more.
        """
        path = self.inventory.path
        try:
            with path.open("rb") as handle:
                return hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            raise InputError(
                f"cannot read {path}: {error.strerror or error}", "put the model back where it was opened"
            ) from error

    # Selecting

    def select(self, pattern: str, keys: Iterable[str] | None = None) -> Selection:
        """The nodes in whose key ``pattern`` is found, with the rest of their groups.

        Args:
            pattern: A regular expression, searched.
            keys: Where to look; the candidates unless given.

        Raises:
            SelectionError: The pattern is invalid or takes too long.
        """
        among = keys if keys is not None else (node.key for node in self.inventory.candidates)
        return self.complete(Matcher.compile(pattern).select(among))

    def complete(self, keys: Iterable[str]) -> Selection:
        """Node keys with the other members of their shared-weight groups, in graph order."""
        group_of = self.inventory.group_of
        groups = dict.fromkeys(group_of[key].key if key in group_of else key for key in keys)
        found = {m for key in groups for m in (group_of[key].members if key in group_of else (key,))}
        return Selection(tuple(sorted(found, key=self._sort_order.__getitem__)), len(groups))

    # Changing a plan

    def set_precision(self, plan: PrecisionPlan, keys: Iterable[str], precision: Precision) -> Change:
        """Give nodes and the rest of their groups a precision; locked nodes and impossible ones are left alone."""
        free, locked, refused = [], [], {}
        for key in self.complete(keys).keys:
            if key in plan.locked:
                locked.append(key)
            elif reason := refusal(self.inventory, self.inventory.by_key[key], precision, static=plan.static):
                refused[key] = reason
            else:
                free.append(key)
        return self._change(plan, plan.with_precision(free, precision), tuple(locked), refused)

    def next_precision(self, plan: PrecisionPlan, key: str) -> Precision:
        """The precision after the present one that the node can take without a hazard; FP32 after the last."""
        possible = allowed(self.inventory, self.inventory.by_key[key], static=plan.static)
        hazard = self.hazards.get(key)
        order = [*Precision]
        behind = order[order.index(plan.precision_of(key)) + 1 :]
        safe = (p for p in behind if p in possible and (hazard is None or p not in hazard.precisions))
        return next(safe, Precision.FP32)

    def toggle_excluded(self, plan: PrecisionPlan, keys: Iterable[str]) -> Change:
        """Exclude nodes (FP32 and locked); if all of them are excluded already, unlock them."""
        whole = self.complete(keys).keys
        after = plan.unlocking(whole) if plan.locked.issuperset(whole) else plan.excluding(whole)
        return self._change(plan, after, (), {})

    def _change(
        self, before: PrecisionPlan, after: PrecisionPlan, locked: tuple[str, ...], refused: Mapping[str, str]
    ) -> Change:
        changed = sorted(after.changed_keys(before), key=self._sort_order.__getitem__)
        return Change(after if changed else before, tuple(changed), locked, refused)

    def without_faults(self, plan: PrecisionPlan) -> Change:
        """The plan without the FP16 nodes whose weights FP16 cannot hold; reads those weights (0.3 s of Kokoro).

        Raises:
            InputError: The model cannot be read any more.
        """
        if Precision.FP16 not in plan.choices.values():
            return Change(plan, ())
        from kokoro_tui.graph.half_faults import half_faults  # only where weights are looked at

        faults = half_faults(self.inventory.path, plan)
        whole = self.complete(faults).keys if faults else ()
        free = [key for key in whole if plan.precision_of(key) is Precision.FP16]
        return self._change(plan, plan.with_precision(free, Precision.FP32), (), faults)

    # What a plan costs and gives

    def estimate(self, plan: PrecisionPlan) -> Estimate:
        """Size of the file that ``plan`` builds; exact, and quick for plans close to the last one asked for."""
        return self._sizer.estimate(plan)

    def node_bytes(self, key: str, plan: PrecisionPlan) -> int:
        """Bytes of the weights that one node reads in ``plan``."""
        return self._sizer.node_bytes(key, plan)

    def predict(self, plan: PrecisionPlan) -> PredictedDistance | None:
        """Predicted mel distance of ``plan``; None without trials."""
        return predict_distance(self.inventory, plan, self.trials) if self.trials is not None else None

    def refusals(self, node: NodeInfo, *, static: bool = False) -> dict[Precision, str]:
        """The precisions that a node cannot take, and why; ``static`` if INT8 means the static form."""
        reasons = {p: refusal(self.inventory, node, p, static=static) for p in Precision}
        return {precision: reason for precision, reason in reasons.items() if reason}

    def trial_run(self) -> TrialRun:
        """How many trials there are, one per shared-weight group and precision, and about how long they take."""
        groups = dict.fromkeys(self.inventory.group_of[node.key].key for node in self.inventory.candidates)
        trials = sum(len(allowed(self.inventory, self.inventory.by_key[key])) - 1 for key in groups)
        share = self.inventory.file_bytes / _KOKORO_BYTES
        return TrialRun(trials, trials * SECONDS_PER_TRIAL * share)

    # Recipes

    def recipe(self, plan: PrecisionPlan) -> Recipe:
        """The recipe that gives exactly ``plan`` on this model."""
        return recipe_of(plan, self.inventory, self.model_sha256)

    def resolve(self, recipe: Recipe) -> PrecisionPlan:
        """The plan that a recipe gives on this model, with the loaded trials.

        Raises:
            InputError: A rule does not fit the model.
        """
        return resolve(recipe, self.inventory, self.trials)

    def untried(self, recipe: Recipe) -> str:
        """What to note of a trial table that has rows for some candidates only; the thresholds pass over the others."""
        candidates = self.inventory.candidates
        if self.trials is None or not uses_trials(recipe):
            return ""
        untried = sum(not self.trials.knows(node.key) for node in candidates)
        if not 0 < untried < len(candidates):
            return ""
        return f"{untried} of {len(candidates)} candidates have no trial yet, so the thresholds leave them at FP32"

    def rebuild_command(self, recipe_path: Path, output_path: Path) -> str:
        """The shell command that builds a saved recipe headless."""
        words = ["kokoro-tui", "export-optimized", str(self.inventory.path), "--recipe", str(recipe_path)]
        return shlex.join([*words, "--output-path", str(output_path)])
