"""Which trials a run consists of, in which order, and how long they should take."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from kokoro_tui.core.inventory import Inventory, NodeInfo
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.support import refusal
from kokoro_tui.core.trials import TrialKind, TrialRow, TrialStatus, TrialTable
from kokoro_tui.graph.pieces import CutModel
from kokoro_tui.trials.evaluate import TrialFigures, TrialSpec

DEFAULT_KINDS = (TrialKind.CAST, TrialKind.QUANT, TrialKind.WEIGHT)
_SAVED_SHARE = {Precision.FP16: 0.5, Precision.INT8: 0.75, Precision.W8: 0.75}


@dataclass(frozen=True)
class Trial:
    """One trial of a run."""

    keys: tuple[str, ...]
    """Node keys that change together; the rows of the table carry the figures for each of them."""
    group: str
    """Key of the shared-weight group; empty for a node that is tried alone."""
    kind: TrialKind
    spec: TrialSpec
    saved_bytes: float
    """Payload that the change saves, by which trials are ordered."""


@dataclass(frozen=True)
class Schedule:
    """The trials of a run, most bytes saved first, and the rows that need none."""

    trials: tuple[Trial, ...]
    skipped: tuple[TrialRow, ...]
    """Nodes that cannot take a precision, with the reason."""
    done: int
    """Trials that the table holds already."""


def schedule(
    inventory: Inventory,
    keys: Iterable[str],
    kinds: Collection[TrialKind] = DEFAULT_KINDS,
    *,
    per_node: bool = False,
    known: TrialTable | None = None,
) -> Schedule:
    """Plan a run.

    Args:
        inventory: The model.
        keys: Nodes to try; the other members of their groups are tried with them unless ``per_node``.
        kinds: What to try.
        per_node: Try every node by itself.
        known: Rows of an earlier run; what they hold as ok or skipped is not tried again.
    """
    table = known or TrialTable()
    trials: list[Trial] = []
    skipped: list[TrialRow] = []
    done = 0
    for members in _units(inventory, keys, per_node):
        nodes = [inventory.by_key[key] for key in members]
        for kind in (kind for kind in TrialKind if kind in kinds):
            if all(_is_known(table, node.key, kind) for node in nodes):
                done += any(table.rows[node.key, kind].status is TrialStatus.OK for node in nodes)
            elif reason := next((r for n in nodes if (r := _refusal(inventory, n, kind))), None):
                skipped += [_row(node, kind, TrialStatus.SKIPPED, reason=reason) for node in nodes]
            else:
                trials.append(_trial(inventory, nodes, kind))
    trials.sort(key=lambda trial: -trial.saved_bytes)
    return Schedule(tuple(trials), tuple(skipped), done)


def result_rows(
    inventory: Inventory, trial: Trial, outcome: TrialFigures | str, *, pinned: bool
) -> tuple[TrialRow, ...]:
    """The rows of a finished trial, one a member: its figures, or why it failed."""
    nodes = [inventory.by_key[key] for key in trial.keys]
    if isinstance(outcome, str):
        return tuple(_row(node, trial.kind, TrialStatus.FAILED, reason=outcome, group=trial.group) for node in nodes)
    return tuple(
        TrialRow(
            name=node.key,
            kind=trial.kind,
            op_type=node.op,
            params=node.parameters,
            size=node.nbytes,
            mel_distance=outcome.mel_distance,
            mel_distance_free=outcome.mel_distance_free,
            added_noise_db=outcome.added_noise_db,
            frames_moved=outcome.frames_moved,
            group=trial.group,
            pinned=pinned,
            mel_distance_worst=outcome.mel_distance_worst,
            frames_moved_worst=outcome.frames_moved_worst,
            seconds=outcome.seconds,
        )
        for node in nodes
    )


class CostModel:
    """Predicts how long a trial takes: the pieces that hold its nodes and everything behind them."""

    def __init__(self, model: CutModel, piece_seconds: tuple[float, ...]) -> None:
        self._model = model
        self._seconds = piece_seconds
        self._behind = _reached_pieces(model)

    def seconds(self, trial: Trial) -> float:
        """Seconds of one thread, up to a factor that the run itself shows."""
        holding = (i for i, file in enumerate(self._model.pieces) if not file.members.isdisjoint(trial.spec.members))
        reached = frozenset().union(*(self._behind[i] for i in holding))
        return sum(self._seconds[i] for i in reached)


def _reached_pieces(model: CutModel) -> list[frozenset[int]]:
    """For every piece, itself and the pieces that can differ when it does."""
    readers: dict[str, set[int]] = {}
    for index, file in enumerate(model.pieces):
        for name in file.piece.inputs:
            readers.setdefault(name, set()).add(index)
    found: list[frozenset[int]] = [frozenset()] * len(model.pieces)
    for index in reversed(range(len(model.pieces))):
        direct = {r for name in model.pieces[index].piece.outputs for r in readers.get(name, ())}
        found[index] = frozenset({index}).union(*(found[r] for r in direct))
    return found


def _units(inventory: Inventory, keys: Iterable[str], per_node: bool) -> list[tuple[str, ...]]:
    if per_node:
        return [(key,) for key in keys]
    members = (inventory.group_of[key].members if key in inventory.group_of else (key,) for key in keys)
    return list(dict.fromkeys(members))


def _is_known(table: TrialTable, key: str, kind: TrialKind) -> bool:
    row = table.rows.get((key, kind))
    return row is not None and row.status is not TrialStatus.FAILED


def _refusal(inventory: Inventory, node: NodeInfo, kind: TrialKind) -> str | None:
    return refusal(inventory, node, kind.precision, static=kind is TrialKind.STATIC)


def _trial(inventory: Inventory, nodes: list[NodeInfo], kind: TrialKind) -> Trial:
    weights = {name for node in nodes for name in node.weights}
    saved = sum(inventory.tensors[name].nbytes for name in weights) * _SAVED_SHARE[kind.precision]
    outputs = tuple(next(name for name in node.outputs if name) for node in nodes)
    group = nodes[0].key if len(nodes) > 1 else ""
    return Trial(tuple(node.key for node in nodes), group, kind, TrialSpec(outputs, kind), saved)


def _row(node: NodeInfo, kind: TrialKind, status: TrialStatus, *, reason: str, group: str = "") -> TrialRow:
    return TrialRow(
        name=node.key,
        kind=kind,
        op_type=node.op,
        params=node.parameters,
        size=node.nbytes,
        status=status,
        reason=reason,
        group=group,
    )
