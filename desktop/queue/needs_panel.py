"""The networks that a job waits for, with the button that downloads them."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget

from desktop import style
from desktop.queue.job import Job
from desktop.queue.job_text import memory, needed_bytes
from desktop.translation import translate
from engine.library.networks import NETWORKS
from engine.library.separation_networks import networks_of

_STEPS = 1000


class NeedsPanel(QWidget):
    """Shows one job that waits for networks.

    Signals
    -------
    download_wanted, stop_wanted : for the networks of this job
    models_wanted : show the settings of all networks, where own files can be chosen
    """

    download_wanted = Signal()
    stop_wanted = Signal()
    models_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._why = style.PlainLabel()
        self._why.setWordWrap(True)
        self._list = style.SecondaryLabel()
        self.download = QPushButton()
        self.download.clicked.connect(lambda: self.download_wanted.emit())
        self.models = QPushButton(self.tr("Use Files You Have…"))
        self.models.clicked.connect(lambda: self.models_wanted.emit())
        self.progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self.progress.setAccessibleName(self.tr("Download"))
        self.stop = QPushButton(self.tr("Stop Download"))
        self.stop.clicked.connect(lambda: self.stop_wanted.emit())
        buttons = QHBoxLayout()
        buttons.setSpacing(style.GAP)
        for widget in (self.download, self.models):
            buttons.addWidget(widget)
        buttons.addWidget(self.progress, 1)
        buttons.addWidget(self.stop)
        buttons.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self._why)
        column.addWidget(self._list)
        column.addStretch()
        column.addLayout(buttons)

    @property
    def text(self) -> str:
        """What is missing, and why."""
        return f"{self._why.text()}\n{self._list.text()}"

    def show_job(self, job: Job, download: float | None) -> None:
        """Show what a job waits for.

        Parameters
        ----------
        download : 0..1 of it; None if it is not downloaded now
        """
        size = memory(needed_bytes(job))
        of_voice = self.tr(
            "“{voice}” needs networks that aren't installed yet. They are downloaded once, for "
            "all voices; then this file is converted by itself."
        )
        of_song = self.tr(
            "Separating this song needs networks that aren't installed yet. They are downloaded "
            "once, for all songs; then this file is converted by itself."
        )
        parts_song = () if job.cover is None else networks_of(job.cover)
        why = of_song if any(each.key in job.needs for each in parts_song) else of_voice
        self._why.setText(why.format(voice=job.voice.name))
        fact = self.tr("{network} · {size} · licence {licence}")
        facts = (
            fact.format(
                network=translate(each.title),
                size=memory(each.about_bytes),
                licence=translate(each.licence),
            )
            for each in NETWORKS
            if each.key in job.needs
        )
        self._list.setText("\n".join(facts))
        self.download.setText(self.tr("Download {size}").format(size=size))
        running = download is not None
        self.progress.setValue(round(_STEPS * (download or 0.0)))
        for widget, shown in (
            (self.download, not running),
            (self.models, not running),
            (self.progress, running),
            (self.stop, running),
        ):
            widget.setVisible(shown)
