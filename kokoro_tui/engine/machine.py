"""The machine that a measurement was made on, and the memory of this process."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What a latency depends on besides the model."""

    system: str
    """Operating system and architecture, as ``Linux x86_64``."""
    processor: str
    """The processor's name; empty where the system does not tell."""
    cpus: int
    """Logical processors that this process may use."""
    python: str
    onnxruntime: str


def describe_machine() -> Machine:
    """The machine that this runs on."""
    import onnxruntime  # 0.12 s: only where a model is run

    return Machine(
        system=f"{platform.system()} {platform.machine()}".strip(),
        processor=_processor(),
        cpus=_usable_cpus(),
        python=platform.python_version(),
        onnxruntime=onnxruntime.__version__,
    )


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def peak_memory() -> int | None:
    """The most memory that this process has had resident, in bytes; None where the system does not tell.

    On Linux ``ru_maxrss`` will not do: a program inherits there what the process that started it has had.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return _peak_by_usage()
    kibibytes = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return next((int(value) * 1024 for value in kibibytes), None)


def _peak_by_usage() -> int | None:
    if platform.system() != "Darwin":
        return None
    import resource  # there is none on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes
