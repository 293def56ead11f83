"""``--pitch auto``: the key of each source, found when its turn comes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import ProgressBar, say
from engine.errors import OptionError
from engine.key import HIGH_VOICE_HZ, LOW_VOICE_HZ, KeyStep, SourcePitch, VoicePitch, suggest_key
from engine.library.installed_voice import InstalledVoice
from engine.library.voice_range import keep_range, known_pitch, was_learnt
from engine.options import ConversionOptions
from engine.progress import CancelToken

if TYPE_CHECKING:
    from engine.converter import Converter
    from engine.voice import VoiceFiles

AUTOMATIC: dict[str, KeyStep] = {"auto": "semitones", "auto-octave": "octaves"}
"""What ``--pitch`` takes instead of a number."""


class AutomaticKey:
    """Chooses the pitch of one source after the other.

    Parameters
    ----------
    converter : renders the voice if its range is not known yet

    Raises
    ------
    UserError : the voice cannot be used, or nothing tells which pitch suits it
    """

    def __init__(
        self,
        step: KeyStep,
        converter: Converter,
        installed: InstalledVoice,
        voice: VoiceFiles,
        options: ConversionOptions,
        cancel: CancelToken,
    ) -> None:
        self._step = step
        self._options = options
        self._cancel = cancel
        self._voice = _voice_pitch(converter, installed, voice, options.voice_pitch_hz, cancel)

    def options_for(self, source: Path) -> ConversionOptions:
        """The options with the pitch for this source; prints it.

        Raises
        ------
        UserError : the source, or the pitch curve given for it, cannot be read
        """
        from engine.source_pitch import pitch_of_source

        found = pitch_of_source(self._options, source, self._cancel)
        return dataclasses.replace(self._options, semitones=self.semitones_for(source, found))

    def semitones_for(self, source: Path, found: SourcePitch | None) -> float:
        """The pitch for what was found of a source; prints it."""
        key = suggest_key(found, self._voice, self._step)
        say(f"urvc: {source.name}: pitch {key.reason}")
        return float(key.semitones)


def _voice_pitch(
    converter: Converter,
    installed: InstalledVoice,
    voice: VoiceFiles,
    given_hz: float | None,
    cancel: CancelToken,
) -> VoicePitch:
    from engine.voice_checkpoint import load_voice
    from engine.voice_pitch import learn_pitch

    if not installed.facts:
        card = load_voice(installed.weights).card
        facts = {"pitch_guided": card.pitch_guided, "f0_median_hz": card.f0_median_hz}
        installed = dataclasses.replace(installed, facts=facts)
    if not installed.facts.get("pitch_guided"):
        raise OptionError(
            f'Cannot choose the pitch for the voice "{installed.name}"',
            "it was trained without pitch and cannot be transposed",
            "leave --pitch out",
        )
    found = known_pitch(installed, given_hz)
    if found is None and not was_learnt(installed):
        say(f"urvc: finding out which pitch suits {installed.name} (only once) …")
        bar = ProgressBar(installed.name)
        try:
            found = learn_pitch(converter, voice, lambda share: bar.show(share, "range"), cancel)
        finally:
            bar.clear()
        keep_range(installed, found)
    if found is None:
        raise OptionError(
            f'Cannot choose the pitch for the voice "{installed.name}"',
            "it follows the pitch of a sample nowhere well enough",
            f"add --voice-pitch {LOW_VOICE_HZ:g} if it is a low voice, or {HIGH_VOICE_HZ:g} if it "
            "is a high one",
        )
    return found
