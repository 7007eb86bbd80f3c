"""How long an export takes beside onnxruntime's own tools, measured in one run.

    python -m tests.benchmarks.bench_export kokoro.onnx

Ours is timed from opening the model to the final rename: reading, rewriting, writing, ONNX's checker, and the
comparison of the written file with its plan. Loading the result into a session and rendering are left out on both
sides, and so is settling which nodes change. Theirs is timed from loading to saving, without any check:

* fp16: ``onnx.load``, ``convert_float_to_float16`` with every node blocked that the preset leaves at FP32, save;
* quantized: ``quantize_dynamic`` from file to file, on the nodes of the preset: first Conv with UINT8 weights, the
  only ones that every ConvInteger has had a kernel for, then the others with INT8 weights, as the preset has them;
* w8: ``quantize_dynamic`` with ``per_channel``. onnxruntime has no weight-only INT8 for Conv and LSTM; this is the
  one of its tools that turns all of these weights into 8 bits per output channel without calibration.

Each pair is run in turn several times and medians are compared; run nothing beside it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter

import onnx

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.store.presets import read_preset
from kokoro_tui.workbench import Workbench

GOALS = {"fp16": 4.0, "w8": 4.0, "quantized": 2.5}
"""How many times faster than onnxruntime's tools each preset has to be."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, goal in GOALS.items():
            planned(options.model, name)
            ours, theirs = Path(folder, "ours.onnx"), Path(folder, "theirs.onnx")
            pairs = [
                (timed(export, options.model, name, ours), timed(THEIRS[name], options.model, name, theirs))
                for _ in range(options.pairs)
            ]
            own, other = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
            print(
                f"{name:<10} ours {own:.2f} s ({mib(ours)}), onnxruntime's tools {other:.2f} s ({mib(theirs)}): "
                f"{other / own:.1f} times faster (goal {goal})",
                flush=True,
            )


def timed(way: Callable[[Path, str, Path], None], source: Path, preset: str, target: Path) -> float:
    """Seconds that one way takes from the model file to the file of a preset."""
    started = perf_counter()
    way(source, preset, target)
    return perf_counter() - started


def mib(path: Path) -> str:
    """The size of a file."""
    return f"{path.stat().st_size / 2**20:.2f} MiB"


def export(source: Path, preset: str, target: Path) -> None:
    """Ours, as ``export-optimized --no-verify`` does it, without the session at its end."""
    build_model(source, planned(source, preset), target)


@cache
def planned(source: Path, preset: str) -> PrecisionPlan:
    """What a preset changes."""
    return Workbench.open(source).resolve(read_preset(preset))


def convert_half(source: Path, preset: str, target: Path) -> None:
    """The FP16 nodes of a preset with onnxruntime's converter."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(source)
    plan = planned(source, preset)
    blocked = [node.name for node in model.graph.node if plan.precision_of(node.name) is not Precision.FP16]
    onnx.save(convert_float_to_float16(model, keep_io_types=True, op_block_list=[], node_block_list=blocked), target)


def quantize_per_channel(source: Path, preset: str, target: Path) -> None:
    """The 8-bit nodes of a preset with onnxruntime's dynamic quantizer, a scale for every output channel."""
    quantize(source, target, ["Conv", "MatMul", "Gemm", "LSTM"], planned(source, preset), "QInt8", per_channel=True)


def quantize_in_two_passes(source: Path, preset: str, target: Path) -> None:
    """The INT8 nodes of a preset with onnxruntime's dynamic quantizer."""
    first = target.with_name("first.onnx")
    quantize(source, first, ["Conv"], planned(source, preset), "QUInt8")
    quantize(first, target, ["MatMul", "Gemm", "LSTM"], planned(source, preset), "QInt8")


def quantize(
    source: Path, target: Path, ops: list[str], plan: PrecisionPlan, weights: str, *, per_channel: bool = False
) -> None:
    """One pass of ``quantize_dynamic`` over the nodes that a plan changes."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=ops,
        # It replaces every Gemm by a MatMul of that name first.
        nodes_to_quantize=[name for key in plan.choices for name in (key, f"{key}_MatMul")],
        weight_type=QuantType[weights],
        per_channel=per_channel,
        extra_options={"DisableShapeInference": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
    )


THEIRS: dict[str, Callable[[Path, str, Path], None]] = {
    "fp16": convert_half, "w8": quantize_per_channel, "quantized": quantize_in_two_passes,
}  # fmt: skip


if __name__ == "__main__":
    main()
