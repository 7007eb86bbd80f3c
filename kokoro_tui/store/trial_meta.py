"""What a trial table was measured on, in ``X.meta.json`` beside ``X.csv``: only like is compared with like."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from kokoro_tui.core.plan import WeightType
from kokoro_tui.errors import InputError
from kokoro_tui.store.atomic import atomic_path
from kokoro_tui.store.text_file import read_text

_FRESH_HINT = "use --fresh to move the table aside and start a new one"


@dataclass(frozen=True)
class TrialMeta:
    """The conditions of a run; the lists have one entry a clip."""

    model_sha256: str
    phonemes: tuple[str, ...]
    input_ids: tuple[tuple[int, ...], ...]
    """Token ids with the padding at both ends, as the model gets them."""
    voice: tuple[str, ...]
    noise_seed: int
    weight_type: WeightType
    calibration: str
    """Identity of the calibration data of static trials; empty without any."""
    algorithm_version: int
    """Raised whenever the same trial would give another figure."""


def meta_path(table: Path) -> Path:
    """The meta file of a table."""
    return table.with_suffix(".meta.json")


def write_meta(table: Path, meta: TrialMeta) -> None:
    """Write the meta file of a table, whole or not at all.

    Raises:
        WriteError: It cannot be written.
    """
    text = json.dumps(asdict(meta), indent=2, ensure_ascii=False) + "\n"
    with atomic_path(meta_path(table)) as partial:
        partial.write_bytes(text.encode())


def read_meta(table: Path) -> TrialMeta | None:
    """The meta of a table; None if it has none, as tables from elsewhere.

    Raises:
        InputError: There is a meta file, but it cannot be read.
    """
    path = meta_path(table)
    if not path.exists():
        return None
    text = read_text(path, _FRESH_HINT)
    try:
        return _parse(json.loads(text))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{path} does not describe a trial table", _FRESH_HINT) from error


def differences(stored: TrialMeta, wanted: TrialMeta) -> tuple[str, ...]:
    """What differs between a table's meta and that of a new run, in words; empty if nothing does."""
    found: list[str] = []
    if stored.model_sha256 != wanted.model_sha256:
        found.append(f"it is of another model (sha256 {stored.model_sha256[:12]}, now {wanted.model_sha256[:12]})")
    if len(stored.phonemes) != len(wanted.phonemes):
        found.append(f"it was measured on {_clips(stored)}, now {_clips(wanted)}")
    elif stored.phonemes != wanted.phonemes:
        found.append(f"the text reads {_short(stored.phonemes)}, now {_short(wanted.phonemes)}")
    elif stored.input_ids != wanted.input_ids:
        found.append("the same phonemes have other token ids")
    if stored.voice != wanted.voice:
        found.append(f"the voice is {', '.join(stored.voice)}, now {', '.join(wanted.voice)}")
    if stored.noise_seed != wanted.noise_seed:
        found.append(f"the noise seed is {stored.noise_seed}, now {wanted.noise_seed}")
    if stored.weight_type is not wanted.weight_type:
        found.append(f"the weight type is {stored.weight_type.value}, now {wanted.weight_type.value}")
    if stored.calibration != wanted.calibration:
        found.append(f"the calibration is {stored.calibration or 'none'}, now {wanted.calibration or 'none'}")
    if stored.algorithm_version != wanted.algorithm_version:
        found.append(f"the measuring method is version {stored.algorithm_version}, now {wanted.algorithm_version}")
    return tuple(found)


def _parse(values: Any) -> TrialMeta:
    """A meta from parsed JSON; raises KeyError, TypeError or ValueError where it does not fit."""
    meta = TrialMeta(
        model_sha256=_text(values["model_sha256"]),
        phonemes=tuple(_text(clip) for clip in _list(values["phonemes"])),
        input_ids=tuple(tuple(_integer(i) for i in _list(clip)) for clip in _list(values["input_ids"])),
        voice=tuple(_text(name) for name in _list(values["voice"])),
        noise_seed=_integer(values["noise_seed"]),
        weight_type=WeightType(values["weight_type"]),
        calibration=_text(values["calibration"]),
        algorithm_version=_integer(values["algorithm_version"]),
    )
    if not len(meta.phonemes) == len(meta.input_ids) == len(meta.voice):
        raise ValueError("phonemes, input ids and voices differ in number")
    return meta


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r} is not a list")
    return value


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _clips(meta: TrialMeta) -> str:
    return "1 clip" if len(meta.phonemes) == 1 else f"{len(meta.phonemes)} clips"


def _short(phonemes: tuple[str, ...]) -> str:
    text = " ".join(phonemes)
    return f"{text[:40]}…" if len(text) > 40 else text
