"""The tables of kernels and of operator schemas, read from the package's data files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

CPU = "cpu"
"""The table that all other targets fall back to."""


@dataclass(frozen=True, slots=True)
class Release:
    """What a release of the runtime can read at all."""

    opset: int
    """Highest version of the default operator domain."""
    ir: int
    """Highest IR version."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One implementation of one operator."""

    first: int
    """First version of the operator, as its schema counts, that it implements."""
    last: int
    types: Mapping[str, frozenset[str]]
    """Element types by type variable of the schema; a variable that is missing takes any."""
    constant: tuple[int, ...]
    """Inputs that must be initializers where they are given."""
    scalar: tuple[int, ...]
    """Inputs that must have no dimensions."""
    ranks: Mapping[int, frozenset[int]]
    """Numbers of dimensions by input."""
    releases: tuple[str, str] | None
    """First and last release that has it; None for all in the table."""


@dataclass(frozen=True)
class KernelTable:
    """What one target can compute, with where that is known from."""

    name: str
    title: str
    runtime: str
    source: str
    date: str
    """When the source was read, as 2026-11-22."""
    notes: tuple[str, ...]
    releases: Mapping[str, Release]
    """By release of onnxruntime, such as ``1.24``, oldest first."""
    kernels: Mapping[str, tuple[Kernel, ...]]
    """By operator; those of other domains as ``domain:operator``."""
    fallback_release: str | None
    """The release whose CPU kernels compute the rest; None for targets that have nothing to fall back to."""

    def implementations(self, op: str, since: int, release: str) -> tuple[Kernel, ...]:
        """The kernels of a release for one version of an operator."""
        order = list(self.releases)
        at = order.index(release)
        return tuple(
            kernel
            for kernel in self.kernels.get(op, ())
            if kernel.first <= since <= kernel.last
            and (kernel.releases is None or order.index(kernel.releases[0]) <= at <= order.index(kernel.releases[1]))
        )


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of an operator: the type variables of its inputs and outputs."""

    op: str
    """The operator; those of other domains as ``domain:operator``."""
    since: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    is_function: bool
    """It is defined by simpler operators, into which a runtime without a kernel expands it."""

    def input_variable(self, position: int) -> str:
        """The type variable of an input; the last one of a variadic operator goes on."""
        return _variable(self.inputs, position)

    def output_variable(self, position: int) -> str:
        """The type variable of an output."""
        return _variable(self.outputs, position)


@cache
def load_table(name: str) -> KernelTable:
    """The table of one target."""
    values = _read(name)
    base = load_table(values["kernels_of"]) if "kernels_of" in values else None
    releases = {release: Release(**limits) for release, limits in values.get("releases", {}).items()}
    kernels = {op: tuple(map(_kernel, found)) for op, found in values.get("kernels", {}).items()}
    return KernelTable(
        name=name,
        title=values["title"],
        runtime=values["runtime"],
        source=values["source"],
        date=values["date"],
        notes=tuple(values["notes"]),
        releases=base.releases if base else releases,
        kernels=base.kernels if base else kernels,
        fallback_release=values.get("fallback_release"),
    )


@cache
def load_schemas() -> Mapping[str, tuple[Schema, ...]]:
    """The versions of every operator, oldest first; those of other domains as ``domain:operator``."""
    operators: dict[str, list[dict[str, Any]]] = _read("operators")["operators"]
    return {op: tuple(_schema(op, version) for version in versions) for op, versions in operators.items()}


def find_schema(op: str, opsets: Mapping[str, int]) -> Schema | None:
    """The version of an operator that a model's operator sets mean; None if it is unknown.

    Args:
        op: The operator; those of other domains as ``domain:operator``.
        opsets: Version by domain, the default domain as an empty string.
    """
    opset = opsets.get(op.rpartition(":")[0], 1)
    return next((schema for schema in reversed(load_schemas().get(op, ())) if schema.since <= opset), None)


def only_type(schema: Schema, variable: str) -> str | None:
    """The type that a type variable has in every CPU kernel; None if there are several."""
    kernels = (k for k in load_table(CPU).kernels.get(schema.op, ()) if k.first <= schema.since <= k.last)
    types = {dtype for kernel in kernels for dtype in kernel.types.get(variable, ("", "?"))}
    return types.pop() if len(types) == 1 else None


def _read(name: str) -> dict[str, Any]:
    text = resources.files("kokoro_tui.lint.data").joinpath(f"{name}.json").read_text(encoding="utf-8")
    values: dict[str, Any] = json.loads(text)
    return values


def _kernel(values: Mapping[str, Any]) -> Kernel:
    first, last = values["since"]
    releases = values.get("releases")
    return Kernel(
        first,
        last,
        types={variable: frozenset(names.split()) for variable, names in values.get("types", {}).items()},
        constant=tuple(values.get("constant", ())),
        scalar=tuple(values.get("scalar", ())),
        ranks={int(position): frozenset(ranks) for position, ranks in values.get("ranks", {}).items()},
        releases=(releases[0], releases[1]) if releases else None,
    )


def _schema(op: str, values: Mapping[str, Any]) -> Schema:
    inputs, outputs = (tuple(values[key].split()) for key in ("inputs", "outputs"))
    return Schema(op, values["since"], inputs, outputs, values.get("function", False))


def _variable(variables: tuple[str, ...], position: int) -> str:
    if position >= len(variables) and not (variables and variables[-1].startswith("*")):
        return ""
    return variables[min(position, len(variables) - 1)].removeprefix("*")
