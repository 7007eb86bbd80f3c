"""How much faster the trial table is than brute force and than the ancestor's way, measured in one run.

    python -m tests.benchmarks.bench_trials kokoro.onnx

Three ways try the same nodes on the same clip:

* ours: a reference in pieces, then per trial the changed piece and what lies behind it;
* brute force: load the file, rewrite that one node, serialize, open a session, run, compare;
* the ancestor's way: the same with onnxruntime's float16 converter, every other node blocked, or its ONNXQuantizer.

What each costs for the whole table is extrapolated: the others try 463 nodes twice (cast and quant); ours tries each
shared-weight group once and nothing that an op cannot do, and its preparation is counted. Ratios hold for one machine
at one time; run nothing beside it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import onnx

from kokoro_tui.audio.distance import Reference
from kokoro_tui.core.inventory import NodeInfo
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.trials import TrialKind
from kokoro_tui.engine.session import NOISE_SEED, SpeechModel, create_session, feeds_of
from kokoro_tui.engine.signature import Signature
from kokoro_tui.graph.apply_plan import rewrite_model
from kokoro_tui.graph.harness import PINNED_DURATIONS, expose_durations, expose_noise, read_harness
from kokoro_tui.graph.read_inventory import inventory_of
from kokoro_tui.jobs.child import run_in_child
from kokoro_tui.speech.utterance import DEFAULT_TEXT, Utterance, prepare
from kokoro_tui.trials.context import prepare_context
from kokoro_tui.trials.run import TrialControl, TrialRun
from kokoro_tui.trials.schedule import CostModel, Schedule, schedule
from kokoro_tui.trials.workers import ProcessWorkers
from kokoro_tui.workbench import Workbench

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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    bench = Workbench.open(options.model)
    signature = bench.signature
    assert signature is not None, "the benchmark needs a Kokoro model"
    clip = prepare(DEFAULT_TEXT)[0]
    nodes = [next(n for n in bench.inventory.candidates if pattern in n.key) for pattern in PATTERNS]
    ours, clip_seconds = measure_ours(bench, signature, clip, nodes, options.workers)
    print(f"clip {clip_seconds:.1f} s, {len(nodes)} nodes, kinds cast and quant, {options.workers} workers")
    print(f"ours, whole table (grouped, without what an op cannot do): {ours:.0f} s")
    everything = 2 * len(bench.inventory.candidates)
    feeds, reference = whole_reference(options.model, signature, clip)
    unconverted = read_harness(options.model, "duration").model
    for name, way in (("brute force", rewrite_one), ("the ancestor's way", ancestors_way)):
        seconds = [
            one_trial(way, options.model, node, kind, feeds, reference, unconverted) for node in nodes for kind in KINDS
        ]
        total = fmean(seconds) * everything
        print(f"{name}: {fmean(seconds):.2f} s a trial, {total:.0f} s for {everything}; ratio {total / ours:.1f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"largest peak memory of one of our processes: {peak:.0f} MiB")


def whole_reference(source: Path, signature: Signature, clip: Utterance) -> tuple[dict[str, Any], Reference]:
    """The inputs of a whole-model run, durations pinned, and the waveform to compare with."""
    model = SpeechModel(source, signature)
    rendering = model.run(clip)
    feeds = feeds_of(clip, signature, read_harness(source, "duration").noise, NOISE_SEED)
    assert rendering.durations is not None
    feeds[PINNED_DURATIONS] = rendering.durations
    return feeds, Reference(rendering.waveform)


def measure_ours(
    bench: Workbench, signature: Signature, clip: Utterance, nodes: list[NodeInfo], workers: int
) -> tuple[float, float]:
    """Seconds for the whole table, extrapolated from the given nodes by predicted cost, and seconds of the clip."""
    inventory = bench.inventory
    whole = schedule(inventory, [node.key for node in inventory.candidates], KINDS)
    chosen = schedule(inventory, [node.key for node in nodes], KINDS)
    folder = Path(tempfile.mkdtemp())
    pool = ProcessWorkers(workers)
    try:
        started = perf_counter()
        context = run_in_child(prepare_context, inventory.path, signature, [clip], folder)
        preparation = perf_counter() - started
        started = perf_counter()
        # Workers open their sessions with their first trial; that is counted once, not extrapolated.
        wait([pool.submit(context, chosen.trials[-1].spec) for _ in range(2 * workers)])
        preparation += perf_counter() - started
        run = TrialRun(inventory, context, Schedule(chosen.trials, (), 0), pool, lambda rows: None, TrialControl())
        started = perf_counter()
        events = list(run.events())
        seconds = perf_counter() - started
        assert events[-1].progress.failed == 0
        costs = CostModel(context.cut, context.piece_seconds)
        share = sum(map(costs.seconds, whole.trials)) / sum(map(costs.seconds, chosen.trials))
        durations = context.durations[0] or ()
        return preparation + seconds * share, sum(durations) * 600 / 24_000
    finally:
        pool.close(now=True)
        shutil.rmtree(folder)


Rewrite = Callable[[onnx.ModelProto, Path, str, TrialKind], bytes | None]


def one_trial(
    rewrite: Rewrite,
    source: Path,
    node: NodeInfo,
    kind: TrialKind,
    feeds: Mapping[str, Any],
    reference: Reference,
    unconverted: bytes,
) -> float:
    """Seconds of one trial of one node, from the file to the distance."""
    started = perf_counter()
    model = onnx.load(source)
    expose_durations(model, "duration")
    expose_noise(model)
    session = create_session(rewrite(model, source, node.key, kind) or unconverted)
    waveform, _ = session.run(["waveform", "duration"], dict(feeds))
    reference.compare(waveform)
    return perf_counter() - started


def rewrite_one(model: onnx.ModelProto, source: Path, key: str, kind: TrialKind) -> bytes:
    """Rewrite the one node and serialize."""
    plan = PrecisionPlan().with_precision([key], kind.precision)
    changed, tensors = rewrite_model(model, inventory_of(model, source, 0), plan)
    for tensor in tensors:
        if not isinstance(tensor, onnx.TensorProto):
            tensor = onnx.numpy_helper.from_array(tensor[1], tensor[0].name)
        changed.graph.initializer.append(tensor)
    return bytes(changed.SerializeToString())


def ancestors_way(model: onnx.ModelProto, source: Path, key: str, kind: TrialKind) -> bytes | None:
    """onnxruntime's converter or quantizer over the whole model, with all other nodes left out, and serialize.

    Returns:
        The model; None after a cast: onnxruntime 1.31 refuses what its own converter writes for Kokoro (it repeats the
        casts of a tensor), so the session and the run that follow take the unconverted model.
    """
    if kind is TrialKind.CAST:
        from onnxruntime.transformers.float16 import convert_float_to_float16

        blocked = [node.name for node in model.graph.node if node.name != key]
        changed = convert_float_to_float16(model, keep_io_types=True, op_block_list=[], node_block_list=blocked)
        changed.SerializeToString()
        return None
    from onnxruntime.quantization import QuantizationMode, QuantType
    from onnxruntime.quantization.onnx_quantizer import ONNXQuantizer
    from onnxruntime.quantization.registry import QLinearOpsRegistry

    # As the ancestor calls it: QLinearOps without static ranges, which leaves activations in float.
    quantizer = ONNXQuantizer(
        model, False, False, QuantizationMode.QLinearOps, False, QuantType.QUInt8, QuantType.QUInt8,
        None, [key], [], list(QLinearOpsRegistry), {"DisableShapeInference": True},
    )  # fmt: skip
    quantizer.quantize_model()
    return bytes(quantizer.model.model.SerializeToString())


if __name__ == "__main__":
    main()
