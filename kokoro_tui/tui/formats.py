"""How figures and names are written on screen."""

from __future__ import annotations

from pathlib import Path

MIB = 1024 * 1024
MINUS = "\u2212"
ALMOST = "\u2248"
ELLIPSIS = "\u2026"
NOTHING = "\u2013"
"""Stands where there is no figure."""


def mib(nbytes: int, decimals: int = 2) -> str:
    """Bytes as a figure in MiB without the unit."""
    return f"{nbytes / MIB:.{decimals}f}"


def node_mib(nbytes: int) -> str:
    """Bytes of one node's weights in MiB: three decimals, since most nodes are small."""
    if 0 < nbytes < 0.0005 * MIB:
        return "<.001"
    return mib(nbytes, 3)


def saved_percent(saved: float) -> str:
    """The share saved as a change of size: minus where the file shrinks, plus where it grows."""
    figure = f"{abs(saved) * 100:.1f}"
    if float(figure) == 0.0:
        return "0.0 %"
    return f"{MINUS if saved > 0 else '+'}{figure} %"


def count(number: int, noun: str) -> str:
    """A number with its noun, such as ``1 node`` and ``12 nodes``."""
    plural = noun if number == 1 else f"{noun}s"
    return f"{number:,} {plural}"


def parameters(number: int) -> str:
    """A parameter count in at most five characters."""
    if number < 1_000:
        return str(number)
    for limit, divisor, unit in ((1_000_000, 1_000, "k"), (1_000_000_000, 1_000_000, "M")):
        if number < limit:
            return f"{number / divisor:.3g}{unit}" if number / divisor < 999.5 else f"{number / divisor:.0f}{unit}"
    return f"{number / 1_000_000_000:.3g}G"


def distance(value: float | None) -> str:
    """A mel distance in at most six characters."""
    if value is None:
        return NOTHING
    if 0 < value < 0.0005:
        return "<.001"
    return f"{value:.3f}"


def duration(seconds: float) -> str:
    """A time span such as ``42 s`` or ``3 min 05 s``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60:02d} s"


def printable(text: str) -> str:
    """A name from a file with everything that is not printable written as an escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def short_path(path: Path) -> str:
    """A path with the home folder as ``~``."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except (ValueError, RuntimeError):
        return str(path)
