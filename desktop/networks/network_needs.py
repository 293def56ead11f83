"""Which networks a job still lacks, and their download on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QMessageBox, QWidget

from desktop.background import BackgroundTask, Listener, Outcome
from desktop.queue.job import Job, JobState
from desktop.queue.job_queue import JobQueue
from desktop.translation import translate
from engine.errors import OptionError
from engine.library.networks import NETWORKS, UNKNOWN_LICENCE, Network, encoder_for, fetch
from engine.library.separation_networks import networks_of
from engine.options import ConversionOptions
from engine.pitch.methods import AUTO, METHODS, PitchMethod, find_method
from engine.progress import CancelToken

EncoderOf = Callable[[str], str | None]
"""The name of a voice's content encoder by the voice's key; None if the voice is not installed."""

Agree = Callable[[QWidget | None, Network], bool]


class NetworkNeeds:
    """Tells which networks jobs lack.

    Parameters
    ----------
    folder : folder of the networks
    encoder_of : see `EncoderOf`
    networks : replaced in tests
    """

    def __init__(
        self, folder: Path, encoder_of: EncoderOf, networks: Sequence[Network] = NETWORKS
    ) -> None:
        self.folder = folder
        self.networks = {each.key: each for each in networks}
        self._encoder_of = encoder_of

    def missing(self, jobs: Sequence[Job]) -> list[tuple[str, ...]]:
        """For each job the keys of the networks that it waits for; empty if it can start.

        A job that has to wait anyway for its voice's networks also waits for the best method of
        pitch detection, and goes on waiting for it; others take a method that is installed.
        """
        known: dict[tuple[object, ...], tuple[str, ...]] = {}
        found = []
        for job in jobs:
            options = job.options
            method = options.pitch_method, options.f0_file is None
            voices = job.voice.key, job.backing_voice and job.backing_voice.key
            kind = *voices, *method, self._of_cover(job), job.needs
            if kind not in known:
                known[kind] = self._missing(job)
            found.append(known[kind])
        return found

    def _missing(self, job: Job) -> tuple[str, ...]:
        voices = [each for each in (job.voice, job.backing_voice) if each is not None]
        encoders = [network for each in voices for network in self._encoders(each.key)]
        of_voice = [*encoders, *self._of_method(job.options)]
        of_song = self._of_cover(job)
        waits = [self.networks[key] for key in job.needs if key in self.networks]
        needed = [*(self.networks[key] for key in of_song), *of_voice, *waits]
        known = {each.key for each in waits}.difference(of_song)
        if known or any(each.missing(self.folder) for each in of_voice):
            needed += self._recommended(job.options)
        return tuple(dict.fromkeys(each.key for each in needed if each.missing(self.folder)))

    def _encoders(self, voice_key: str) -> list[Network]:
        """The content encoder of a voice, if the table has it."""
        embedder = self._encoder_of(voice_key)
        encoder = None if embedder is None else encoder_for(embedder)
        return [self.networks[encoder.key]] if encoder and encoder.key in self.networks else []

    def _of_cover(self, job: Job) -> tuple[str, ...]:
        """Keys of the networks that separate a song."""
        networks = () if job.cover is None else networks_of(job.cover)
        return tuple(each.key for each in networks if each.key in self.networks)

    def _of_method(self, options: ConversionOptions) -> list[Network]:
        """The networks of the chosen pitch method."""
        if options.f0_file is not None or options.pitch_method == AUTO:
            return []
        try:
            return self._used_by(find_method(options.pitch_method))
        except OptionError:  # of a newer program: the conversion reports it
            return []

    def _recommended(self, options: ConversionOptions) -> list[Network]:
        """The networks of the method that the automatic choice prefers."""
        if options.f0_file is not None or options.pitch_method != AUTO:
            return []
        ranked = [each for each in METHODS.values() if each.auto_rank is not None]
        return self._used_by(min(ranked, key=lambda each: each.auto_rank or 0))

    def _used_by(self, method: PitchMethod) -> list[Network]:
        paths = {self.folder / each.file for each in method.all_networks}
        return [
            network
            for network in self.networks.values()
            if any(f.path(self.folder) in paths for variant in network.variants for f in variant)
        ]


def agree_to_licence(parent: QWidget | None, network: Network) -> bool:
    """Ask whether the user has read a network's licence and accepts it."""
    title = translate(network.title)
    text = _tr("“{network}” has a licence of its own: {licence}.")
    todo = _tr("Read it on {page} and accept it before the download.")
    if network.licence == UNKNOWN_LICENCE:
        text = _tr("The licence of “{network}” is not known.")
        todo = _tr("Look at {page} and download it only if you may use it.")
    box = QMessageBox(parent)
    box.setWindowTitle(title)
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(text.format(network=title, licence=translate(network.licence)))
    box.setInformativeText(todo.format(page=network.source_page))
    yes = box.addButton(_tr("Accept and Download"), QMessageBox.ButtonRole.AcceptRole)
    read = box.addButton(_tr("Read Licence"), QMessageBox.ButtonRole.ActionRole)
    read.clicked.disconnect()  # it does not answer the question
    read.clicked.connect(lambda: QDesktopServices.openUrl(QUrl(network.source_page)))
    yes.setEnabled(False)
    read.clicked.connect(lambda: yes.setEnabled(True))
    box.setDefaultButton(read)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.exec()
    return box.clickedButton() is yes


def _tr(text: str) -> str:
    return QCoreApplication.translate("licence_question", text)


class NetworkDownload(QObject):
    """Downloads what waiting jobs lack; the queue shows how far it is.

    Parameters
    ----------
    mirror : address of the hub set by the user, "" for the official one
    agree : asks whether a licence is accepted; replaced in tests

    Signals
    -------
    failed : (sentence)
    models_wanted : a network has to be brought by the user, in Settings › Models
    """

    failed = Signal(str)
    models_wanted = Signal()

    def __init__(
        self,
        queue: JobQueue,
        needs: NetworkNeeds,
        mirror: Callable[[], str],
        agree: Agree = agree_to_licence,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._queue = queue
        self._needs = needs
        self._mirror = mirror
        self._agree = agree
        self._wanted: list[Network] = []
        self._total_bytes = self._before_bytes = 0
        self.task = BackgroundTask(self)
        self.task.progressed.connect(self._on_progressed)
        self.task.ended.connect(self._on_ended)
        queue.queue_changed.connect(self._stop_if_unwanted)

    def start(self, job_ids: Sequence[str], parent: QWidget | None = None) -> None:
        """Download what these jobs lack; they start by themselves afterwards."""
        self._queue.look_for_networks()
        jobs = [job for job in map(self._queue.job, job_ids) if job is not None]
        keys = dict.fromkeys(key for job in jobs for key in job.needs)
        networks = [self._needs.networks[key] for key in keys if key in self._needs.networks]
        new = [each for each in networks if each not in self._wanted]
        if not all(each.can_be_downloaded for each in new):
            self.models_wanted.emit()
            return
        if all(self._agree(parent, each) for each in new if each.licence_first):
            self._wanted += new
            self._total_bytes += sum(each.about_bytes for each in new)
            self._go_on()

    def cancel(self) -> None:
        """Stop; what has arrived is kept for the next time."""
        del self._wanted[1:]
        self.task.cancel()

    def close(self) -> None:
        """Stop before the app quits."""
        self._wanted.clear()
        self.task.close()

    @Slot()
    def _stop_if_unwanted(self) -> None:
        """Nothing shows a download for which no job waits any more."""
        if not self.task.is_running:
            return
        keys = {each.key for each in self._wanted}
        waiting = (j for j in self._queue.jobs() if j.state is JobState.NEEDS_NETWORKS)
        if not any(keys.intersection(job.needs) for job in waiting):
            self.cancel()

    def _go_on(self) -> None:
        if not self._wanted:
            self._total_bytes = self._before_bytes = 0
            self._queue.set_download((), 0.0)
        elif not self.task.is_running:
            network, folder, hub = self._wanted[0], self._needs.folder, self._mirror() or None

            def work(cancel: CancelToken, tell: Listener) -> None:
                fetch(network, folder, hub=hub, licence_read=True, listener=tell, cancel=cancel)

            self.task.start(work)
            self._on_progressed(0.0, None)

    @Slot(object, object)
    def _on_progressed(self, done: float | None, _total: float | None) -> None:
        if self._wanted:
            done_bytes = self._before_bytes + (done or 0.0)
            keys = tuple(each.key for each in self._wanted)
            self._queue.set_download(keys, min(1.0, done_bytes / max(1, self._total_bytes)))

    @Slot(object)
    def _on_ended(self, outcome: Outcome) -> None:
        if not self._wanted:  # the app is quitting
            return
        ended = self._wanted.pop(0)
        self._before_bytes += ended.about_bytes
        if outcome.state != "finished":
            self._wanted.clear()
        self._go_on()
        self._queue.look_for_networks()
        if outcome.state == "failed":
            self.failed.emit(outcome.sentence)
