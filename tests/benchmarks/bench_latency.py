"""How fast built models run, as ratios of medians over interleaved pairs in one run.

    python -m tests.benchmarks.bench_latency kokoro.onnx

* w8 against the FP32 model (goal: at most 1.1);
* fp16 against what onnxruntime's float16 converter makes of the same nodes (goal: at most 1.05). What it writes for
  Kokoro is refused by onnxruntime 1.31 and is repaired first: a tensor's casts are repeated under one name for every
  reader, and it casts inside the bodies of If, whose outputs then have another type than they state.

Sessions are opened as a user opens them: onnxruntime's default options, CPU. Both models of a pair say the same
sentence with the same noise and durations, first one first, then the other one first. Run nothing beside it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import onnx

from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.precision import Precision
from kokoro_tui.engine.session import NOISE_SEED, SpeechModel, feeds_of
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.graph.harness import PINNED_DURATIONS, read_harness
from kokoro_tui.graph.load import captures, subgraphs
from kokoro_tui.speech.utterance import DEFAULT_TEXT, prepare
from kokoro_tui.store.presets import read_preset
from kokoro_tui.workbench import Workbench

Run = Callable[[], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--text", default=DEFAULT_TEXT)
    options = parser.parse_args()
    bench = Workbench.open(options.model)
    signature = bench.signature
    assert signature is not None, "the benchmark needs a Kokoro model"
    clip = prepare(options.text)[0]
    feeds = feeds_of(clip, signature, read_harness(options.model, signature.duration).noise, NOISE_SEED)
    rendering = SpeechModel(options.model, signature).run(clip)
    assert rendering.durations is not None
    feeds[PINNED_DURATIONS] = rendering.durations
    print(f"clip {rendering.waveform.size / 24_000:.1f} s, {options.pairs} pairs", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        w8, fp16, theirs = (Path(folder, name) for name in ("w8.onnx", "fp16.onnx", "theirs.onnx"))
        halves = bench.resolve(read_preset("fp16"))
        build_model(options.model, bench.resolve(read_preset("w8")), w8)
        build_model(options.model, halves, fp16)
        convert_half(options.model, halves, theirs)
        for name, ours, base, goal in (
            ("w8 / FP32", w8, options.model, 1.1),
            ("fp16 / onnxruntime's converter", fp16, theirs, 1.05),
        ):
            seconds = interleaved(runner(ours, feeds), runner(base, feeds), options.pairs)
            own, other = (median(column) for column in zip(*seconds, strict=True))
            print(f"{name}: {own:.3f} s / {other:.3f} s = {own / other:.3f} (goal {goal})", flush=True)


def interleaved(first: Run, second: Run, pairs: int) -> list[tuple[float, float]]:
    """Seconds of both, pair by pair, in alternating order, after one unmeasured run each."""
    first(), second()
    found = []
    for index in range(pairs):
        if index % 2:
            late = timed(second)
            found.append((timed(first), late))
        else:
            found.append((timed(first), timed(second)))
    return found


def timed(run: Run) -> float:
    """Seconds of one run."""
    started = perf_counter()
    run()
    return perf_counter() - started


def runner(path: Path, feeds: Mapping[str, Any]) -> Run:
    """One run of a model in a session with onnxruntime's own options, given noise and durations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    model = read_harness(path, "duration").model
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    declared = {value.name for value in session.get_inputs()}
    given = {name: value for name, value in feeds.items() if name in declared}
    return lambda: session.run(["waveform"], given)


def convert_half(source: Path, plan: PrecisionPlan, target: Path) -> None:
    """The FP16 nodes of a plan with onnxruntime's converter, in a form that onnxruntime loads."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(source)
    bodies = {node.name: node for node in map(copied, model.graph.node) if subgraphs(node)}
    halves = {name for n in model.graph.node if plan.precision_of(n.name) is Precision.FP16 for name in n.output}
    blocked = [node.name for node in model.graph.node if plan.precision_of(node.name) is not Precision.FP16]
    model = convert_float_to_float16(model, keep_io_types=True, op_block_list=[], node_block_list=blocked)
    nodes: list[onnx.NodeProto] = []
    written: set[str] = set()
    for node in model.graph.node:
        if written.issuperset(node.output):
            continue
        if node.name in bodies:
            nodes += casts_of_captures(bodies[node.name], halves)
            del node.attribute[:]
            node.attribute.extend(bodies[node.name].attribute)
        nodes.append(copied(node))
        written.update(node.output)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.save(model, target)


def casts_of_captures(node: onnx.NodeProto, halves: Collection[str]) -> list[onnx.NodeProto]:
    """Casts of the FP16 values that the bodies of a node read, which then read those, in place."""
    casts = []
    for name in sorted({name for name in captures(node) if name in halves}):
        own = f"{name}_for_{node.name}"
        casts.append(onnx.helper.make_node("Cast", [name], [own], to=onnx.TensorProto.FLOAT))
        for body in subgraphs(node):
            for inner in body.node:
                inner.input[:] = [own if read == name else read for read in inner.input]
    return casts


def copied(node: onnx.NodeProto) -> onnx.NodeProto:
    """A copy of a node."""
    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


if __name__ == "__main__":
    main()
