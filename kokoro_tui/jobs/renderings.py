"""Renderings that are kept on the disk, so that nothing is built or said twice.

A sentence has a folder of its own. It holds what the original said and, named after the digest of its plan, what
every build said, as WAV files to listen to and JSON files with the figures. The folder's name is made of everything
that the sound depends on besides the model and the plan, so that what is out of date is never found.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from kokoro_tui.audio.wav import read_wav, write_wav
from kokoro_tui.engine.measure import Durations, Figures, Measurement
from kokoro_tui.engine.session import NOISE_SEED, Rendering, Waveform
from kokoro_tui.errors import InputError
from kokoro_tui.speech.utterance import Utterance
from kokoro_tui.store.atomic import atomic_path
from kokoro_tui.store.paths import make_folder
from kokoro_tui.store.text_file import read_text

ALGORITHM_VERSION = 1
"""Raised whenever the same model and ids would give another sound or other figures."""
_SLUG_LETTERS = 32
_ORIGINAL = "original"
_SCALARS = (
    "mel_distance", "added_noise_db", "frames_moved", "pinned", "reference_factor", "candidate_factor", "paired",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class KeptBuild:
    """What a build of a plan said, and how large it was."""

    measurement: Measurement
    original_bytes: int
    final_bytes: int
    speed: tuple[float, ...] = ()
    """From ``speed_ratios``; none where both models did not take turns."""


class SentenceFolder:
    """The renderings of one sentence by one model and its builds.

    Args:
        model_folder: The folder of the model.
        clips: The sentence.
    """

    def __init__(self, model_folder: Path, clips: Sequence[Utterance]) -> None:
        self._path = model_folder / f"{_slug(clips[0].text)}-{_digest(clips)}"

    @property
    def original_wav(self) -> Path:
        """What the original said."""
        return self._path / f"{_ORIGINAL}.wav"

    def candidate_wav(self, digest: str) -> Path:
        """What the build of the plan with this digest said."""
        return self._path / f"candidate-{digest}.wav"

    def read_original(self) -> tuple[Rendering, ...] | None:
        """What the original said, clip by clip; None if that is not kept, or damaged."""
        with suppress(InputError, ValueError, KeyError, TypeError):
            cells = _read_json(self.original_wav)
            parts = np.split(_read_wav(self.original_wav), np.cumsum(cells["samples"])[:-1])
            durations = cells["durations"] or [None] * len(parts)
            return tuple(
                Rendering(part, _durations(told), float(seconds))
                for part, told, seconds in zip(parts, durations, cells["seconds"], strict=True)
            )
        return None

    def keep_original(self, renderings: Sequence[Rendering]) -> None:
        """Keep what the original said.

        Raises:
            WriteError: It cannot be written.
        """
        make_folder(self._path)
        told = [_listed(r.durations) for r in renderings]
        write_wav(self.original_wav, np.concatenate([r.waveform for r in renderings]))
        cells = {
            "samples": [r.waveform.size for r in renderings],
            "durations": None if None in told else told,
            "seconds": [r.seconds for r in renderings],
        }
        _write_json(self.original_wav, cells)

    def read_build(self, digest: str) -> KeptBuild | None:
        """What the build of a plan said; None if that, or what the original said, is not kept or damaged."""
        path = self.candidate_wav(digest)
        with suppress(InputError, ValueError, KeyError, TypeError):
            cells = _read_json(path)
            figures = Figures(
                **{name: cells[name] for name in _SCALARS},
                reference_durations=_durations(cells["reference_durations"]),
                candidate_durations=_durations(cells["candidate_durations"]),
            )
            found = read_measurement(figures, self.original_wav, path)
            speed = tuple(float(ratio) for ratio in cells["speed"])
            return KeptBuild(found, int(cells["original_bytes"]), int(cells["final_bytes"]), speed)
        return None

    def keep_build(self, digest: str, kept: KeptBuild) -> None:
        """Keep what the build of a plan said.

        Raises:
            WriteError: It cannot be written.
        """
        path, found = self.candidate_wav(digest), kept.measurement
        write_wav(path, found.candidate)
        if found.pinned_candidate is not None and found.frames_moved:
            write_wav(_pinned(path), found.pinned_candidate)
        cells: dict[str, object] = {name: getattr(found, name) for name in _SCALARS}
        cells |= {
            "reference_durations": _listed(found.reference_durations),
            "candidate_durations": _listed(found.candidate_durations),
            "original_bytes": kept.original_bytes,
            "final_bytes": kept.final_bytes,
            "speed": list(kept.speed),
        }
        _write_json(path, cells)


def read_measurement(figures: Figures, original_wav: Path, candidate_wav: Path) -> Measurement:
    """Figures with the renderings that they were taken of, which are kept on the disk.

    Args:
        figures: What was measured.
        original_wav: What the original said, in the folder of its sentence.
        candidate_wav: What the build said.

    Raises:
        InputError: A rendering has gone from the cache, or is damaged.
    """
    candidate = _read_wav(candidate_wav)
    pinned = _read_wav(_pinned(candidate_wav)) if figures.frames_moved else candidate
    return Measurement(
        **vars(figures),
        reference=_read_wav(original_wav),
        candidate=candidate,
        pinned_candidate=pinned if figures.pinned else None,
    )


def _digest(clips: Sequence[Utterance]) -> str:
    """Of everything that the sound depends on besides model and plan."""
    digest = hashlib.sha256(f"{ALGORITHM_VERSION} {version('onnxruntime')} {NOISE_SEED}".encode())
    for clip in clips:
        digest.update(f"{clip.input_ids.size} {clip.speed!r}".encode())
        digest.update(clip.input_ids.tobytes())
        digest.update(clip.style.tobytes())
    return digest.hexdigest()[:16]


def _slug(text: str) -> str:
    """The first words, for people who look into the folder."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower())[:_SLUG_LETTERS].strip("-")
    return words or "sentence"


def _pinned(wav: Path) -> Path:
    return wav.with_name(f"{wav.stem}-pinned.wav")


def _read_wav(path: Path) -> Waveform:
    try:
        samples, _ = read_wav(path)
    except InputError as error:
        raise InputError("a rendering has gone from the cache, or is damaged", "build the plan again") from error
    _touch(path)
    return samples


def _read_json(wav: Path) -> Any:
    path = wav.with_suffix(".json")
    found = json.loads(read_text(path, "render the sentence again"))
    _touch(path)
    return found


def _touch(path: Path) -> None:
    """Mark as used: what has not been used for longest is removed first."""
    with suppress(OSError):
        os.utime(path)


def _write_json(wav: Path, cells: object) -> None:
    with atomic_path(wav.with_suffix(".json")) as partial:
        partial.write_text(json.dumps(cells), encoding="utf-8")


def _durations(told: object) -> Durations | None:
    return None if told is None else np.array(told, dtype=np.int64)


def _listed(durations: Durations | None) -> list[int] | None:
    return None if durations is None else durations.tolist()
