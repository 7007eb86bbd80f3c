"""Ctrl+C at random moments of everything that takes long: it ends within a second, and leaves nothing behind."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path
from random import Random

import pytest

from kokoro_tui.store.paths import cache_folder
from tests.faults.budget import rounds, seeded
from tests.faults.processes import finish, interrupt, start
from tests.models import toy_kokoro, write
from tests.python_versions import needs_kokoro

LOADED_SECONDS = 3.0
"""How soon it must be over where all cores are busy, as they are in a test run; 1 s where nothing else runs."""
_DONE, _INTERRUPTED = 0, 130
_SPOKEN = ["--text", "Six sleek swans swam swiftly southwards, and seven more came after them."]

COMMANDS: dict[str, list[str]] = {
    "export": ["export", "--output-path", "new.onnx"],
    "build": ["export-optimized", "MODEL", "--preset", "w8", "--output-path", "new.onnx", *_SPOKEN],
    "static build": [
        "export-optimized", "MODEL", "--preset", "quantized", "--quant-static", "--samples", "4",
        "--output-path", "new.onnx", *_SPOKEN,
    ],
    "trials": ["trial-quantization", "MODEL", "--only", "conv_post|F0", "--output-path", "new.csv", *_SPOKEN],
    "verify": ["verify", "MODEL", "--against", "torch", *_SPOKEN],
    "bench": ["bench", "MODEL", "--runs", "20", "--output", "new.json", *_SPOKEN],
    "report": ["report", "MODEL", "--preset", "w8", "--preset", "fp16", "--output", ".", *_SPOKEN],
    "listen": ["listen", "MODEL", "--preset", "w8", *_SPOKEN],
    "plan": [
        "plan", "MODEL", "--max-distance", "0.2", "--trial-results", "TRIALS", "--save-recipe", "new.toml",
        "--time", "1",
    ],
}  # fmt: skip
"""Everything that can take longer than two seconds on the real model."""
_TRIED = ("trial-quantization", "--output-path", "trials.csv")
"""What the planner reads is made before."""
_ON_TOYS = tuple(name for name in COMMANDS if name not in ("export", "verify"))  # those two know the real one only
_KEPT = {"new.onnx", "new.wav", "new.csv", "new.meta.json", "new.json", "new.toml", "report.html"}
"""What may be there after an interrupt: whole files, where the run had come so far."""


def words_of(name: str, model: Path, voice: str) -> list[str]:
    """A command line on a model, for a folder two below the one with the trials."""
    known = {"MODEL": str(model), "TRIALS": "../../trials.csv"}
    spoken = ["--voice", voice] if "--text" in COMMANDS[name] else []
    return [known.get(word, word) for word in COMMANDS[name]] + spoken


def stop(name: str, words: list[str], folder: Path, seconds: float) -> float | None:
    """Interrupt a command after a while.

    Returns:
        How long it took to end, in seconds; None if it was done before.

    Raises:
        AssertionError: It has left a process, a file or a traceback behind, or says that it failed.
    """
    folder.mkdir(parents=True)
    process = start(words, folder)
    took: float | None = None
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        said, took = interrupt(process)
    else:
        said = process.communicate()[1].decode()
    assert "Traceback" not in said, said
    code = process.returncode
    # Before the interpreter is up, and after an interrupt inside exec(), which CPython remembers, it ends by the signal
    # itself, for which a shell reports the same.
    if code == -signal.SIGINT:
        code = _INTERRUPTED
    names = {path.name for path in folder.rglob("*")}
    # Who has heard enough ends `listen`, which is no failure; and what came after all was written stopped nothing.
    may_be_done = took is None or name == "listen" or names & _KEPT
    assert code in ({_DONE, _INTERRUPTED} if may_be_done else {_INTERRUPTED}), (code, said)
    assert [name for name in names if ".partial-" in name] == []
    if code == _INTERRUPTED:
        assert names <= _KEPT
    assert list(cache_folder().rglob("*.partial-*")) == []
    return took


def stops(name: str, words: list[str], folder: Path, longest: float, random: Random, times: int) -> None:
    """Interrupt a command several times, each in its first ``longest`` seconds."""
    found = [stop(name, words, folder / str(number), random.uniform(0.2, longest)) for number in range(times)]
    took = [seconds for seconds in found if seconds is not None]
    print(f"{name}: {len(took)} of {times} interrupted, at most {max(took, default=0.0):.2f} s")
    assert all(seconds < LOADED_SECONDS for seconds in took), took


@needs_kokoro
@pytest.mark.parametrize("name", _ON_TOYS)
def test_on_a_small_model(name: str, tmp_path: Path, voice: str) -> None:
    model = write(toy_kokoro(), tmp_path / "toy.onnx")
    if name == "plan":
        finish([*_TRIED, str(model), "--voice", voice], tmp_path)
    stops(name, words_of(name, model, voice), tmp_path / "runs", 2.0, seeded(f"stop {name}"), rounds(1, 20))


@pytest.mark.real
@needs_kokoro
@pytest.mark.parametrize("name", COMMANDS)
def test_on_the_real_model(name: str, tmp_path: Path, voice: str, real_model: Path) -> None:
    if name == "plan":
        finish([*_TRIED, str(real_model), "--only", "conv_post", "--kinds", "weight", "--voice", voice], tmp_path)
    words = words_of(name, real_model, voice)
    stops(name, words, tmp_path / "runs", 9.0, seeded(f"stop real {name}"), rounds(1, 20))
