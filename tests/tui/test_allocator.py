"""The terminal UI's threads share one arena of the C library."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_SCRIPT = """
import sys
from threading import Barrier, Thread
from kokoro_tui.tui.allocator import give_back_freed_memory

if sys.argv[1] == "given back":
    give_back_freed_memory()
ready = Barrier(5)

def allocate():
    ready.wait()
    kept = [bytearray(5000) for _ in range(1000)]
    ready.wait()
    ready.wait()

for _ in range(4):
    Thread(target=allocate).start()
ready.wait()
ready.wait()
heaps = [line.split("-")[0] for line in open("/proc/self/maps") if " rw-p " in line]
print(sum(int(start, 16) % (64 << 20) == 0 for start in heaps))
ready.wait()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="arenas are glibc's")
def test_threads_get_no_arenas_of_their_own() -> None:
    def arenas(how: str) -> int:
        words = [sys.executable, "-c", _SCRIPT, how]
        return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)

    assert arenas("as it is") >= 2
    assert arenas("given back") == 0
