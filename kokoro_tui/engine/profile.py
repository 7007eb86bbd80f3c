"""Where the time of one run goes, by operator, as onnxruntime's own profiler tells it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kokoro_tui.engine.session import check_ids, first_line
from kokoro_tui.engine.signature import Signature, speed_feed
from kokoro_tui.errors import WorkError
from kokoro_tui.speech.utterance import Utterance
from kokoro_tui.store.atomic import atomic_path


@dataclass(frozen=True)
class OpCost:
    """What the nodes of one operator cost together."""

    op: str
    calls: int
    milliseconds: float
    share: float
    """Of the time of all operators, from 0 to 1."""


def profile_run(
    path: Path, signature: Signature, clip: Utterance, target: Path, providers: Sequence[str]
) -> tuple[OpCost, ...]:
    """Run a model once with onnxruntime's profiler and keep its file.

    Args:
        path: The model, run as it is.
        signature: How it names its inputs.
        clip: What to say.
        target: Where the profile goes, in the format of chrome://tracing.
        providers: Execution providers in order of preference.

    Returns:
        The operators, costliest first.

    Raises:
        InputError: An id lies outside the model's vocabulary, or the target cannot be written.
        WorkError: onnxruntime refuses the model or cannot run it.
    """
    import onnxruntime  # 0.12 s: only where a model is run

    check_ids(clip.input_ids, signature.vocabulary_size)
    feeds = {signature.tokens: clip.input_ids, signature.style: clip.style}
    feeds[signature.speed] = speed_feed(signature, clip.speed)
    with atomic_path(target) as partial, TemporaryDirectory(prefix="kokoro-tui-") as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=list(providers))
            session.run([signature.waveform], feeds)
        except Exception as error:
            raise WorkError(
                f"onnxruntime could not profile {path.name}: {first_line(error)}", "run verify without --profile"
            ) from error
        content = Path(session.end_profiling()).read_bytes()
        partial.write_bytes(content)
    return operator_costs(json.loads(content))


def operator_costs(events: Iterable[Mapping[str, Any]]) -> tuple[OpCost, ...]:
    """Costs by operator from the events of a profile, whose durations are in microseconds."""
    calls: dict[str, int] = {}
    spent: dict[str, int] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time"):
            op = str(event["args"]["op_name"])
            calls[op] = calls.get(op, 0) + 1
            spent[op] = spent.get(op, 0) + int(event["dur"])
    total = sum(spent.values())
    order = sorted(spent, key=lambda op: -spent[op])
    return tuple(OpCost(op, calls[op], spent[op] / 1000, spent[op] / total if total else 0.0) for op in order)
