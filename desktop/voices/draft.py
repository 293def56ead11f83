"""Voice and settings of the next job, remembered per voice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from desktop.queue.job import Job, Voice
from desktop.settings.store import VOICE_OPTIONS, Settings
from desktop.voices.voice_list import VoiceList
from engine.options import ConversionOptions

_VOICE = "draft.voice"


class Draft(QObject):
    """The voice and settings for the next dropped file."""

    changed = Signal()

    def __init__(self, settings: Settings, voices: VoiceList) -> None:
        super().__init__()
        self._settings = settings
        self._voices = voices
        self._voice = voices.find(settings.memory(_VOICE)) or voices.voices()[0]
        self._options = self._remembered()
        voices.changed.connect(self._on_voices_changed)
        settings.changed.connect(self._on_setting)

    @property
    def voice(self) -> Voice:
        """The chosen voice."""
        return self._voice

    @property
    def options(self) -> ConversionOptions:
        """The chosen settings."""
        return self._options

    @property
    def usual(self) -> ConversionOptions:
        """The default settings of the chosen voice."""
        return self._voices.usual_options(self._voice.key)

    def set_voice(self, voice: Voice) -> None:
        """Choose a voice, with the settings it was last used with."""
        if voice != self._voice:
            self._voice = voice
            self._settings.remember(_VOICE, voice.key)
            self._options = self._remembered()
            self.changed.emit()

    def set_options(self, options: ConversionOptions) -> None:
        """Change the settings; they are remembered for this voice."""
        if options != self._options:
            self._options = options
            self._remember()
            self.changed.emit()

    def reset(self) -> None:
        """Reset to the default settings of this voice."""
        self.set_options(self.usual)

    def make_usual(self) -> None:
        """Make the current settings this voice's defaults."""
        self._voices.keep_defaults(self._voice.key, self._options)

    def make_jobs(self, sources: Iterable[Path]) -> tuple[Job, ...]:
        """A job for each source, with the current voice and settings."""
        folder = self._settings.output_dir()
        return tuple(
            Job(source=path, voice=self._voice, options=self._options, output_dir=folder)
            for path in sources
        )

    def _remember(self) -> None:
        """Remember only settings that differ from the voice's defaults, which may change later."""
        kept = self._all_remembered()
        kept.pop(self._voice.key, None)
        if self._options != self.usual:
            kept[self._voice.key] = self._options.to_record()
        self._settings.remember(VOICE_OPTIONS, kept)

    def _remembered(self) -> ConversionOptions:
        kept = self._all_remembered()
        if self._voice.key not in kept:
            return self.usual
        return ConversionOptions.from_record(kept[self._voice.key])

    def _all_remembered(self) -> dict[str, object]:
        kept = self._settings.memory(VOICE_OPTIONS)
        return dict(kept) if isinstance(kept, dict) else {}

    def _on_setting(self, key: str) -> None:
        if key == VOICE_OPTIONS:
            self._options = self._remembered()
            self.changed.emit()

    def _on_voices_changed(self) -> None:
        found = self._voices.find(self._voice.key) or self._voices.voices()[0]
        if found.key != self._voice.key:
            self.set_voice(found)
            return
        before = self._voice, self._options
        self._voice = found
        self._options = self._remembered()  # its defaults may have changed
        self._remember()
        if before != (self._voice, self._options):
            self.changed.emit()
