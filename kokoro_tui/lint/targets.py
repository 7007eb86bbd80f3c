"""The targets that can be named, and the releases of the runtime."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kokoro_tui.errors import InputError
from kokoro_tui.lint.tables import KernelTable, Release, load_table
from kokoro_tui.store.toml_source import nearest

TARGET_NAMES = ("cpu", "cuda", "coreml", "webgpu", "wasm", "nnapi")
"""All targets, in the order of a report."""


@dataclass(frozen=True)
class Target:
    """A runtime in one release."""

    name: str
    """As it was asked for: ``cuda``, ``cpu@1.20``."""
    table: KernelTable
    release: str
    """Of onnxruntime, such as ``1.31``."""

    @property
    def limits(self) -> Release:
        """What the release can read at all."""
        return self.table.releases[self.release]

    @property
    def title(self) -> str:
        """The name shown on screen."""
        return f"{self.table.title} {self.release}" if "@" in self.name else self.table.title

    @property
    def fallback(self) -> Target | None:
        """The CPU that computes what this target cannot; None where there is nothing else."""
        release = self.table.fallback_release
        return None if release is None else Target("cpu", load_table("cpu"), release)

    def other_releases(self) -> Iterable[Target]:
        """The same target in all its releases, oldest first."""
        return (Target(f"{self.table.name}@{release}", self.table, release) for release in self.table.releases)


def find_target(word: str) -> Target:
    """A target by its name, with a release behind ``@`` where the table has several.

    A release that is newer than the table takes the newest in it: kernels are added, seldom taken away.

    Raises:
        InputError: There is no such target or release.
    """
    name, _, version = word.strip().lower().partition("@")
    if name not in TARGET_NAMES:
        raise InputError(f"there is no target {word!r}", nearest(name, TARGET_NAMES))
    table = load_table(name)
    releases = list(table.releases)
    if not version:
        return Target(name, table, releases[-1])
    if len(releases) == 1:
        raise InputError(
            f"{name} is known in one release only, {releases[0]}", f"name {name} alone, or a release of cpu: cpu@1.20"
        )
    wanted = _numbers(version)
    if wanted is None or wanted < (_numbers(releases[0]) or ()):
        raise InputError(
            f"there is no release {version!r} of {name}", f"name one from {releases[0]} to {releases[-1]}: {name}@1.24"
        )
    release = next(r for r in reversed(releases) if (_numbers(r) or ()) <= wanted)
    return Target(f"{name}@{version}", table, release)


def find_targets(words: Iterable[str]) -> tuple[Target, ...]:
    """Targets by name, each once; all of them if none is named.

    Raises:
        InputError: See ``find_target``.
    """
    return tuple(find_target(word) for word in dict.fromkeys(words) or TARGET_NAMES)


def _numbers(version: str) -> tuple[int, ...] | None:
    """The first two parts of a version as numbers; None if it is no version."""
    parts = version.split(".")
    if len(parts) < 2 or not all(part.isdigit() for part in parts[:2]):
        return None
    return tuple(map(int, parts[:2]))
