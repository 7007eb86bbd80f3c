"""Keep every test away from the user's voices and from the network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from kokoro_tui.speech import hub, voices


@pytest.fixture(autouse=True)
def voice_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty voice folder, an empty hub cache and an unreachable hub."""

    def unreachable(name: str, seconds: float) -> Path:
        raise ConnectionError(f"no route for {name} in {seconds} s")

    folder = tmp_path / "data" / "voices"
    folder.mkdir(parents=True)
    monkeypatch.setattr(voices, "voice_folder", lambda: folder)
    monkeypatch.setattr(hub, "_outages", [])
    monkeypatch.setattr(hub, "_download", unreachable)
    monkeypatch.setattr(hub, "cached_voice", lambda name: None)
    return folder


@pytest.fixture
def styles() -> npt.NDArray[np.float32]:
    """A made-up voice, [510, 1, 256], whose row r holds r everywhere."""
    rows = np.arange(510, dtype=np.float32)
    return np.repeat(rows, 256).reshape(510, 1, 256)
