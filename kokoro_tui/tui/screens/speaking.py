"""Which sentences auditions say, and in which voices."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from textual import on, work

from kokoro_tui.errors import KokoroTuiError
from kokoro_tui.speech.sentences import Speech
from kokoro_tui.tui import files
from kokoro_tui.tui.formats import count
from kokoro_tui.tui.messages import JobFailed, SentencesRead
from kokoro_tui.tui.screens.journalling import JournallingScreen

if TYPE_CHECKING:
    from kokoro_tui.audio.analysis import Analysis
    from kokoro_tui.jobs.phonemes import PhonemeReader
    from kokoro_tui.tui.audition import AuditionResult
    from kokoro_tui.tui.sentences import Sentences


class SpeakingScreen(JournallingScreen):
    """Keeps the sentences; what is on show of others is rendered again when they change."""

    _more: tuple[Speech, ...] = ()
    _reader: PhonemeReader | None = None
    _ended = False

    def __init__(self, speech: Speech) -> None:
        super().__init__(speech)
        self._reader_lock = threading.Lock()

    @property
    def speeches(self) -> tuple[Speech, ...]:
        """The sentences of the audition, the first of which is ``speech``."""
        return tuple(dict.fromkeys((self.speech, *self._more)))

    def action_speech(self) -> None:
        """Ask for the sentences and their voices."""
        self._gather_sentences(self.speeches)

    @work(thread=True, exit_on_error=False, group="load")
    def _gather_sentences(self, chosen: tuple[Speech, ...]) -> None:
        # What reads CSV, and the rest, is needed only in the dialog.
        from kokoro_tui.store.sentence_file import read_user_sentences
        from kokoro_tui.tui.sentences import Sentences

        own: list[Speech] = []
        try:
            own = [Speech(text, voice) for voice, text in read_user_sentences()]
        except KokoroTuiError as error:
            self.post_message(JobFailed("reading your sentences", error))
        self.post_message(SentencesRead(Sentences.gathered(own, chosen), files.voice_names()))

    @on(SentencesRead)
    def _sentences_read(self, event: SentencesRead) -> None:
        from kokoro_tui.tui.screens.speech import SpeechScreen  # not needed for the first frame

        screen = SpeechScreen(event.sentences, event.voices, self._read_phonemes)
        self.app.push_screen(screen, self._sentences_chosen)

    def _read_phonemes(self, text: str) -> str:
        """The phonemes of a text; blocks."""
        # multiprocessing and the G2P are needed only in the dialog.
        from kokoro_tui.jobs.phonemes import PhonemeReader

        with self._reader_lock:
            if not self._ended and (self._reader is None or not self._reader.alive):
                self._reader = PhonemeReader(files.job_log())
            reader = self._reader
        return "" if reader is None else reader.read(text)

    def _sentences_chosen(self, sentences: Sentences | None) -> None:
        if sentences is None:
            return
        self._keep_sentences(sentences.own)
        if sentences.chosen == self.speeches:
            return
        self.speech, self._more = sentences.chosen[0], sentences.chosen[1:]
        self.host.remember(text=self.speech.text, voice=self.speech.voice)
        self.speeches_changed()

    def _show_result(self, result: AuditionResult, analysis: Analysis | None) -> None:
        super()._show_result(result, analysis)
        self._compare_speeches()

    def _compare_speeches(self) -> None:
        """Say so where other sentences are heard than were chosen."""
        result = self.player_bar.result
        other = result is not None and result.clips and result.speeches != self.speeches
        self.player_bar.differs = "other sentences were chosen since; b renders them" if other else ""

    def speeches_changed(self) -> None:
        """Render again what is on show, which says something else."""
        self._compare_speeches()
        told = f"{count(len(self.speeches), 'sentence')} taken"
        if self.player_bar.result is None:
            self.say(f"{told}; b renders {'it' if len(self.speeches) == 1 else 'them'}")
        elif self._cancel_build is not None:
            self.say(f"{told}; a build of others is running: b renders them once it is done", warning=True)
        else:
            self.action_build()
            self.say(f"{told} and being rendered; esc stops that")

    @work(thread=True, exit_on_error=False, group="save")
    def _keep_sentences(self, own: tuple[Speech, ...]) -> None:
        from kokoro_tui.store.sentence_file import read_user_sentences, write_user_sentences

        pairs = tuple((speech.voice, speech.text) for speech in own)
        try:
            if pairs != read_user_sentences():
                write_user_sentences(pairs)
        except KokoroTuiError as error:
            self.post_message(JobFailed("keeping your sentences", error))

    def end_jobs(self) -> None:
        """Stop what runs."""
        self._ended = True
        if self._reader is not None:
            self._reader.close()
        super().end_jobs()
