"""Fixtures that all tests share; the real Kokoro is built once per session."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.models import toy_kokoro, write
from tests.python_versions import HAS_KOKORO


@pytest.fixture(autouse=True)
def _private_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own cache, state and settings out of every test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("KOKORO_TUI_CACHE", str(home / "cache"))
    monkeypatch.setenv("KOKORO_TUI_STATE", str(home / "state"))
    monkeypatch.setenv("KOKORO_TUI_CONFIG", str(home / "config.toml"))


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """Let interrupts and hang-ups reach what tests start.

    A job in the background of a shell ignores the first, one that ``nohup`` starts the second, as do their children.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@dataclass(frozen=True)
class Export:
    """A real Kokoro as FP32 ONNX, and how it was made."""

    path: Path
    report: tuple[str, str] | None
    """What ``kokoro-tui export`` wrote to stdout and stderr; None where the model has been exported before."""


@pytest.fixture(scope="session")
def real_export(tmp_path_factory: pytest.TempPathFactory) -> Export:
    """The bundled real Kokoro, exported once per session from the command line, without a hub.

    KOKORO_TUI_TEST_MODEL may name one that has been exported before.
    """
    if ready := os.environ.get("KOKORO_TUI_TEST_MODEL"):
        return Export(Path(ready), None)
    if not HAS_KOKORO:
        pytest.skip("only Python 3.11 and 3.12 export a model; KOKORO_TUI_TEST_MODEL may name one")
    folder = tmp_path_factory.mktemp("real")
    private = {
        name: str(folder / name.lower()) for name in ("HF_HOME", "KOKORO_TUI_CACHE", "KOKORO_TUI_STATE")
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "kokoro_tui", "export"],
        cwd=folder,
        env=os.environ | private | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return Export(folder / "kokoro.onnx", (done.stdout, done.stderr))


@pytest.fixture(scope="session")
def real_model(real_export: Export) -> Path:
    """The bundled real Kokoro as FP32 ONNX, about 310 MiB; read it, never write it."""
    return real_export.path


@pytest.fixture
def toy_model(tmp_path: Path) -> Path:
    """The miniature Kokoro in a file of its own."""
    return write(toy_kokoro(), tmp_path / "toy.onnx")
