"""One fuzz case after another in one process; a parent watches that it neither hangs nor dies.

    python -m tests.faults.fuzz_cases FOLDER FIRST COUNT

prints the number of each case before it runs, and ``case: reason`` for each that does what it must not.
"""

from __future__ import annotations

import io
import resource
import sys
import unicodedata
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from pathlib import Path
from random import Random
from time import process_time

import numpy as np
import onnx

from kokoro_tui.cli.main import run
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.core.trials import TrialKind, TrialRow
from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.speech.voices import find_voice
from kokoro_tui.store.recipe_file import write_recipe
from kokoro_tui.store.trial_table import append_rows
from kokoro_tui.workbench import Workbench
from tests.faults.mutations import damage, distort, respell
from tests.models import toy_kokoro, write

SECONDS = 5.0
"""Most processor time of a case."""
PEAK_BYTES = 2 << 30
"""Most memory of the process, whatever it is fed."""
_TEXT_CONTROLS = "\n\t"


@cache
def sources(folder: Path) -> dict[str, bytes]:
    """The good files that cases are made from, by kind."""
    model = write(toy_kokoro(), folder / "good.onnx")
    bench = Workbench.open(model)
    keys = sorted(bench.inventory.candidate_keys)
    append_rows(folder / "good.csv", [TrialRow(key, TrialKind.CAST, mel_distance=0.01) for key in keys])
    write_recipe(folder / "good.toml", bench.recipe(PrecisionPlan(dict.fromkeys(keys, Precision.W8))))
    np.save(folder / "good.npy", np.zeros((510, 1, 256), dtype=np.float32))
    return {kind: (folder / f"good.{kind}").read_bytes() for kind in ("onnx", "csv", "toml", "npy")}


def make_case(number: int, folder: Path) -> tuple[str, Path]:
    """The kind and the file of a case; the same number gives the same file."""
    random = Random(number)
    kind = ("onnx", "onnx", "onnx", "csv", "toml", "npy")[number % 6]
    good = sources(folder)[kind]
    structural = random.random() < 0.6
    if kind == "onnx" and structural:
        content = distort(onnx.load_from_string(good), random).SerializeToString()
    elif kind in ("csv", "toml") and structural:
        content = respell(good.decode(), random).encode("utf-8", "surrogatepass")
    else:
        content = damage(good, random)
    path = folder / f"case.{kind}"
    path.write_bytes(content)
    return kind, path


def words_of(kind: str, path: Path, number: int, folder: Path) -> list[str]:
    """The command line that reads a case."""
    model = str(folder / "good.onnx")
    choices = {
        "onnx": (
            ["count", str(path), "--size", "--count-by", "individual"],
            ["count", str(path), "--size", "--count-by", "op+dtype", "--markdown"],
            ["estimate-size", str(path), "--preset", "w8"],
            ["estimate-size", str(path), "--preset", "quantized", "--json"],
            ["lint", str(path)],
        ),
        "csv": (["estimate-size", model, "--trial-results", str(path)],),
        "toml": (["estimate-size", model, "--recipe", str(path)], ["recipe", "diff", str(path), str(path)]),
    }[kind]
    return choices[number // 6 % len(choices)]


def fault_of(number: int, folder: Path) -> str | None:
    """What a case does that it must not; None if it is handled as it should."""
    kind, path = make_case(number, folder)
    started = process_time()
    if kind == "npy":
        with suppress(KokoroTuiError):
            find_voice(str(path), allow_network=False)
        fault = None
    else:
        fault = _command_fault(lambda: run(words_of(kind, path, number, folder)))
    if process_time() - started > SECONDS:
        return f"it took {process_time() - started:.1f} s"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return f"memory rose to {peak >> 20} MiB" if peak > PEAK_BYTES else fault


def _command_fault(call: Callable[[], int]) -> str | None:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = call()
    if code not in (0, 1, 2):
        return f"exit code {code}"
    if "Traceback" in err.getvalue() or "unexpected" in err.getvalue():
        return err.getvalue()[:400]
    lines = [line.partition(":")[0] for line in err.getvalue().splitlines()]
    if code and (lines.count("error"), lines.count("hint")) != (1, 1):
        return f"not one error and one hint: {err.getvalue()[:400]!r}"
    for character in set(out.getvalue() + err.getvalue()):
        if unicodedata.category(character) in ("Cc", "Cf") and character not in _TEXT_CONTROLS:
            return f"{character!r} reached the screen"
    return None


def main() -> None:
    """Run the cases."""
    folder, first, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        print(number, flush=True)
        try:
            fault = fault_of(number, folder)
        except Exception as error:  # noqa: BLE001  that is what is looked for
            fault = f"{type(error).__name__}: {error}"[:400]
        if fault is not None:
            print(f"{number}: {fault!r}", flush=True)


if __name__ == "__main__":
    main()
