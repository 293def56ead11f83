"""Voice and settings of the next job, remembered per voice and across starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop.jobs.job import Job, Voice, options_from_record, options_to_record
from desktop.jobs.voice_list import VoiceList
from desktop.settings import Settings
from engine.options import ConversionOptions

_VOICE = "draft.voice"
_OPTIONS = "draft.options"


class Draft(QObject):
    """What the next dropped file will get."""

    changed = Signal()

    def __init__(self, settings: Settings, voices: VoiceList) -> None:
        super().__init__()
        self._settings = settings
        self._voices = voices
        self._voice = voices.find(settings.memory(_VOICE)) or voices.voices()[0]
        self._options = self._remembered()
        voices.changed.connect(self._on_voices_changed)

    @property
    def voice(self) -> Voice:
        """The chosen voice."""
        return self._voice

    @property
    def options(self) -> ConversionOptions:
        """The chosen settings."""
        return self._options

    def set_voice(self, voice: Voice) -> None:
        """Choose a voice; it comes with the settings it was last used with."""
        if voice != self._voice:
            self._voice = voice
            self._settings.remember(_VOICE, voice.key)
            self._options = self._remembered()
            self.changed.emit()

    def set_options(self, options: ConversionOptions) -> None:
        """Choose settings; they are remembered for this voice."""
        if options != self._options:
            self._options = options
            kept = dict(self._settings.memory(_OPTIONS) or {})
            kept[self._voice.key] = options_to_record(options)
            self._settings.remember(_OPTIONS, kept)
            self.changed.emit()

    def reset(self) -> None:
        """Back to how this voice's settings were at first."""
        self.set_options(ConversionOptions())

    def make_jobs(self, sources: Iterable[Path]) -> tuple[Job, ...]:
        """A job for each source, with what is chosen now."""
        folder = self._settings.output_dir()
        return tuple(
            Job(source=path, voice=self._voice, options=self._options, output_dir=folder)
            for path in sources
        )

    def _remembered(self) -> ConversionOptions:
        kept = self._settings.memory(_OPTIONS)
        return options_from_record(kept.get(self._voice.key) if isinstance(kept, dict) else None)

    def _on_voices_changed(self) -> None:
        found = self._voices.find(self._voice.key)
        self.set_voice(found or self._voices.voices()[0])
