"""What all trials of one run share: the model in pieces and the reference's tensors, on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from kokoro_tui.audio.distance import compare
from kokoro_tui.core.calibration import Calibration
from kokoro_tui.core.cutting import Grain
from kokoro_tui.core.plan import WeightType
from kokoro_tui.engine.session import NOISE_SEED, OrtValue, check_ids, create_session, feeds_of, ort_values
from kokoro_tui.engine.signature import Signature
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.harness import PINNED_DURATIONS
from kokoro_tui.graph.pieces import CutModel, Cutter
from kokoro_tui.speech.utterance import Utterance

Tensor = npt.NDArray[Any]

ALGORITHM_VERSION = 1
"""Raised whenever the same trial would give another figure."""
REFERENCE_BYTES = 2 << 30
"""Most bytes of reference tensors that are kept for one run; beyond it the model is cut more coarsely."""


@dataclass(frozen=True)
class TrialContext:
    """Everything a worker needs to evaluate trials; small enough to be sent to it."""

    folder: Path
    """Holds the pieces and the reference's tensors; removed when the run ends."""
    cut: CutModel
    signature: Signature
    clips: tuple[Utterance, ...]
    durations: tuple[tuple[int, ...] | None, ...]
    """The reference's frames per token, by clip; None where the model tells none."""
    stored: tuple[str, ...]
    """Names of the values that are kept; their positions are their file names."""
    piece_seconds: tuple[float, ...]
    """What each piece took in the reference run, all clips together."""
    noise_floor: float
    """Largest distance of the reference to itself through the same machinery; 0 unless something is wrong."""
    weight_type: WeightType
    calibration: Calibration | None
    """Ranges for static trials; None where there are none."""
    seed: int

    @property
    def pinned(self) -> bool:
        """Whether trials are held to the reference's durations."""
        return self.cut.pinnable

    def value_file(self, clip: int, name: str) -> Path:
        """Where the reference's value of a clip lies."""
        return self.folder / f"clip-{clip}" / f"{self.stored.index(name)}.npy"


def prepare_context(
    source: Path,
    signature: Signature,
    clips: Sequence[Utterance],
    folder: Path,
    *,
    weight_type: WeightType = WeightType.QINT8,
    calibration: Calibration | None = None,
    seed: int = NOISE_SEED,
    budget: int = REFERENCE_BYTES,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> TrialContext:
    """Cut the model, run the reference on every clip and keep what crosses the borders.

    Args:
        source: The FP32 model.
        signature: Of it.
        clips: Sentences to judge by.
        folder: An empty folder for the pieces and tensors.
        weight_type: Of INT8 trials.
        calibration: Ranges for static trials.
        seed: Of the noise.
        budget: Most bytes of tensors to keep; a model whose borders hold more is cut more coarsely.
        progress: Receives stages and shares.

    Raises:
        InputError: A token id lies outside the vocabulary, or the model cannot be read.
        WorkError: The reference cannot be run, or its audio is not finite.
    """
    for clip in clips:
        check_ids(clip.input_ids, signature.vocabulary_size)
    progress("cut the model", 0.0)
    cutter = Cutter(source, signature.duration)
    for grain in Grain:
        model = cutter.cut(folder, grain)
        progress("run the reference", 0.3)
        reference = _Reference(model, signature, folder, seed, budget)
        if reference.run(clips, lambda share: progress("run the reference", 0.3 + 0.7 * share)):
            break
    return TrialContext(
        folder=folder,
        cut=model,
        signature=signature,
        clips=tuple(clips),
        durations=tuple(reference.durations),
        stored=reference.stored,
        piece_seconds=tuple(reference.seconds),
        noise_floor=reference.noise_floor,
        weight_type=weight_type,
        calibration=calibration,
        seed=seed,
    )


def open_piece(model: Path | bytes, threads: int) -> Any:
    """A session for one piece, in a file or rewritten in memory.

    Raises:
        WorkError: onnxruntime refuses it.
    """
    source, name = (model, "the changed piece") if isinstance(model, bytes) else (str(model), "a piece")
    return create_session(source, threads=threads, shared=True, name=name)


def run_piece(session: Any, outputs: Sequence[str], values: Mapping[str, OrtValue]) -> list[OrtValue]:
    """Run one piece on the values that it reads; nothing is copied on the way in or out.

    Raises:
        WorkError: onnxruntime failed.
    """
    try:
        return list(session.run_with_ort_values(list(outputs), dict(values)))
    except Exception as error:
        raise WorkError(f"a piece of the model failed: {str(error).splitlines()[0]}", "see the log") from error


class _Reference:
    """The reference run of one cut."""

    def __init__(self, model: CutModel, signature: Signature, folder: Path, seed: int, budget: int) -> None:
        self._model = model
        self._signature = signature
        self._folder = folder
        self._seed = seed
        self._left = budget
        self._sessions = [open_piece(file.path, threads=0) for file in model.pieces]
        self._last_uses = last_uses(model)
        self.stored = stored_values(model)
        self.seconds = [0.0] * len(model.pieces)
        self.durations: list[tuple[int, ...] | None] = []
        self.noise_floor = 0.0

    def run(self, clips: Sequence[Utterance], progress: Callable[[float], None]) -> bool:
        """Run every clip twice: to keep its tensors, and to measure the noise floor. False if over the budget."""
        for index, clip in enumerate(clips):
            feeds = feeds_of(clip, self._signature, self._model.noise, self._seed)
            durations = self._own_durations(clip, feeds)
            if durations is not None:
                feeds[PINNED_DURATIONS] = durations
            target = self._folder / f"clip-{index}"
            target.mkdir(exist_ok=True)
            if not self._keep(feeds, target):
                return False
            progress((index + 0.5) / len(clips))
            self._measure_floor(feeds, target)
            progress((index + 1) / len(clips))
        return True

    def _own_durations(self, clip: Utterance, feeds: Mapping[str, Tensor]) -> Tensor | None:
        """What the model itself chooses: run up to its duration output, with any durations in their place."""
        name = self._signature.duration
        if name is None:
            self.durations.append(None)
            return None
        unused = {PINNED_DURATIONS: np.ones(clip.input_ids.size, dtype=np.int64)}
        found = next(outputs[name] for _, outputs, _ in self._walk({**feeds, **unused}) if name in outputs)
        durations = found.numpy().astype(np.int64).reshape(-1)
        self.durations.append(tuple(int(frames) for frames in durations))
        return durations if self._model.pinnable else None

    def _keep(self, feeds: Mapping[str, Tensor], target: Path) -> bool:
        """Run once and store every value that crosses a border; False as soon as they exceed the budget."""
        for index, outputs, seconds in self._walk(feeds):
            self.seconds[index] += seconds
            self._left -= sum(value.tensor_size_in_bytes() for value in outputs.values())
            if self._left < 0 and len(self._model.pieces) > 1:
                return False
            for name, value in outputs.items():
                np.save(target / f"{self.stored.index(name)}.npy", value.numpy(), allow_pickle=False)
        return True

    def _measure_floor(self, feeds: Mapping[str, Tensor], target: Path) -> None:
        """Run everything once more and compare with what was kept."""
        name = self._signature.waveform
        again = next(outputs[name] for _, outputs, _ in self._walk(feeds) if name in outputs)
        kept = np.load(target / f"{self.stored.index(name)}.npy", allow_pickle=False)
        first, second = (np.asarray(w, dtype=np.float32).reshape(-1) for w in (kept, again.numpy()))
        if not np.isfinite(first).all():
            raise WorkError("the reference's audio is not finite", "check the model with `kokoro-tui verify`")
        self.noise_floor = max(self.noise_floor, compare(first, second).mel_distance)

    def _walk(self, feeds: Mapping[str, Tensor]) -> Iterator[tuple[int, dict[str, OrtValue], float]]:
        """Run piece after piece: position, outputs by name, and seconds of each."""
        values = ort_values(feeds)
        for index, (session, file) in enumerate(zip(self._sessions, self._model.pieces, strict=True)):
            started = perf_counter()
            outputs = run_piece(session, file.piece.outputs, inputs_of(file.piece.inputs, values))
            named = dict(zip(file.piece.outputs, outputs, strict=True))
            yield index, named, perf_counter() - started
            values.update(named)
            for name in self._last_uses.get(index, ()):
                values.pop(name, None)


def stored_values(model: CutModel) -> tuple[str, ...]:
    """The values that cross a border, and the graph outputs, in the order in which they are made."""
    return tuple(dict.fromkeys(name for file in model.pieces for name in file.piece.outputs))


def inputs_of(names: Iterable[str], values: Mapping[str, OrtValue]) -> dict[str, OrtValue]:
    """The values of a piece's inputs.

    Raises:
        InputError: One is missing: the model has an input that Kokoro does not.
    """
    try:
        return {name: values[name] for name in names}
    except KeyError as error:
        raise InputError(
            f"the model wants an input {error.args[0]!r} that Kokoro does not have", _KOKORO_HINT
        ) from error


_KOKORO_HINT = "trials need a Kokoro export with input_ids or tokens, style and speed"


def last_uses(model: CutModel) -> dict[int, list[str]]:
    """By piece, the values that nothing behind it reads."""
    last: dict[str, int] = {}
    for index, file in enumerate(model.pieces):
        for name in file.piece.inputs:
            last[name] = index
    found: dict[int, list[str]] = {}
    for name, index in last.items():
        found.setdefault(index, []).append(name)
    return found
