"""How good the planner's plans sound, by a measure and on speech that the planner never saw.

    python -m tests.benchmarks.bench_plans kokoro.onnx --trial-results quantization-trials.csv

PESQ-WB (ITU-T P.862.2, the PyPI package `pesq`) compares each built plan with the original on three sentences in three
voices. Both draw the same noise, and the plan is held to the original's durations, since PESQ aligns whole utterances
and not single sounds; the frames that it moves when it is not held stand in a column of their own. The planner listens
to other sentences in other voices, and to the mel distance; it knows nothing of PESQ. The third voice is af_heart
where this machine has it, else an even blend of the first two; --voice names others.

Plans: what `plan --max-size` finds for each --size, presets, --recipe files, and with --frontier the planner's plans
from the smallest to the original.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import numpy as np
from pesq import pesq

from kokoro_tui.audio.distance import compare, frames_moved
from kokoro_tui.audio.resample import resample
from kokoro_tui.cli.main import run
from kokoro_tui.core.plan import PrecisionPlan
from kokoro_tui.core.sizing import MIB
from kokoro_tui.engine.session import Rendering, SpeechModel, Waveform
from kokoro_tui.graph.apply_plan import build_model
from kokoro_tui.jobs.child import run_in_child
from kokoro_tui.planner.session import FRONTIER_PLANS, PlanningRequest, PlanningSession
from kokoro_tui.speech.utterance import Utterance, prepare
from kokoro_tui.speech.voices import find_voice, list_voices
from kokoro_tui.store.matching_trials import read_matching_trials
from kokoro_tui.store.presets import read_preset
from kokoro_tui.store.recipe_file import read_recipe
from kokoro_tui.workbench import Workbench

SENTENCES = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Please remember to bring your passport and two recent photographs.",
    "It rained all night, yet by morning every street in the old town was dry.",
)
VOICES = ("jf_gongitsune", "jf_tebukuro")
THIRD_VOICE = "af_heart"
PESQ_RATE = 16_000
PRESETS = ("q8f16", "quantized", "w8", "fp16")
SIZES = (82.4, 88.2)


@dataclass(frozen=True)
class Judged:
    """One plan on all sentences."""

    name: str
    nbytes: int
    pesq: tuple[float, ...]
    mel_distance: float
    added_noise_db: float
    frames_moved: int
    """The most of any sentence, with the plan's own durations."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--trial-results", type=Path, default=Path("quantization-trials.csv"))
    parser.add_argument("--size", type=float, nargs="*", default=list(SIZES), metavar="MIB")
    parser.add_argument("--time", type=float, default=10.0, metavar="MINUTES", help="of each plan")
    parser.add_argument("--preset", nargs="*", default=list(PRESETS))
    parser.add_argument("--recipe", type=Path, nargs="*", default=[])
    parser.add_argument("--frontier", action="store_true")
    parser.add_argument("--voice", nargs=3, help="three voice names or files")
    options = parser.parse_args()
    bench = Workbench.open(options.model)
    bench.trials = read_matching_trials(options.trial_results, lambda: bench.model_sha256).table
    clips = judging_clips(options.voice)
    print(f"voices: {', '.join(clip.voice for clip in clips)}")
    references = run_in_child(render, options.model, clips)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plans = [(preset, bench.resolve(read_preset(preset))) for preset in options.preset]
        plans += [(path.name, bench.resolve(read_recipe(path))) for path in options.recipe]
        plans += [(f"plan --max-size {size:g}", plan_within(bench, size, options, folder)) for size in options.size]
        if options.frontier:
            plans += frontier(bench, options.time)
        print_head(clips)
        for plan_name, plan in plans:
            found = run_in_child(judge, options.model, plan_name, plan, clips, references, folder / "judged.onnx")
            print_row(found)


def judging_clips(voices: Sequence[str] | None) -> tuple[Utterance, ...]:
    """Each sentence in its voice."""
    if voices is not None:
        return tuple(prepare(text, voice=voice)[0] for text, voice in zip(SENTENCES, voices, strict=True))
    clips = [prepare(text, voice=voice)[0] for text, voice in zip(SENTENCES, VOICES, strict=False)]
    if any(voice.name == THIRD_VOICE for voice in list_voices()):
        return (*clips, prepare(SENTENCES[2], voice=THIRD_VOICE)[0])
    last = prepare(SENTENCES[2], voice=VOICES[0])[0]
    styles = [find_voice(voice).voice.style_for(len(last.phonemes)) for voice in VOICES]
    return (*clips, replace(last, style=np.mean(styles, axis=0, dtype=np.float32), voice=" + ".join(VOICES)))


def plan_within(bench: Workbench, size: float, options: argparse.Namespace, folder: Path) -> PrecisionPlan:
    """What the command line finds."""
    recipe = folder / f"{size:g}.toml"
    words = ["plan", str(options.model), "--max-size", str(size), "--time", str(options.time)]
    code = run([*words, "--trial-results", str(options.trial_results), "--save-recipe", str(recipe)])
    if code:
        raise SystemExit(code)
    return bench.resolve(read_recipe(recipe))


def frontier(bench: Workbench, minutes: float) -> list[tuple[str, PrecisionPlan]]:
    """The planner's plans from the smallest to the original."""
    session = PlanningSession(bench, PlanningRequest(None, minutes, frontier=FRONTIER_PLANS))
    for _ in session.events():
        pass
    return [(f"frontier {number}", found.plan) for number, found in enumerate(session.result.frontier, start=1)]


def render(model: Path, clips: tuple[Utterance, ...], *, progress: object) -> tuple[Rendering, ...]:
    """What the original says."""
    signature = Workbench.open(model).signature
    assert signature is not None
    original = SpeechModel(model, signature)
    return tuple(original.run(clip) for clip in clips)


def judge(
    model: Path,
    name: str,
    plan: PrecisionPlan,
    clips: tuple[Utterance, ...],
    references: tuple[Rendering, ...],
    target: Path,
    *,
    progress: object,
) -> Judged:
    """Build a plan and compare what it says with the original."""
    signature = Workbench.open(model).signature
    assert signature is not None
    report = build_model(model, plan, target)
    candidate = SpeechModel(target, signature)
    scores, comparisons, moved = [], [], []
    for clip, reference in zip(clips, references, strict=True):
        assert reference.durations is not None
        own = candidate.run(clip)
        assert own.durations is not None
        moved.append(frames_moved(reference.durations, own.durations))
        held = candidate.run(clip, durations=reference.durations)
        comparisons.append(compare(reference.waveform, held.waveform))
        scores.append(wideband_pesq(reference.waveform, held.waveform))
    return Judged(
        name,
        report.final_bytes,
        tuple(scores),
        fmean(c.mel_distance for c in comparisons),
        fmean(c.added_noise_db for c in comparisons),
        max(moved),
    )


def wideband_pesq(reference: Waveform, candidate: Waveform) -> float:
    """PESQ-WB from 1 to 4.64 of two waveforms at 24 kHz."""
    pair = [resample(waveform, 24_000, PESQ_RATE) for waveform in (reference, candidate)]
    return float(pesq(PESQ_RATE, *pair, "wb"))


def print_head(clips: Sequence[Utterance]) -> None:
    """The head of a Markdown table."""
    heads = (
        "plan",
        "MiB",
        *(f"PESQ {number}" for number in range(1, len(clips) + 1)),
        "PESQ mean",
        "mel",
        "dB",
        "moved",
    )
    print("| " + " | ".join(heads) + " |")
    print("|---" + "|---:" * (len(heads) - 1) + "|")


def print_row(found: Judged) -> None:
    """One plan."""
    cells = (
        found.name,
        f"{found.nbytes / MIB:.2f}",
        *(f"{score:.2f}" for score in found.pesq),
        f"{fmean(found.pesq):.2f}",
        f"{found.mel_distance:.3f}",
        f"{found.added_noise_db:.2f}",
        str(found.frames_moved),
    )
    print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
