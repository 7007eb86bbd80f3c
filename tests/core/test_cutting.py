"""Where a model is cut: after costly nodes, between modules, never through a sequence or a large shared weight."""

from __future__ import annotations

import pytest

from kokoro_tui.core.cutting import ANCHOR_PARAMETERS, SHARED_PARAMETERS, CutNode, Grain, Piece, cut

FLOATS = dict.fromkeys("abcdefgh", "FLOAT")


def node(name: str, reads: str, writes: str, op: str = "Mul", **weights: int) -> CutNode:
    """A node whose values have one-letter names."""
    return CutNode(name, name, op, tuple(reads), tuple(writes), tuple(weights.items()))


def cuts(pieces: tuple[Piece, ...]) -> list[tuple[int, int]]:
    return [(piece.start, piece.stop) for piece in pieces]


def test_a_costly_node_ends_a_piece() -> None:
    nodes = [
        node("/block/scale/Mul", "a", "b"),
        node("/block/conv/Conv", "b", "c", "Conv", w=ANCHOR_PARAMETERS),
        node("/block/small/Conv", "c", "d", "Conv", v=ANCHOR_PARAMETERS - 1),
        node("/block/scale_1/Mul", "d", "e"),
    ]
    nodes = [CutNode(n.key, "/block/one/same/Op", n.op, n.reads, n.writes, n.weights) for n in nodes]
    pieces = cut(nodes, FLOATS, frozenset("e"))
    assert cuts(pieces) == [(0, 2), (2, 4)]
    assert [(p.inputs, p.outputs) for p in pieces] == [(("a",), ("c",)), (("c",), ("e",))]


def test_parallel_modules_do_not_share_a_piece() -> None:
    """A change in one branch must not rerun the other, which starts where the first one ends."""
    first = [node("/net/gen/blocks.0/conv/Conv", "a", "b", "Conv", w=9999), node("/net/gen/blocks.0/Add", "ab", "c")]
    second = [node("/net/gen/blocks.1/Mul", "a", "d"), node("/net/gen/blocks.1/conv/Conv", "d", "e", "Conv", v=9999)]
    pieces = cut([*first, *second, node("/net/gen/Add", "ce", "f")], FLOATS, frozenset("f"))
    assert cuts(pieces) == [(0, 1), (1, 2), (2, 4), (4, 5)]
    assert pieces[2].inputs == ("a",)


@pytest.mark.parametrize(("grain", "count"), [(Grain.ANCHOR, 3), (Grain.MODULE, 2), (Grain.WHOLE, 1)])
def test_a_coarser_grain_cuts_less(grain: Grain, count: int) -> None:
    nodes = [
        node("/net/gen/one/conv/Conv", "a", "b", "Conv", w=9999),
        node("/net/gen/one/Add", "b", "c"),
        node("/net/gen/two/Add", "c", "d"),
    ]
    assert len(cut(nodes, FLOATS, frozenset("d"), grain)) == count


def test_what_is_no_tensor_is_not_cut_through() -> None:
    nodes = [node("/net/a/one/Op", "a", "s"), node("/net/a/two/Op", "b", "c"), node("/net/a/three/Op", "sc", "d")]
    assert cuts(cut(nodes, FLOATS, frozenset("d"))) == [(0, 3)]
    assert len(cut(nodes, FLOATS | {"s": "FLOAT"}, frozenset("d"))) == 3


def test_the_readers_of_a_large_weight_stay_together() -> None:
    nodes = [
        node("/net/bert/one/MatMul", "a", "b", "MatMul", shared=SHARED_PARAMETERS),
        node("/net/bert/two/Mul", "b", "c"),
        node("/net/bert/three/MatMul", "c", "d", "MatMul", shared=SHARED_PARAMETERS),
        node("/net/head/four/Mul", "d", "e"),
    ]
    assert cuts(cut(nodes, FLOATS, frozenset("e"))) == [(0, 3), (3, 4)]
