"""Text and voice to clips, with what the user should know about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kokoro_tui.cli.options import SpeechOptions
from kokoro_tui.cli.output import Output

if TYPE_CHECKING:
    from kokoro_tui.engine.signature import Signature
    from kokoro_tui.speech.utterance import Utterance


def prepare_clips(out: Output, signature: Signature, speech: SpeechOptions) -> tuple[Utterance, ...]:
    """The clips to render; more than one only where the text exceeds the model's context.

    Raises:
        InputError: The text, voice or language cannot be used.
    """
    from kokoro_tui.speech.utterance import DEFAULT_TEXT, prepare  # numpy: only where something is said

    text = DEFAULT_TEXT if speech.text is None and speech.phonemes is None else speech.text
    clips = prepare(
        text,
        phonemes=speech.phonemes,
        voice=speech.voice,
        language=speech.language,
        g2p=speech.g2p,
        vocabulary_size=signature.vocabulary_size,
    )
    for note in dict.fromkeys(note for clip in clips for note in clip.notes):
        out.note(note)
    return clips


def voice_fields(clips: tuple[Utterance, ...]) -> dict[str, object]:
    """The voice that speaks and the one that was asked for, as JSON keys."""
    if not clips:
        return {"voice": None, "voice_requested": None}
    return {"voice": clips[0].voice, "voice_requested": clips[0].voice_requested}
