"""Options that several commands share, each written once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from kokoro_tui.errors import InputError

DEFAULT_MODEL = Path("kokoro.onnx")

JsonFlag = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout and nothing else there.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="No notes and no progress on stderr.")]
DebugFlag = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]

ModelArgument = Annotated[
    Path | None, typer.Argument(metavar="MODEL", show_default=False, help="The model; kokoro.onnx unless given.")
]
ModelOption = Annotated[
    Path | None,
    typer.Option("--onnx-model", "--onnx-path", metavar="FILE", show_default=False, help="The model, as an option."),
]

TextOption = Annotated[
    str | None, typer.Option("--text", "--eval-text", show_default=False, help="What to say; a sentence of 5 s.")
]
PhonemesOption = Annotated[
    str | None, typer.Option("--phonemes", show_default=False, help="What to say, in Kokoro's phonemes; no G2P.")
]


def complete_voice(incomplete: str) -> list[str]:
    """Names of voices that begin so and are on this machine, for the shell."""
    from kokoro_tui.speech.voices import list_voices  # numpy: only where a voice is named

    return [voice.name for voice in list_voices() if voice.name.startswith(incomplete)]


VoiceOption = Annotated[
    str | None,
    typer.Option(
        "--voice",
        "--eval-voice",
        show_default=False,
        help="A voice name, or a voice file.",
        autocompletion=complete_voice,
    ),
]
LanguageOption = Annotated[
    str | None, typer.Option("--lang", show_default=False, help="Language of the text, as en-us; ja by its script.")
]
G2pOption = Annotated[str, typer.Option("--g2p", help="How English becomes phonemes: espeak or spacy.")]


@dataclass(frozen=True)
class SpeechOptions:
    """What to say and how."""

    text: str | None = None
    phonemes: str | None = None
    voice: str | None = None
    language: str | None = None
    g2p: str = "espeak"


def chosen_model(argument: Path | None, option: Path | None) -> Path:
    """The model that was named as an argument or as an option.

    Raises:
        InputError: Both were given and differ.
    """
    if argument is not None and option is not None and argument != option:
        raise InputError(f"two models were named: {argument} and {option}", "name one of them")
    return argument or option or DEFAULT_MODEL
