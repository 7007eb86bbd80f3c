"""Fixtures that all tests share; the real Kokoro is built once per session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.models import toy_kokoro, write


@pytest.fixture(autouse=True)
def _private_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's own cache, state and settings out of every test."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("KOKORO_TUI_CACHE", str(home / "cache"))
    monkeypatch.setenv("KOKORO_TUI_STATE", str(home / "state"))
    monkeypatch.setenv("KOKORO_TUI_CONFIG", str(home / "config.toml"))


@pytest.fixture(scope="session")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled real Kokoro as FP32 ONNX, about 310 MiB; read it, never write it.

    KOKORO_TUI_TEST_MODEL may name one that has been exported before.
    """
    if ready := os.environ.get("KOKORO_TUI_TEST_MODEL"):
        return Path(ready)
    from kokoro_tui.jobs.child import run_in_child
    from kokoro_tui.jobs.tasks import build_bundled

    target = tmp_path_factory.mktemp("real") / "kokoro.onnx"
    run_in_child(build_bundled, target)
    return target


@pytest.fixture
def toy_model(tmp_path: Path) -> Path:
    """The miniature Kokoro in a file of its own."""
    return write(toy_kokoro(), tmp_path / "toy.onnx")
