"""Which provider is taken, and what the user hears of it."""

from __future__ import annotations

import pytest

from kokoro_tui.engine import providers
from kokoro_tui.engine.providers import CPU, fallback_note, provider_order

CUDA = "CUDAExecutionProvider"


def test_the_best_provider_is_taken_only_where_a_gpu_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(providers, "available_providers", lambda: (CUDA, CPU))
    assert provider_order(gpu=False) == (CPU,)
    assert provider_order(gpu=True) == (CUDA, CPU)
    monkeypatch.setattr(providers, "available_providers", lambda: (CPU,))
    assert provider_order(gpu=True) == (CPU,)


def test_falling_back_to_the_cpu_is_said() -> None:
    assert fallback_note((CPU,), CPU, gpu=False) is None
    assert fallback_note((CUDA, CPU), CUDA, gpu=True) is None
    assert "CUDAExecutionProvider could not be started" in str(fallback_note((CUDA, CPU), CPU, gpu=True))
    assert "no provider but the CPU" in str(fallback_note((CPU,), CPU, gpu=True))
