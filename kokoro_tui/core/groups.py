"""Shared-weight groups: nodes that must change precision together to save any byte."""

from __future__ import annotations

import re
from collections.abc import Iterable

from kokoro_tui.core.inventory import Group, NodeInfo

_EXPORTER_SUFFIX = re.compile(r"_\d+$")


def base_path(name: str) -> str:
    """A node name with the exporter's ``_N`` suffix removed from each path part."""
    return "/".join(_EXPORTER_SUFFIX.sub("", part) for part in name.split("/"))


def find_groups(nodes: Iterable[NodeInfo]) -> tuple[Group, ...]:
    """Groups of the given nodes, in the order of their first members.

    Nodes belong together if they have the same op type, read the same initializers and have the same
    name once the exporter's suffix is removed. A node without initializers is a group of its own.
    """
    members: dict[tuple[object, ...], list[str]] = {}
    for node in nodes:
        shared = (node.op, node.domain, node.weights, base_path(node.name))
        identity = shared if node.weights and node.name else (node.key,)
        members.setdefault(identity, []).append(node.key)
    return tuple(Group(keys[0], tuple(keys)) for keys in members.values())
