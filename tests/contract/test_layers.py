"""Who may import whom, and what may be imported at start-up: the table is the architecture."""

from __future__ import annotations

from pathlib import Path

import pytest

import kokoro_tui
from tests.contract.imports import Import, Layer, layer, read_imports, violations

ROOT = Path(kokoro_tui.__file__).parent

TABLE: dict[str, Layer] = {
    "__init__": layer(),
    "__main__": layer(deferred="cli"),
    "errors": layer(),
    "core": layer("errors", "numpy regex"),
    "store": layer("core errors", "platformdirs tomlkit", "filelock"),
    "presets": layer(),
    "graph": layer("core errors store.atomic", "google numpy onnx", "onnxruntime@export_cleanup"),
    "audio": layer("errors store.atomic", "numpy", "sounddevice soundfile"),
    "speech": layer("errors", "numpy platformdirs", "huggingface_hub misaki torch"),
    "listening": layer("audio errors", "numpy"),
    "engine": layer("audio core errors graph.harness speech store.atomic", "numpy", "onnxruntime"),
    "reference": layer("audio engine errors graph speech store", "numpy", "huggingface_hub kokoro torch"),
    "jobs": layer("audio core engine errors graph speech store", "numpy", "reference"),
    "lint": layer("core errors store.toml_source"),
    "workbench": layer("core engine errors graph"),
    "trials": layer("audio core engine errors graph jobs speech store workbench", "numpy"),
    "planner": layer("audio core engine errors graph jobs speech store trials workbench", "numpy", "plotext scipy"),
    "web": layer("audio errors", "numpy", "jinja2 markupsafe soundfile"),
    "report": layer("audio web", "numpy", "PIL"),
    "cli": layer(
        "audio core errors jobs lint planner report speech store trials web workbench __version__",
        "rich typer",
        "engine@bench graph reference distributed tui@start",
    ),
    "tui": layer(
        "audio core errors jobs lint listening planner speech store trials web workbench", "numpy rich textual"
    ),
}
"""The layers from below; imports for types only do not count."""

START_UP = frozenset(
    {
        "torch",
        "kokoro",
        "onnxruntime",
        "pandas",
        "misaki",
        "sounddevice",
        "soundfile",
        "huggingface_hub",
        "jinja2",
        "PIL",
        "plotext",
        "scipy",
    }
)
"""Too slow or too fragile to be imported before they are needed."""


def test_every_package_stays_in_its_layer() -> None:
    assert violations(ROOT, TABLE) == []


def test_the_table_holds_nothing_that_is_not_used() -> None:
    used: dict[str, set[str]] = {package: set() for package in TABLE}
    for found in read_imports(ROOT):
        inner = ".".join(found.module.split(".")[1:3])
        used[found.package] |= {found.distribution, found.ours or "", inner}
    unused = {
        package: sorted(
            {name.partition("@")[0] for name in allowed.ours | allowed.others | allowed.deferred} - used[package]
        )
        for package, allowed in TABLE.items()
    }
    assert {package: names for package, names in unused.items() if names} == {}


def test_nobody_imports_the_front_ends() -> None:
    importers = {found.package for found in read_imports(ROOT) if found.ours in ("cli", "tui")}
    assert importers <= {"__main__", "cli", "tui"}


def test_heavy_imports_are_deferred() -> None:
    early = [found for found in read_imports(ROOT) if found.distribution in START_UP and not found.deferred]
    assert early == []


@pytest.mark.parametrize(
    ("distribution", "owner"), [("onnx", "graph"), ("google", "graph"), ("textual", "tui"), ("typer", "cli")]
)
def test_some_libraries_have_one_door(distribution: str, owner: str) -> None:
    assert {found.package for found in read_imports(ROOT) if found.distribution == distribution} == {owner}


def test_packages_do_not_import_each_other_in_a_circle() -> None:
    needs: dict[str, set[str]] = {package: set() for package in TABLE}
    for found in read_imports(ROOT):
        if found.ours in TABLE and found.ours != found.package:
            needs[found.package].add(found.ours or "")
    while free := [package for package, others in needs.items() if not others]:
        for package in free:
            del needs[package]
        for others in needs.values():
            others.difference_update(free)
    assert needs == {}


# The walker itself

SAMPLE = '''
"""A module."""
from __future__ import annotations
import os, onnx.helper
from typing import TYPE_CHECKING
from kokoro_tui.errors import InputError
from kokoro_tui import __version__
if TYPE_CHECKING:
    import torch
try:
    import numpy
except ImportError:
    numpy = None

def late():
    if True:
        from kokoro_tui.jobs import tasks
        import onnxruntime

class C:
    from .near import thing
'''


def test_the_walker_sees_every_kind_of_import(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "sample.py").write_text(SAMPLE)
    found = {(i.module, i.deferred) for i in read_imports(tmp_path)}
    assert found == {
        ("onnx.helper", False), ("kokoro_tui.errors.InputError", False), ("kokoro_tui.__version__", False),
        ("numpy", False), ("kokoro_tui.jobs.tasks", True), ("onnxruntime", True), (".near", False),
    }  # fmt: skip
    assert {i.ours for i in read_imports(tmp_path)} == {None, "errors", "__version__", "jobs"}
    assert next(iter(read_imports(tmp_path))) == Import("core", "core.sample", "onnx.helper", deferred=False)


@pytest.mark.parametrize(
    ("allowed", "line"),
    [
        (layer("errors jobs __version__", "numpy onnx onnxruntime"), "core.sample imports .near"),
        (
            layer("errors jobs.other __version__", "numpy onnx onnxruntime ."),
            "core.sample imports kokoro_tui.jobs.tasks in a function",
        ),
        (layer("jobs __version__", "numpy onnx onnxruntime ."), "core.sample imports kokoro_tui.errors.InputError"),
        (layer("errors jobs __version__", "numpy onnx"), "core.sample imports onnxruntime in a function"),
        (
            layer("errors jobs __version__", "numpy onnx", "onnxruntime@other"),
            "core.sample imports onnxruntime in a function",
        ),
        (layer("errors jobs __version__", "onnx onnxruntime", "numpy"), "core.sample imports numpy"),
    ],
)
def test_what_the_layer_does_not_allow_is_named(allowed: Layer, line: str, tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "sample.py").write_text(SAMPLE)
    assert line in violations(tmp_path, {"core": allowed})


def test_what_the_layer_allows_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "sample.py").write_text(SAMPLE.replace("from .near import thing", "value = 1"))
    allowed = layer("errors jobs.tasks __version__", "numpy onnx", "onnxruntime@sample")
    assert violations(tmp_path, {"core": allowed}) == []
