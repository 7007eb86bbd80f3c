"""What each package imports, read from the source: a module's own imports, the deferred ones, and those for types."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

OURS = "kokoro_tui"


@dataclass(frozen=True)
class Import:
    """One import statement's module."""

    package: str
    """The package of ours that imports it, such as ``core``; a module beside the packages is one by itself."""
    importer: str
    """The importing module, such as ``core.plan``."""
    module: str
    """What is imported, such as ``onnx.helper`` or ``kokoro_tui.errors``."""
    deferred: bool
    """It stands inside a function."""

    @property
    def ours(self) -> str | None:
        """The package of ours that is imported; None for others."""
        top, _, rest = self.module.partition(".")
        return (rest.partition(".")[0] or top) if top == OURS else None

    @property
    def distribution(self) -> str:
        """The first part of the name."""
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Layer:
    """What a package may import."""

    ours: frozenset[str] = frozenset()
    """Packages of ours, or single modules of one as ``package.module``."""
    others: frozenset[str] = frozenset()
    """Distributions, at the top of a module or deferred."""
    deferred: frozenset[str] = frozenset()
    """Distributions and packages of ours inside functions only; ``name@module`` only in that module."""


def layer(ours: str = "", others: str = "", deferred: str = "") -> Layer:
    """A layer from words."""
    return Layer(frozenset(ours.split()), frozenset(others.split()), frozenset(deferred.split()))


def violations(root: Path, table: Mapping[str, Layer]) -> list[str]:
    """Every import under ``root`` that its layer does not allow, one line each."""
    return [
        f"{found.importer} imports {found.module}{' in a function' if found.deferred else ''}"
        for found in read_imports(root)
        if not _is_allowed(found, table[found.package])
    ]


def read_imports(root: Path) -> Iterator[Import]:
    """Imports of all modules under ``root`` that happen at run time; the standard library is left out."""
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        importer = ".".join(parts)
        for module, deferred in _statements(ast.parse(path.read_text(encoding="utf-8")), deferred=False):
            if module.partition(".")[0] not in sys.stdlib_module_names:
                yield Import(parts[0], importer, module, deferred)


def _statements(node: ast.AST, *, deferred: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from ((alias.name, deferred) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from ((module, deferred) for module in _sources(child))
        else:
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _statements(child, deferred=deferred or inside)


def _sources(statement: ast.ImportFrom) -> Iterator[str]:
    """``from kokoro_tui.jobs import tasks`` is an import of ``kokoro_tui.jobs.tasks``."""
    module = "." * statement.level + (statement.module or "")
    if module.partition(".")[0] == OURS and module.count(".") < 2:
        yield from (f"{module}.{alias.name}" for alias in statement.names)
    else:
        yield module


def _is_allowed(found: Import, allowed: Layer) -> bool:
    name = found.ours
    if name == found.package:
        return True
    if name is None:
        names = {found.distribution}
        free = allowed.others
    else:
        names = {name, ".".join(found.module.split(".")[1:3])}
        free = allowed.ours
    if names & free:
        return True
    module = found.importer.partition(".")[2]
    return found.deferred and bool((names | {f"{name}@{module}" for name in names}) & allowed.deferred)
