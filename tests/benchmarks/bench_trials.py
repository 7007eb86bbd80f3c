"""How much faster the trial table is than brute force and than the ancestor's way, measured in one run.

    python -m tests.benchmarks.bench_trials kokoro.onnx

Three ways try nodes on the same clip of five seconds, with the same noise and the same durations:

* ours: the whole table as `trial-quantization` runs it, from reading the model to the last row: a reference in
  pieces, then per trial the changed piece and what lies behind it; each shared-weight group once, and nothing that an
  op cannot do. Nothing of it is extrapolated;
* brute force, as a short script does it: load the file, rewrite that one node, serialize, open a session with
  onnxruntime's defaults, run, compare;
* the ancestor's way: the same with onnxruntime's float16 converter, every other node blocked, or its ONNXQuantizer.

The other two are measured on ten nodes across the model, both kinds, and extrapolated to a table of all candidates,
cast and quant. They start from a file whose noise and durations are inputs already, know the reference and what the
rewrite has to know about the model, and run once a trial: what a script would do once is not charged to them, nor is
the second run for the free durations, which ours does. Ratios hold for one machine at one time; run nothing beside it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnxruntime.quantization import QuantizationMode, QuantType
from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
from onnxruntime.quantization.registry import QLinearOpsRegistry
from onnxruntime.transformers.float16 import convert_float_to_float16

from kokoro_tui.audio.distance import Reference
from kokoro_tui.core.inventory import Inventory
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.trials import TrialKind
from kokoro_tui.engine.session import NOISE_SEED, SpeechModel, feeds_of
from kokoro_tui.graph.apply_plan import rewrite_model
from kokoro_tui.graph.harness import PINNED_DURATIONS, read_harness
from kokoro_tui.graph.read_inventory import read_inventory
from kokoro_tui.speech.utterance import Utterance, prepare
from kokoro_tui.trials.session import TrialRequest, TrialSession
from kokoro_tui.workbench import Workbench

TEXT = "The lighthouse keeper counted eleven ships, and six of them slipped away."
PATTERNS = (
    "bert/encoder/albert_layer_groups.0/albert_layers.0/ffn/MatMul",
    "text_encoder/lstms.2/LSTM",
    "F0.1/conv1/Conv",
    "decoder/encode/conv1/Conv",
    "noise_res.0/convs1.1/Conv",
    "resblocks.1/convs2.1/Conv",
    "noise_res.1/convs1.2/Conv",
    "resblocks.4/convs1.0/Conv",
    "resblocks.2/adain1.1/fc/Gemm",
    "conv_post/Conv",
)
KINDS = (TrialKind.CAST, TrialKind.QUANT)

Rewrite = Callable[[onnx.ModelProto, Inventory, str, TrialKind], onnx.ModelProto]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    clip = prepare(TEXT)[0]
    folder = Path(tempfile.mkdtemp())
    try:
        seconds, trials = measure_ours(options.model, clip, options.workers, folder / "trials.csv")
        print(f"ours: the whole table, {trials} trials, {seconds:.0f} s with {options.workers} workers", flush=True)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
        script = Script(options.model, clip, folder / "measurable.onnx")
        print(f"clip: {script.clip_seconds:.1f} s; {len(script.keys)} nodes, cast and quant")
        for name, way in (("brute force", rewrite_one), ("the ancestor's way", ancestors_way)):
            script.report(name, way, seconds)
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(f"peak memory: the largest of our processes {peak} MiB, the scripts {own} MiB")
    finally:
        shutil.rmtree(folder)


def measure_ours(source: Path, clip: Utterance, workers: int, table: Path) -> tuple[float, int]:
    """Seconds and trials of the whole table."""
    started = perf_counter()
    bench = Workbench.open(source)
    keys = tuple(node.key for node in bench.inventory.candidates)
    session = TrialSession(bench, TrialRequest(table, (clip,), keys, KINDS, workers=workers))
    last = [*session.events()][-1].progress
    assert session.context is not None
    assert (last.failed, session.context.noise_floor) == (0, 0.0)
    return perf_counter() - started, last.finished


class Script:
    """What the two other ways share, made once."""

    def __init__(self, source: Path, clip: Utterance, path: Path) -> None:
        bench = Workbench.open(source)
        signature = bench.signature
        assert signature is not None, "the benchmark needs a Kokoro model"
        self.keys = [next(n.key for n in bench.inventory.candidates if pattern in n.key) for pattern in PATTERNS]
        self.candidates = len(bench.inventory.candidates)
        rendering = SpeechModel(source, signature).run(clip)
        assert rendering.durations is not None
        harness = read_harness(source, signature.duration)
        path.write_bytes(harness.model)
        self.path = path
        self.inventory = read_inventory(path)
        self.feeds: Mapping[str, Any] = {
            **feeds_of(clip, signature, harness.noise, NOISE_SEED),
            PINNED_DURATIONS: rendering.durations,
        }
        self.reference = Reference(rendering.waveform)
        self.clip_seconds = rendering.waveform.size / 24_000

    def report(self, name: str, rewrite: Rewrite, ours: float) -> None:
        """Measure one way and print what it takes for all candidates, and the ratio to ours."""
        trials = {kind: [self.trial(rewrite, key, kind) for key in self.keys] for kind in KINDS}
        total = sum(fmean(seconds) for seconds in trials.values()) * self.candidates
        each = ", ".join(f"{fmean(seconds):.2f} s a {kind.value} trial" for kind, seconds in trials.items())
        print(f"{name}: {each}; {total:.0f} s for {self.candidates} of each; ratio {total / ours:.1f}", flush=True)

    def trial(self, rewrite: Rewrite, key: str, kind: TrialKind) -> float:
        """Seconds of one trial, from the file to the distance."""
        started = perf_counter()
        model = rewrite(onnx.load(self.path), self.inventory, key, kind)
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        waveform, _ = session.run(["waveform", "duration"], self.feeds)
        # The float16 converter's models give NaN: it rounds the phase, which exceeds FP16's range, on every trial.
        self.reference.compare(np.nan_to_num(waveform.reshape(-1)))
        return perf_counter() - started


def rewrite_one(model: onnx.ModelProto, inventory: Inventory, key: str, kind: TrialKind) -> onnx.ModelProto:
    """Rewrite the one node, as the export would."""
    plan = PrecisionPlan().with_precision([key], kind.precision)
    changed, tensors = rewrite_model(model, inventory, plan)
    for tensor in tensors:
        if isinstance(tensor, onnx.TensorProto):
            changed.graph.initializer.append(tensor)
            continue
        for header, array in zip(tensor.headers, tensor.make(), strict=True):
            header.raw_data = array.tobytes()
            changed.graph.initializer.append(header)
    return changed


def ancestors_way(model: onnx.ModelProto, inventory: Inventory, key: str, kind: TrialKind) -> onnx.ModelProto:
    """onnxruntime's converter or quantizer over the whole model, with all other nodes left out."""
    if kind is TrialKind.CAST:
        blocked = [node.name for node in model.graph.node if node.name != key]
        return repaired(convert_float_to_float16(model, keep_io_types=True, op_block_list=[], node_block_list=blocked))
    # As the ancestor calls it: QLinearOps without static ranges, which leaves activations in float.
    quantizer = ONNXQuantizer(
        model, False, False, QuantizationMode.QLinearOps, False, QuantType.QUInt8, QuantType.QUInt8,
        None, [key], [], list(QLinearOpsRegistry), {},
    )  # fmt: skip
    return quantizer.quantize_model()  # type: ignore[no-any-return]


def repaired(model: onnx.ModelProto) -> onnx.ModelProto:
    """What the float16 converter means, in a form that onnxruntime accepts.

    It writes a cast once for every reader of a tensor, under one name, and lets the bodies of If nodes read tensors
    that it has made FP16.
    """
    nodes = model.graph.node
    first = {name: index for index, node in reversed([*enumerate(nodes)]) for name in node.output}
    for index in reversed([i for i, node in enumerate(nodes) if first[node.output[0]] != i]):
        del nodes[index]
    for body in (a.g for node in nodes for a in node.attribute if a.type == onnx.AttributeProto.GRAPH):
        for node in body.node:
            node.input[:] = [f"{n}_cast_to_fp32" if f"{n}_cast_to_fp32" in first else n for n in node.input]
    return model


if __name__ == "__main__":
    main()
