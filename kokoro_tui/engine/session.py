"""onnxruntime sessions: created quietly, run with the noise and the durations that the caller gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from kokoro_tui.engine.signature import Signature, speed_feed
from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.graph.harness import PINNED_DURATIONS, NoiseInput, read_harness
from kokoro_tui.speech.utterance import Utterance

OrtValue = Any
"""A tensor in onnxruntime's hands, which has no type annotations."""

NOISE_SEED = 20250816
"""Default seed of the paired noise."""
NOISE_DRAWS = 1 << 20
"""Draws per random node; longer needs repeat them. 2**20 are about five seconds of Kokoro's nine harmonics."""
NEVER_CHOSEN = frozenset({"AzureExecutionProvider"})
"""Providers that onnxruntime lists although they cannot run a local model."""

Waveform = npt.NDArray[np.float32]
Feed = npt.NDArray[Any]


@dataclass(frozen=True)
class Rendering:
    """What one run gave."""

    waveform: Waveform
    """Samples [t] at 24 kHz, from -1 to 1."""
    durations: npt.NDArray[np.int64] | None
    """Frames of 600 samples per token [n], where the model tells."""
    seconds: float
    """Wall time of the run."""


class SpeechModel:
    """A Kokoro model that is ready to run with paired noise.

    Args:
        path: The model file.
        signature: How it names its inputs.
        pin: Let durations be given to ``run``; only where the model has a duration output.
        threads: Threads of one run; 0 takes onnxruntime's default.
        seed: Of the noise; models that are compared must share it.
        providers: Execution providers in order of preference.

    Raises:
        InputError: The file cannot be read.
        WorkError: onnxruntime refuses the model.
    """

    def __init__(
        self,
        path: Path,
        signature: Signature,
        *,
        pin: bool = True,
        threads: int = 0,
        seed: int = NOISE_SEED,
        providers: Sequence[str] = ("CPUExecutionProvider",),
    ) -> None:
        harness = read_harness(path, signature.duration if pin else None)
        self.signature = signature
        self.pinnable = harness.pinnable
        self.unpaired = harness.unpaired
        self._noise = noise_feeds(harness.noise, seed)
        self._session = create_session(harness.model, threads=threads, providers=providers, name=path.name)
        declared = {value.name: value for value in self._session.get_inputs()}
        self._options = run_options()
        given = {value.name for value in self._session.get_outputs()}
        # Durations inside a model can be told only while they are held.
        self._outputs = [name for name in (signature.waveform, signature.duration) if name in given]
        pinned = declared.get(PINNED_DURATIONS)
        self._pin_type = _PIN_TYPES.get(pinned.type if pinned else "", np.int64)
        self._pin_shape = (*(1,) * (len(pinned.shape) - 1), -1) if pinned else (-1,)

    def run(self, clip: Utterance, *, durations: npt.NDArray[np.int64] | None = None) -> Rendering:
        """Speak.

        Args:
            clip: What to say.
            durations: Frames per token to hold the model to; None renders with its own.

        Raises:
            InputError: An id lies outside the model's vocabulary, or the model cannot take the speed.
            WorkError: The run failed or was stopped, or gave audio that is not finite.
        """
        check_ids(clip.input_ids, self.signature.vocabulary_size)
        feeds = self._feeds(clip)
        if self.pinnable:
            feeds[PINNED_DURATIONS] = self._pin(self._own_durations(clip, feeds) if durations is None else durations)
        started = perf_counter()
        outputs = self._run(self._outputs, feeds)
        seconds = perf_counter() - started
        waveform = np.ascontiguousarray(outputs[0], dtype=np.float32).reshape(-1)
        if waveform.size == 0 or not np.isfinite(waveform).all():
            raise WorkError("the model gave audio that is not finite", "move the riskiest nodes back to FP32")
        own_durations = np.asarray(outputs[1], dtype=np.int64).reshape(-1) if len(outputs) > 1 else None
        return Rendering(waveform, own_durations, seconds)

    @property
    def noise(self) -> tuple[Waveform, ...]:
        """The draws of every random node [draws], in graph order."""
        return tuple(self._noise.values())

    @property
    def provider(self) -> str:
        """The execution provider that comes first; onnxruntime drops those that it cannot start."""
        return str(self._session.get_providers()[0])

    def stop(self) -> None:
        """End the run that goes on in another thread; it raises ``WorkError`` within milliseconds."""
        self._options.terminate = True

    def _feeds(self, clip: Utterance) -> dict[str, Feed]:
        feeds: dict[str, Feed] = {**self._noise, **speech_feeds(clip, self.signature)}
        return feeds

    def _own_durations(self, clip: Utterance, feeds: Mapping[str, Feed]) -> npt.NDArray[np.int64]:
        """What the model itself would choose: only the nodes before its duration output are run."""
        unused = self._pin(np.ones(clip.input_ids.size, dtype=np.int64))
        self._options.only_execute_path_to_fetches = True
        try:
            outputs = self._run([self.signature.duration], {**feeds, PINNED_DURATIONS: unused})
        finally:
            self._options.only_execute_path_to_fetches = False
        return np.asarray(outputs[0], dtype=np.int64)

    def _pin(self, durations: npt.NDArray[np.int64]) -> Feed:
        return durations.astype(self._pin_type).reshape(self._pin_shape)

    def _run(self, names: Sequence[str | None], feeds: Mapping[str, Feed]) -> list[Any]:
        try:
            return list(self._session.run(list(names), dict(feeds), self._options))
        except Exception as error:
            raise WorkError(f"onnxruntime could not run the model: {first_line(error)}", _RUN_HINT) from error


_PIN_TYPES = {"tensor(int32)": np.int32, "tensor(float)": np.float32, "tensor(double)": np.float64}
_RUN_HINT = "run `kokoro-tui verify` on the source model; if that works, move the last changed nodes back"


def create_session(
    model: bytes | str,
    *,
    threads: int = 0,
    optimize: bool = False,
    arena: bool = True,
    shared: bool = False,
    providers: Sequence[str] = ("CPUExecutionProvider",),
    name: str = "model",
) -> Any:
    """An onnxruntime session that prints nothing and does not spin while it waits.

    Args:
        model: Serialized model, or the path of one.
        threads: Threads of one run; 0 takes onnxruntime's default.
        optimize: Let onnxruntime fuse nodes, as a deployed model is run. Fusions change the last bits of F0, which
            is integrated into the phase: two FP32 sessions that fuse differently are up to 0.05 apart in mel
            distance. Measurements therefore run without, which costs no time on FP32 and 9 % on INT8.
        arena: Let the session keep the memory of its largest run.
        shared: Of many sessions in one process that run one after the other: they keep the memory of the largest run
            together. An arena each would hold 3.7 GB for the pieces of Kokoro, none would cost 5 % of the speed.
        providers: Execution providers in order of preference.
        name: What to call the model in errors.

    Raises:
        WorkError: onnxruntime refuses the model.
    """
    import onnxruntime  # 0.12 s: only where a model is run

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.enable_cpu_mem_arena = options.enable_mem_pattern = arena
    if shared:
        _register_shared_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=list(providers))
    except Exception as error:
        raise WorkError(
            f"onnxruntime cannot load {name}: {first_line(error)}",
            "check that the file is complete, or update onnxruntime",
        ) from error


@cache
def _register_shared_arena() -> None:
    """Give this process the arena that ``create_session(shared=True)`` draws on."""
    import onnxruntime  # 0.12 s: only where a model is run

    kind, place = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, onnxruntime.OrtMemType.DEFAULT
    # No limit, grown by what is asked for rather than to the next power of two, and otherwise onnxruntime's defaults.
    growth = onnxruntime.OrtArenaCfg(0, 1, -1, -1)
    onnxruntime.create_and_register_allocator(onnxruntime.OrtMemoryInfo("Cpu", kind, 0, place), growth)


def run_options() -> Any:
    """onnxruntime's ``RunOptions``; setting ``terminate`` on them stops a run."""
    import onnxruntime  # 0.12 s: only where a model is run

    return onnxruntime.RunOptions()


def noise_feeds(noise: Sequence[NoiseInput], seed: int) -> dict[str, Feed]:
    """The draws of every random node, by input name."""
    return {entry.name: entry.draws(seed, index, NOISE_DRAWS) for index, entry in enumerate(noise)}


def feeds_of(clip: Utterance, signature: Signature, noise: Sequence[NoiseInput], seed: int) -> dict[str, Feed]:
    """The graph inputs of one clip, without durations."""
    return {**noise_feeds(noise, seed), **speech_feeds(clip, signature)}


def speech_feeds(clip: Utterance, signature: Signature) -> dict[str, Feed]:
    """The graph inputs of one clip, without noise and durations."""
    return {
        signature.tokens: clip.input_ids,
        signature.style: clip.style,
        signature.speed: speed_feed(signature, clip.speed),
    }


def check_ids(input_ids: npt.NDArray[np.int64], vocabulary_size: int) -> None:
    """Refuse ids that would read outside the token embedding.

    Raises:
        InputError: Naming the first such id.
    """
    bad = input_ids[(input_ids < 0) | (input_ids >= vocabulary_size)]
    if bad.size:
        raise InputError(
            f"token id {int(bad[0])} is outside the model's vocabulary of {vocabulary_size}",
            "check the phonemes; this model may have been exported with another vocabulary",
        )


def available_providers() -> tuple[str, ...]:
    """Execution providers that can run a local model here, best first."""
    import onnxruntime  # 0.12 s: only where a model is run

    return tuple(p for p in onnxruntime.get_available_providers() if p not in NEVER_CHOSEN)


def first_line(error: Exception) -> str:
    """The first line of an error message, without onnxruntime's prefix."""
    text = str(error).strip().splitlines()
    return text[0].removeprefix("[ONNXRuntimeError] : ") if text else type(error).__name__


def ort_values(tensors: Mapping[str, npt.NDArray[Any]]) -> dict[str, OrtValue]:
    """Tensors as onnxruntime takes them, without a copy."""
    import onnxruntime  # 0.12 s: only where a model is run

    return {name: onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for name, tensor in tensors.items()}
