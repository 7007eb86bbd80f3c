"""TOML text together with the lines that its values stand on, which tomllib does not keep."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from math import isfinite
from typing import Any, TypeVar

from kokoro_tui.errors import InputError

Choice = TypeVar("Choice", bound=StrEnum)

_OPAQUE = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}|'
    r"'''.*?'{3,5}|"
    r'"(?:\\.|[^"\\\n])*"|'
    r"'[^'\n]*'|"
    r"#[^\n]*",
    re.DOTALL,
)
"""Strings and comments of valid TOML: what may hold anything."""

_HEADER = re.compile(r"\s*\[\[?\s*([\w-]+)\s*\]\]?\s*$")
_KEY = re.compile(r"\s*([\w-]+)\s*[.=]")


@dataclass(frozen=True)
class Section:
    """A table of a TOML file that is read value by value; every fault names its line."""

    source: str
    """The file's name for messages."""
    name: str
    """Its header; empty for the top of the file."""
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    """Line of each key, as far as known; that of the header under the empty key."""

    def where(self, key: str = "") -> str:
        """File and line of a key, or of the section."""
        line = self.lines.get(key) or self.lines.get("")
        return f"{self.source}, line {line}" if line else self.source

    def fault(self, key: str, message: str, hint: str) -> InputError:
        """The error to raise for a value."""
        return InputError(f"{self.where(key)}: {message}", hint)

    def refuse_unknown(self, known: Collection[str]) -> None:
        """Raise InputError for a key that means nothing here."""
        unknown = next((key for key in self.values if key not in known), None)
        if unknown is not None:
            raise self.fault(unknown, f"unknown key {unknown!r}", nearest(unknown, known))

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            raise self.fault(key, f"{key} is not a string", f'write it in quotes: {key} = "…"')
        return value

    def flag(self, key: str) -> bool | None:
        """A boolean, or None where it is missing."""
        value = self.values.get(key)
        if value is not None and not isinstance(value, bool):
            raise self.fault(key, f"{key} is neither true nor false", f"write {key} = true or {key} = false")
        return value

    def number(self, key: str, default: float = 0.0) -> int | float:
        """A finite number."""
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self.fault(key, f"{key} is not a finite number", f"write a number, as in {key} = 0.25")
        return value

    def count(self, key: str) -> int:
        """A whole number of zero or more; zero where it is missing."""
        value = self.number(key, 0)
        if not isinstance(value, int) or value < 0:
            raise self.fault(key, f"{key} is not a whole number of zero or more", f"write {key} = 2")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; empty where it is missing."""
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
            raise self.fault(key, f"{key} is not a list of strings", f'write {key} = ["…", "…"]')
        return tuple(value)

    def choice(self, key: str, kind: type[Choice], default: Choice) -> Choice:
        """A member of an enumeration, by its value."""
        name = self.text(key, default.value)
        allowed = [member.value for member in kind]
        if name not in allowed:
            raise self.fault(key, f"{key} {name!r} is not one of {', '.join(allowed)}", nearest(name, allowed))
        return kind(name)


@dataclass(frozen=True)
class TomlSource:
    """A parsed TOML file."""

    source: str
    values: Mapping[str, Any]
    lines: Mapping[tuple[str, int], Mapping[str, int]]
    """Lines by header and number of its occurrence, from 0; see `Section.lines`."""

    @classmethod
    def parse(cls, text: str, source: str) -> TomlSource:
        """Parse TOML.

        Args:
            text: The file's content.
            source: Its name for messages.

        Raises:
            InputError: It is not TOML; the message names line and column.
        """
        try:
            values = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "its values are nested too deeply"
            raise InputError(f"{source} is not valid TOML: {reason}", "mend that line; strings need quotes") from error
        return cls(source, values, _find_lines(text))

    @property
    def top(self) -> Section:
        """The values in front of the first header, and the tables themselves."""
        return Section(self.source, "", self.values, self.lines.get(("", 0), {}))

    def section(self, name: str) -> Section:
        """The table ``[name]``; empty where it is missing.

        Raises:
            InputError: ``name`` is something else than a table.
        """
        values = self.values.get(name, {})
        if not isinstance(values, dict):
            raise self.top.fault(name, f"{name} is not a table", f"write [{name}] on a line of its own")
        return Section(self.source, name, values, self._lines_of(name, 0))

    def sections(self, name: str) -> tuple[Section, ...]:
        """The tables ``[[name]]`` in order.

        Raises:
            InputError: ``name`` is something else than a list of tables.
        """
        tables = self.values.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            raise self.top.fault(name, f"{name} is not a list of tables", f"write [[{name}]] above each of them")
        return tuple(Section(self.source, name, t, self._lines_of(name, i)) for i, t in enumerate(tables))

    def _lines_of(self, name: str, index: int) -> Mapping[str, int]:
        inline = {"": line} if (line := self.lines.get(("", 0), {}).get(name)) else {}
        return self.lines.get((name, index), inline)


def nearest(name: str, known: Collection[str]) -> str:
    """A hint that offers the most similar of the known names, else all of them."""
    match = get_close_matches(name, known, n=1)
    return f"did you mean {match[0]!r}?" if match else f"known are {', '.join(known)}"


def _find_lines(text: str) -> Mapping[tuple[str, int], Mapping[str, int]]:
    """Where headers and keys stand in valid TOML; quoted keys and values inside inline tables are not found."""
    plain = _OPAQUE.sub(lambda match: "\n" * match[0].count("\n"), text)
    current = ("", 0)
    found: dict[tuple[str, int], dict[str, int]] = {current: {}}
    seen: Counter[str] = Counter()
    for number, line in enumerate(plain.split("\n"), start=1):
        if header := _HEADER.match(line):
            current = (header[1], seen[header[1]])
            seen[header[1]] += 1
            found[current] = {"": number}
        elif key := _KEY.match(line):
            found[current].setdefault(key[1], number)
    return found
