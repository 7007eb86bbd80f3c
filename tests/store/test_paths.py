"""The program's own folders follow the environment."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from kokoro_tui.store.atomic import WriteError
from kokoro_tui.store.paths import (
    bundled_model_path,
    cache_folder,
    config_path,
    log_path,
    make_folder,
    state_folder,
)


def test_the_environment_names_every_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"KOKORO_TUI_{name}", str(tmp_path / name))
    assert config_path() == tmp_path / "CONFIG"
    assert cache_folder() == tmp_path / "CACHE"
    assert log_path() == tmp_path / "STATE" / "kokoro-tui.log"
    monkeypatch.setenv("KOKORO_TUI_CACHE", "~/models")
    assert cache_folder() == Path.home() / "models"


def test_without_it_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONFIG", "CACHE", "STATE"):
        monkeypatch.setenv(f"KOKORO_TUI_{name}", "")
    assert config_path() == platformdirs.user_config_path("kokoro-tui", appauthor=False) / "config.toml"
    assert cache_folder() == platformdirs.user_cache_path("kokoro-tui", appauthor=False)
    assert state_folder() == platformdirs.user_state_path("kokoro-tui", appauthor=False)


def test_the_bundled_models_name_holds_the_version_of_its_export() -> None:
    assert bundled_model_path() == cache_folder() / "kokoro-bundled-v1.onnx"


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    assert make_folder(tmp_path / "a" / "b") == tmp_path / "a" / "b"
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"the folder .* cannot be created"):
        make_folder(tmp_path / "file" / "b")
