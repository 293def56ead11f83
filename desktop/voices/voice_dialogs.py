"""Dialogs that add voices: links, the shared networks, and hints about what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QObject

from desktop.networks.shared_sheet import SharedSheet
from desktop.notices import NoticeBar
from desktop.queue.drop_window import DropWindow
from desktop.queue.job import Job, JobState
from desktop.queue.job_queue import JobQueue
from desktop.settings.store import Settings
from desktop.settings.table import MIRROR
from desktop.voices.draft import Draft
from desktop.voices.link_dialog import LinkDialog
from desktop.voices.voice_list import VoiceList
from engine.errors import UserError
from engine.files import size_text
from engine.library.importing import ImportReport
from engine.library.networks import CONTENT_ENCODER, SHARED
from engine.paths import content_encoder_path, models_dir

_OFFERED = "shared_networks.offered"


class VoiceDialogs(QObject):
    """Creates its dialogs when they are first needed.

    Parameters
    ----------
    window : parent of the dialogs
    notice : shows hints
    models_folder : folder of the shared networks; None for the default
    """

    def __init__(
        self,
        window: DropWindow,
        notice: NoticeBar,
        queue: JobQueue,
        draft: Draft,
        voices: VoiceList,
        settings: Settings,
        models_folder: Path | None = None,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._notice = notice
        self._draft = draft
        self._voices = voices
        self._settings = settings
        self._models = models_dir(models_folder)
        self._picked = draft.voice.key
        self.links: LinkDialog | None = None
        self.shared: SharedSheet | None = None
        draft.changed.connect(self._on_draft_changed)
        queue.jobs_ended.connect(self._on_jobs_ended)

    def ask_for_link(self, link: str = "") -> None:
        """Show the link dialog, with this link."""
        if self.links is None:
            self.links = LinkDialog(self._voices.library, self._mirror, self._window)
            self.links.imported.connect(self._on_imported)
        self.links.show()
        self.links.raise_()
        if link:
            self.links.ask(link)

    def show_shared(self) -> None:
        """Offer the networks that community voices share."""
        if self.shared is None:
            self.shared = SharedSheet(self._models, self._mirror, parent=self._window)
        self._settings.remember(_OFFERED, value=True)
        self.shared.show()
        self.shared.raise_()

    def offer_once(self) -> None:
        """At the very first start, offer the networks if they are missing."""
        if not self._settings.memory(_OFFERED) and CONTENT_ENCODER.missing(self._models):
            self.show_shared()

    def close_tasks(self) -> None:
        """Stop downloads before the app quits; they can be continued."""
        if self.links is not None:
            self.links.task.close()
        if self.shared is not None:
            self.shared.close_tasks()

    def _mirror(self) -> str:
        return self._settings.value(MIRROR)

    def _on_imported(self, report: ImportReport) -> None:
        self._voices.refresh()
        found = self._voices.find(report.imported[-1].voice.id) if report.imported else None
        if found is not None:
            self._draft.set_voice(found)

    def _on_draft_changed(self) -> None:
        key = self._draft.voice.key
        if key == self._picked:
            return
        self._picked = key
        self.hint(key, self._draft.voice.name)

    def _on_jobs_ended(self, jobs: Sequence[Job]) -> None:
        """Hint at missing networks after a failed conversion."""
        for job in jobs:
            if job.state is JobState.FAILED:
                self.hint(job.voice.key, job.voice.name)

    def hint(self, key: str, name: str) -> None:
        """Show a notice if a voice lacks the shared networks."""
        if not self._lacks_networks(key):
            return
        size = size_text(sum(each.about_bytes for each in SHARED))
        text = self.tr("“{name}” needs the networks that community voices share ({size}).")
        self._notice.tell(
            text.format(name=name, size=size),
            ((self.tr("Not Now"), lambda: None), (self.tr("Show…"), self.show_shared)),
            again=lambda window: window.voice_dialogs.hint(key, name),
        )

    def _lacks_networks(self, key: str) -> bool:
        """Whether the voice needs the shared content encoder and it is missing."""
        voice = self._voices.entry(key)
        if voice is None or voice.built_in or not CONTENT_ENCODER.missing(self._models):
            return False
        embedder = str(voice.facts.get("embedder") or "contentvec")
        try:
            return content_encoder_path(embedder, self._models) == self._models
        except UserError:  # an invalid name: the conversion reports it
            return False
