"""The hub's client: its cache is found without a network, and being offline shows at once and in silence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("huggingface_hub")


def run(script: str, cache: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a hub cache of its own, because the client reads its settings when imported."""
    variables = os.environ | {"HF_HUB_CACHE": str(cache)} | environment
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=variables)


def add_to_cache(cache: Path, repository: str, filename: str, content: bytes) -> Path:
    """Lay a file down as the hub's client does."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0123abcd")
    path = folder / "snapshots" / "0123abcd" / filename
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def test_cached_voice_is_found(tmp_path: Path) -> None:
    content = np.zeros((510, 1, 256), np.float32).tobytes()
    add_to_cache(tmp_path, "onnx-community/Kokoro-82M-v1.0-ONNX", "voices/af_sky.bin", content)
    script = """
from kokoro_tui.speech.voices import find_voice, list_voices
found = find_voice("af_sky", allow_network=False)
print(found.voice.name, found.voice.source, found.note, "af_sky" in {entry.name for entry in list_voices()})
"""
    assert run(script, tmp_path, HF_HUB_OFFLINE="1").stdout == "af_sky model hub None True\n"


def test_cached_torch_voice_is_found(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = add_to_cache(tmp_path, "hexgrad/Kokoro-82M", "voices/af_sky.pt", b"")
    script = 'from kokoro_tui.speech.hub import cached_voice; print(cached_voice("af_sky"))'
    assert run(script, tmp_path).stdout == f"{path}\n"


def test_without_a_cache_the_client_is_not_loaded(tmp_path: Path) -> None:
    script = """
import sys
from kokoro_tui.speech.hub import cached_voice
print(cached_voice("af_sky"), "huggingface_hub.file_download" in sys.modules)
"""
    assert run(script, tmp_path / "none").stdout == "None False\n"
    assert run(script, tmp_path).stdout == "None True\n"


def test_offline_is_noticed_at_once_and_in_silence(tmp_path: Path) -> None:
    script = """
import time
from kokoro_tui.errors import WorkError
from kokoro_tui.speech.hub import fetch_voice
started = time.monotonic()
try:
    fetch_voice("af_sky")
except WorkError as error:
    print(error.message, time.monotonic() - started < 5)
"""
    result = run(script, tmp_path, HF_HUB_OFFLINE="1")
    assert result.stdout == "the model hub was not reached (OfflineModeIsEnabled) True\n"
    assert result.stderr == ""
