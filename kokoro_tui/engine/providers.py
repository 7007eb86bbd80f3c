"""Which execution provider runs a model."""

from __future__ import annotations

from kokoro_tui.engine.session import available_providers

CPU = "CPUExecutionProvider"


def provider_order(gpu: bool) -> tuple[str, ...]:
    """Providers in order of preference: the best there is before the CPU with ``gpu``, else the CPU alone."""
    if not gpu:
        return (CPU,)
    best = next((name for name in available_providers() if name != CPU), None)
    return (best, CPU) if best else (CPU,)


def fallback_note(wanted: tuple[str, ...], used: str, *, gpu: bool) -> str | None:
    """What to tell a user who asked for a GPU and gets the CPU."""
    if not gpu or used != CPU:
        return None
    if wanted[0] == CPU:
        return "this onnxruntime has no provider but the CPU; install onnxruntime-gpu, for instance"
    return f"{wanted[0]} could not be started, so the CPU ran the model"
