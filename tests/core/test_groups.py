"""Shared-weight groups: same op, same initializers, same name but for the exporter's suffix."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kokoro_tui.core.groups import base_path, find_groups
from kokoro_tui.graph.read_inventory import read_inventory
from tests.core.small_inventory import inventory_of


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("/bert/layer/query/MatMul_11", "/bert/layer/query/MatMul"),
        ("/bert/layer_3/query_12/MatMul_1", "/bert/layer/query/MatMul"),
        ("/resblocks.2/convs1.0/Conv", "/resblocks.2/convs1.0/Conv"),
        ("Conv_1_2", "Conv_1"),
        ("", ""),
        ("_7", ""),
        ("音_3/ä", "音/ä"),
    ],
)
def test_the_exporters_suffix_is_removed_from_each_part(name: str, base: str) -> None:
    assert base_path(name) == base


def members(*nodes: tuple[str, str], **shared: str) -> list[tuple[str, ...]]:
    names = {name.replace("|", "/"): weight for name, weight in shared.items()}
    return [group.members for group in inventory_of(*nodes, shared=names).groups]


def test_readers_of_one_weight_with_one_base_name_are_a_group() -> None:
    found = members(("a", "MatMul"), ("b", "Conv"), ("a_1", "MatMul"), a="w", a_1="w")
    assert found == [("a", "a_1"), ("b",)]


def test_sharing_a_weight_is_not_enough() -> None:
    assert members(("a", "MatMul"), ("b", "MatMul"), a="w", b="w") == [("a",), ("b",)]
    assert members(("a", "MatMul"), ("a_1", "Gemm"), a="w", a_1="w") == [("a",), ("a_1",)]


def test_nor_is_sharing_a_name() -> None:
    assert members(("a", "MatMul"), ("a_1", "MatMul")) == [("a",), ("a_1",)]


@given(st.lists(st.sampled_from(["a", "a_1", "b", "b_2", "c_1_1"]), unique=True), st.booleans())
def test_every_node_is_in_one_group_keyed_by_its_first_member(names: list[str], one_weight: bool) -> None:
    nodes = [(name, "MatMul") for name in names]
    inventory = inventory_of(*nodes, shared=dict.fromkeys(names, "w") if one_weight else None)
    groups = find_groups(inventory.nodes)
    assert sorted(key for group in groups for key in group.members) == sorted(names)
    assert all(group.key == group.members[0] for group in groups)
    assert {key: group.key for group in groups for key in group.members} == {
        key: group.key for key, group in inventory.group_of.items()
    }


@pytest.mark.real
def test_the_real_model_has_the_known_groups(real_model: Path) -> None:
    inventory = read_inventory(real_model)
    assert len(inventory.candidates) == 463
    groups = {inventory.group_of[key].key: inventory.group_of[key] for key in inventory.candidate_keys}
    assert len(groups) == 309
    weighted = [g for g in groups.values() if inventory.by_key[g.key].op in ("Conv", "LSTM", "Gemm", "MatMul")]
    assert len(weighted) == 174
    assert sum(len(group.members) > 1 for group in groups.values()) == 14
