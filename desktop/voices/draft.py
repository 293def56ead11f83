"""Voice and settings of the next job, remembered per voice."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from PySide6.QtCore import QObject, Signal

from desktop.queue.job import Job, Voice
from desktop.settings.store import VOICE_OPTIONS, Settings
from desktop.voices.voice_list import VoiceList
from engine.cover.options import CoverOptions
from engine.options import ConversionOptions

FileKind = Literal["voice", "song", "vocals"]
"""What a file is: a voice alone, a whole song, or the vocals of one."""
VOICE: FileKind = "voice"
SONG: FileKind = "song"
VOCALS: FileKind = "vocals"

_VOICE = "draft.voice"
_KIND = "draft.file_kind"
_SONG = "draft.song"
_BACKING = "draft.backing_voice"


class Draft(QObject):
    """The voice and settings for the next dropped file."""

    changed = Signal()

    def __init__(self, settings: Settings, voices: VoiceList) -> None:
        super().__init__()
        self._settings = settings
        self._voices = voices
        self._voice = voices.find(settings.memory(_VOICE)) or voices.voices()[0]
        self._options = self._remembered()
        kind = settings.memory(_KIND)
        self._kind: FileKind = kind if kind in get_args(FileKind) else VOICE
        self._song = CoverOptions.from_record(settings.memory(_SONG))
        self._backing = voices.find(settings.memory(_BACKING))
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

    @property
    def file_kind(self) -> FileKind:
        """What the next file is."""
        return self._kind

    @property
    def song(self) -> CoverOptions:
        """The settings of covers, also while none is asked for."""
        return self._song

    @property
    def cover(self) -> CoverOptions | None:
        """The settings of the next file's cover; None if it is a voice alone."""
        if self._kind == VOICE:
            return None
        return self._song.with_values({"source_kind": self._kind})

    @property
    def backing_voice(self) -> Voice | None:
        """Who sings the next file's backing voices, if they are converted by another voice."""
        cover = self.cover
        return self._backing if cover is not None and cover.backing == "convert" else None

    @property
    def chosen_backing_voice(self) -> Voice | None:
        """The voice for converted backing voices, also while none are; None is the same voice."""
        return self._backing

    def set_backing_voice(self, voice: Voice | None) -> None:
        """Choose who sings converted backing voices; remembered."""
        if voice != self._backing:
            self._backing = voice
            self._settings.remember(_BACKING, None if voice is None else voice.key)
            self.changed.emit()

    def set_file_kind(self, kind: FileKind) -> None:
        """Choose what the next file is; remembered for all voices."""
        if kind != self._kind:
            self._kind = kind
            self._settings.remember(_KIND, kind)
            self.changed.emit()

    def set_song(self, song: CoverOptions) -> None:
        """Change the settings of covers; remembered, except the instrumental of one song."""
        if song != self._song:
            self._song = song
            kept = song.with_values({"instrumental": None})
            self._settings.remember(_SONG, kept.to_record())
            self.changed.emit()

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

    def take_over(self, job: Job) -> None:
        """Choose the voice and all settings that a job has; a voice that is gone is left out."""
        voice = self._voices.find(job.voice.key)
        if voice is not None:
            self.set_voice(voice)
        self.set_options(job.options)
        if job.cover is None:
            self.set_file_kind(VOICE)
            return
        self.set_file_kind(job.cover.source_kind)
        self.set_song(job.cover.with_values({"source_kind": SONG}))
        backing = job.backing_voice
        self.set_backing_voice(None if backing is None else self._voices.find(backing.key))

    def make_jobs(self, sources: Iterable[Path]) -> tuple[Job, ...]:
        """A job for each source, with the current voice and settings."""
        folder = self._settings.output_dir()
        return tuple(
            Job(
                source=path,
                voice=self._voice,
                options=self._options,
                cover=self.cover,
                backing_voice=self.backing_voice,
                output_dir=folder,
            )
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
        if self._backing is not None:
            self.set_backing_voice(self._voices.find(self._backing.key))
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
