"""What is imported by the time that something is on screen: in a process of its own, so that deferrals are proved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    {
        "torch", "kokoro", "onnxruntime", "pandas", "onnx_ir", "sounddevice", "soundfile", "misaki", "transformers",
        "huggingface_hub", "scipy", "jinja2", "PIL", "plotext",
    }
)  # fmt: skip

OPEN = """
from pathlib import Path
from kokoro_tui.workbench import Workbench
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
bench = Workbench.open(Path(sys.argv[1]))
plan = bench.set_precision(PrecisionPlan(), bench.inventory.candidate_keys, Precision.W8).plan
assert bench.estimate(plan).estimated_bytes < bench.estimate(PrecisionPlan()).estimated_bytes
assert bench.signature is not None
"""


def imported_by(script: str, *arguments: str) -> set[str]:
    """Top-level modules that a fresh interpreter has imported after running a script."""
    whole = f"import sys\n{script}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    command = [sys.executable, "-c", whole, *arguments]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_opening_and_planning_imports_nothing_heavy(toy_model: Path) -> None:
    names = imported_by(OPEN, str(toy_model))
    assert {"kokoro_tui", "onnx", "numpy"} <= names
    assert names & (HEAVY | {"textual", "typer"}) == set()


def test_the_screen_imports_nothing_heavy() -> None:
    names = imported_by("import kokoro_tui.tui.app")
    assert "textual" in names
    assert names & (HEAVY | {"onnx", "typer"}) == set()


def test_the_command_line_imports_nothing_heavy() -> None:
    names = imported_by("import kokoro_tui.cli.main")
    assert "typer" in names
    assert names & (HEAVY | {"onnx", "textual"}) == set()


@pytest.mark.parametrize("name", ["kokoro_tui", "kokoro_tui.errors"])
def test_the_root_imports_nothing_at_all(name: str) -> None:
    names = imported_by(f"import {name}")
    assert names & (HEAVY | {"onnx", "numpy", "textual", "typer", "regex"}) == set()


def test_core_is_pure() -> None:
    modules = [path.stem for path in (Path(__file__).parents[2] / "kokoro_tui" / "core").glob("[a-z]*.py")]
    names = imported_by("\n".join(f"import kokoro_tui.core.{name}" for name in modules))
    assert len(modules) > 10
    assert names & (HEAVY | {"onnx", "google", "textual", "typer", "rich"}) == set()
