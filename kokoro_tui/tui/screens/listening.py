"""Blind tests: what is compared, and what all of them together have given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import on, work
from textual.reactive import var

from kokoro_tui.errors import InputError, KokoroTuiError
from kokoro_tui.tui.formats import count, short_path
from kokoro_tui.tui.messages import JobFailed, ListeningLogRead
from kokoro_tui.tui.screens.comparing import ComparingScreen

if TYPE_CHECKING:
    from kokoro_tui.audio.waveform import FloatArray
    from kokoro_tui.core.plan import PrecisionPlan
    from kokoro_tui.listening.records import RecipeSummary
    from kokoro_tui.listening.session import RandomBits
    from kokoro_tui.tui.audition import AuditionResult
    from kokoro_tui.tui.blind import BlindTest
    from kokoro_tui.tui.screens.abx import Wish

# What is imported inside functions here is not needed for the first frame.


class ListeningScreen(ComparingScreen):
    """Puts candidates to blind tests."""

    summaries: var[tuple[RecipeSummary, ...]] = var((), init=False)
    """What all blind tests of this model have given."""
    random: RandomBits | None = None
    """Where blind tests draw from; None for the system's randomness."""

    def watch_summaries(self) -> None:
        """Let the dialogs show them."""
        self._tell_dialogs()

    def action_candidates(self) -> None:
        """Show the candidates side by side."""
        from kokoro_tui.tui.screens.candidates import CandidatesScreen

        self._read_listening_log()
        self.app.push_screen(CandidatesScreen(self), self._candidate_chosen)

    def _candidate_chosen(self, plan: PrecisionPlan | None) -> None:
        if plan is None:
            return
        name = self._name_of(plan)
        changed = len(plan.changed_keys(self.state.plan))
        self.push(plan)
        self.say(f"{name} is the plan now: {count(changed, 'node')} changed; u takes it back")

    # Blind tests

    def action_blind_test(self) -> None:
        """Put what is in the player to a blind test against the original."""
        self.start_blind_test()

    def start_blind_test(self, number: int | None = None) -> None:
        """Put a candidate, or what is in the player, to a blind test."""
        from kokoro_tui.listening.records import ORIGINAL
        from kokoro_tui.tui.screens.abx import AbxScreen

        candidate = None if number is None else self.candidates.get(number)
        result = self.player_bar.result if number is None else candidate.result if candidate is not None else None
        if result is None or not result.clips:
            self.say("there is nothing to compare yet; b builds this plan")
            return
        if self._player is not None:
            self._player.stop()
            self._show_played()
        rivals = {ORIGINAL: "the original"} | {
            found.plan.digest: found.name
            for _, found in self.candidates
            if found.plan.digest != result.plan.digest and found.result is not None
            and found.result.speeches == result.speeches
        }  # fmt: skip
        screen = AbxScreen(
            self._name_of(result.plan), rivals, len(result.clips), lambda wish: self._make_test(result, wish, rivals)
        )
        self.app.push_screen(screen, self._blind_test_done)

    def _make_test(self, result: AuditionResult, wish: Wish, rivals: dict[str, str]) -> BlindTest:
        """Prepare the sound of a blind test; blocks."""
        from kokoro_tui.listening.material import prepare_pair
        from kokoro_tui.listening.records import Mode
        from kokoro_tui.tui.blind import BlindTest, Compared

        pairs = tuple(
            prepare_pair(clip.speech.text, clip.voice, a, clip.read_renderings().candidate)
            for clip, a in zip(result.clips, self._renderings(wish.against, result), strict=True)
        )
        compared = Compared(
            model=self.model_path.name,
            model_sha256=self.bench.model_sha256,
            recipe=result.plan.digest,
            recipe_name=self._name_of(result.plan),
            against=wish.against,
            against_name=rivals[wish.against],
            pairs=pairs,
        )
        # The page is told what a player is told: the tracks of a trial, and nothing of what X is.
        player = self.make_player("Blind test", "ABX" if wish.mode is Mode.ABX else "12")
        return BlindTest(compared, wish.mode, wish.trials, player, self.random)

    def _renderings(self, against: str, result: AuditionResult) -> list[FloatArray]:
        """What A says: the original, or another candidate."""
        from kokoro_tui.listening.records import ORIGINAL

        if against == ORIGINAL:
            return [clip.read_renderings().reference for clip in result.clips]
        number = self.candidates.number_of(against)
        other = None if number is None else self.candidates.by_number[number].result
        if other is None:
            raise InputError("that candidate is gone", "compare with another one")
        return [clip.read_renderings().candidate for clip in other.clips]

    def _blind_test_done(self, logged: bool | None) -> None:
        if logged:
            self._read_listening_log()

    @work(thread=True, exit_on_error=False, group="log")
    def _read_listening_log(self, *, show: bool = False) -> None:
        from kokoro_tui.listening.records import read_finished, summarise
        from kokoro_tui.store.listening_log import read_lines

        try:
            model = self.bench.model_sha256
            found = summarise(record for record in read_finished(read_lines()) if record.model_sha256 == model)
        except KokoroTuiError as error:
            self.post_message(JobFailed("reading the listening log", error))
        else:
            self.post_message(ListeningLogRead(found, show))

    @on(ListeningLogRead)
    def _listening_log_read(self, event: ListeningLogRead) -> None:
        self.summaries = event.summaries
        if event.show:
            from kokoro_tui.store.listening_log import listening_log_path
            from kokoro_tui.tui.screens.blind_result import ListeningResultsScreen

            log = f"The log is {short_path(listening_log_path())}."
            self.app.push_screen(ListeningResultsScreen(event.summaries, log))

    def action_listening_results(self) -> None:
        """List all blind tests of this model."""
        self.show_listening_results()

    def show_listening_results(self) -> None:
        """List all blind tests of this model."""
        self._read_listening_log(show=True)
