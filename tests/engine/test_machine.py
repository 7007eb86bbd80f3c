"""The machine's description and the memory of this process."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import onnxruntime

from kokoro_tui.engine.machine import describe_machine, peak_memory

MIB = 1 << 20


def test_the_machine_names_what_a_latency_depends_on() -> None:
    machine = describe_machine()
    assert machine.onnxruntime == onnxruntime.__version__
    assert machine.python == sys.version.split()[0]
    assert machine.system.startswith(os.uname().sysname)
    assert 1 <= machine.cpus <= (os.cpu_count() or 1)


def test_the_peak_stays_after_the_memory_is_gone() -> None:
    before = peak_memory()
    assert before is not None
    block = np.ones(300 * MIB, dtype=np.uint8)
    held = peak_memory()
    del block
    assert held is not None
    assert held >= 300 * MIB
    after = peak_memory()
    assert after is not None
    assert after >= held - 8 * MIB  # the kernel counts in batches


def test_a_child_does_not_inherit_the_peak_of_its_parent() -> None:
    block = np.ones(400 * MIB, dtype=np.uint8)
    script = "from kokoro_tui.engine.machine import peak_memory; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert block.size == 400 * MIB
    assert 5 * MIB < int(done.stdout) < 200 * MIB
