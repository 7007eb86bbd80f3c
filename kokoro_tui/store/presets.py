"""The recipes that ship with the package."""

from __future__ import annotations

from importlib import resources

from kokoro_tui.core.recipe import Recipe
from kokoro_tui.errors import InputError
from kokoro_tui.store.recipe_file import parse_recipe
from kokoro_tui.store.toml_source import nearest

_SUFFIX = ".toml"


def preset_names() -> tuple[str, ...]:
    """Names of all presets, in alphabetical order."""
    files = (entry.name for entry in resources.files("kokoro_tui.presets").iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in files if name.endswith(_SUFFIX)))


def read_preset(name: str) -> Recipe:
    """A preset by its name.

    Raises:
        InputError: There is no such preset.
    """
    names = preset_names()
    if name not in names:
        raise InputError(f"there is no preset {name!r}", nearest(name, names))
    text = resources.files("kokoro_tui.presets").joinpath(f"{name}{_SUFFIX}").read_text(encoding="utf-8")
    return parse_recipe(text, f"preset {name}")
