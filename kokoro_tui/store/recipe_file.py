"""Recipes as TOML files: strict when read, so that a typing error never changes a model unnoticed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

from kokoro_tui.core.inventory import CANDIDATE_OPS
from kokoro_tui.core.plan import WeightType
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.recipe import Recipe, Rule, Thresholds
from kokoro_tui.core.selection import Matcher, SelectionError
from kokoro_tui.core.support import WEIGHT_INPUTS
from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import atomic_path
from kokoro_tui.store.text_file import read_text
from kokoro_tui.store.toml_source import Section, TomlSource, nearest

if TYPE_CHECKING:
    from tomlkit import TOMLDocument
    from tomlkit.items import Table

VERSION = 1
"""Format of the files written here."""

_TOP_KEYS = ("version", "model", "quantization", "thresholds", "rules", "result", "calibration")
_MODEL_KEYS = ("sha256", "name")
_QUANTIZATION_KEYS = ("type", "activation_type", "static", "samples", "exclude", "op_types")
_THRESHOLD_KEYS = ("cast", "quant", "weight")
_RULE_KEYS = ("match", "node", "precision", "locked", "reason")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEFAULTS = Recipe()


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        InputError: The file is missing, unreadable or no recipe; the message names the line at fault.
    """
    return parse_recipe(read_text(path, "save one with s, or with --save-recipe"), str(path))


def parse_recipe(text: str, source: str) -> Recipe:
    """The recipe in a TOML text; ``source`` names it in messages.

    Raises:
        InputError: It is no recipe; the message names the line at fault.
    """
    toml = TomlSource.parse(text, source)
    top = toml.top
    _check_version(top)
    top.refuse_unknown(_TOP_KEYS)
    model, quantization, limits = (toml.section(name) for name in ("model", "quantization", "thresholds"))
    model.refuse_unknown(_MODEL_KEYS)
    quantization.refuse_unknown(_QUANTIZATION_KEYS)
    limits.refuse_unknown(_THRESHOLD_KEYS)
    result = toml.section("result")
    return Recipe(
        rules=tuple(_rule(section) for section in toml.sections("rules")),
        thresholds=Thresholds(*(float(limits.number(key)) for key in _THRESHOLD_KEYS)),
        model_sha256=_sha256(model),
        model_name=model.text("name"),
        weight_type=quantization.choice("type", WeightType, _DEFAULTS.weight_type),
        activation_type=quantization.choice("activation_type", WeightType, _DEFAULTS.activation_type),
        static=bool(quantization.flag("static")),
        samples=quantization.count("samples"),
        ranges=_ranges(toml.section("calibration")),
        quant_exclude=_pattern(quantization, "exclude"),
        op_types=_op_types(quantization),
        result={key: result.number(key) for key in result.values},
        model_where=model.where("sha256"),
    )


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a recipe, whole or not at all; equal recipes give equal bytes.

    Raises:
        WriteError: The file cannot be written.
    """
    content = format_recipe(recipe).encode()
    with atomic_path(path) as partial:
        partial.write_bytes(content)


def format_recipe(recipe: Recipe) -> str:
    """The TOML text of a recipe; `parse_recipe` gives it back."""
    # Importing tomlkit takes longer than reading a recipe without it.
    import tomlkit

    document = tomlkit.document()
    document["version"] = VERSION
    if recipe.model_sha256 or recipe.model_name:
        document["model"] = {"sha256": recipe.model_sha256, "name": recipe.model_name}
    document["quantization"] = _quantization_table(recipe)
    document["thresholds"] = {key: _finite(key, getattr(recipe.thresholds, key)) for key in _THRESHOLD_KEYS}
    _add_rules(document, recipe.rules)
    if recipe.result:
        document["result"] = {key: _finite(key, value) for key, value in sorted(recipe.result.items())}
    if recipe.ranges:
        document["calibration"] = {
            key: [_finite(key, low), _finite(key, high)] for key, (low, high) in recipe.ranges.items()
        }
    return "".join(c if c.isprintable() or c == "\n" else _toml_escape(c) for c in tomlkit.dumps(document))


def _toml_escape(character: str) -> str:
    """A direction mark or control character of a name, so that the file is safe to look at."""
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def check_model(recipe: Recipe, sha256: str, *, force: bool = False) -> None:
    """Refuse a recipe that was made for another model, unless ``force``; presets fit any model.

    Raises:
        InputError: The recipe names another sha256.
    """
    if force or recipe.model_sha256 in ("", sha256):
        return
    name = f" ({recipe.model_name})" if recipe.model_name else ""
    where = f"{recipe.model_where}: " if recipe.model_where else ""
    raise InputError(
        f"{where}the recipe was made for the model {recipe.model_sha256[:12]}{name}, this one is {sha256[:12]}",
        "open that model, or delete the sha256 line to use the recipe on any model",
    )


def check_op_types(op_types: Iterable[str]) -> None:
    """Refuse names that are no operators of the node table.

    Raises:
        InputError: There is such a name.
    """
    known = sorted(CANDIDATE_OPS | WEIGHT_INPUTS.keys())
    for name in op_types:
        if name not in known:
            raise InputError(f"{name!r} is not an operator that can be quantized", nearest(name, known))


def _check_version(top: Section) -> None:
    version = top.values.get("version")
    if version is None:
        raise top.fault("", "this is not a recipe: it has no version", f"a recipe begins with version = {VERSION}")
    if version is True or version != VERSION:
        raise top.fault(
            "version", f"version {version!r} is unknown", f"this program reads version {VERSION}; update it"
        )


def _sha256(model: Section) -> str:
    value = model.text("sha256")
    if value and not _SHA256.fullmatch(value):
        raise model.fault("sha256", "sha256 is not 64 hexadecimal digits", "copy it whole, in lower case")
    return value


def _rule(section: Section) -> Rule:
    section.refuse_unknown(_RULE_KEYS)
    given = [key for key in ("match", "node") if key in section.values]
    if len(given) != 1:
        count = "neither match nor node" if not given else "both match and node"
        raise section.fault("", f"the rule has {count}", "give it exactly one of them")
    if "precision" not in section.values and "locked" not in section.values:
        raise section.fault("", "the rule sets neither precision nor locked", 'add a line such as precision = "fp16"')
    precision = section.choice("precision", Precision, Precision.FP32) if "precision" in section.values else None
    return Rule(
        precision=precision,
        match=_pattern(section, "match") if "match" in given else None,
        node=section.text("node") if "node" in given else None,
        locked=section.flag("locked"),
        reason=section.text("reason"),
        where=section.where(given[0]),
    )


def _pattern(section: Section, key: str) -> str:
    pattern = section.text(key)
    try:
        Matcher.compile(pattern)
    except SelectionError as error:
        raise section.fault(key, error.message, error.hint) from error
    return pattern


def _ranges(section: Section) -> dict[str, tuple[float, float]]:
    """Smallest and largest number by value."""
    found: dict[str, tuple[float, float]] = {}
    for name, value in section.values.items():
        pair = value if isinstance(value, list) else []
        numbers = [float(n) for n in pair if isinstance(n, int | float) and not isinstance(n, bool) and isfinite(n)]
        if len(pair) != 2 or len(numbers) != 2 or numbers[0] > numbers[1]:
            raise section.fault(
                name, f"the range of {name} is not two numbers in ascending order", "delete the [calibration] table"
            )
        found[name] = (numbers[0], numbers[1])
    return found


def _op_types(section: Section) -> tuple[str, ...]:
    op_types = section.texts("op_types")
    try:
        check_op_types(op_types)
    except InputError as error:
        raise section.fault("op_types", error.message, error.hint) from error
    return op_types


def _quantization_table(recipe: Recipe) -> dict[str, object]:
    table: dict[str, object] = {
        "type": recipe.weight_type.value,
        "activation_type": recipe.activation_type.value,
        "static": recipe.static,
        "samples": recipe.samples,
    }
    if recipe.quant_exclude:
        table["exclude"] = recipe.quant_exclude
    if recipe.op_types:
        table["op_types"] = list(recipe.op_types)
    return table


def _add_rules(document: TOMLDocument, rules: Iterable[Rule]) -> None:
    import tomlkit  # late, as in format_recipe

    tables = tomlkit.aot()
    for rule in rules:
        tables.append(_rule_table(rule))
    if len(tables):
        document["rules"] = tables


def _rule_table(rule: Rule) -> Table:
    import tomlkit  # late, as in format_recipe

    table = tomlkit.table()
    if rule.match is not None:
        table["match"] = rule.match
    if rule.node is not None:
        table["node"] = rule.node
    if rule.precision is not None:
        table["precision"] = rule.precision.value
    if rule.locked is not None:
        table["locked"] = rule.locked
    if rule.reason:
        table["reason"] = rule.reason
    return table


def _finite(key: str, value: float) -> float:
    if not isfinite(value):
        raise ValueError(f"a recipe cannot hold {key} = {value}")
    return value
