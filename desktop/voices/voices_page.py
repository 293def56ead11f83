"""The installed voices: import by drop or dialog, show, rename, move to the trash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeySequence, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.background import BackgroundTask, Outcome, Work
from desktop.icons import symbol
from desktop.problems import sentence_for
from desktop.queue.drop_window import link_of
from desktop.style import SecondaryLabel
from desktop.voices.link_dialog import LinkDialog
from desktop.voices.voice_card import VoiceCard
from desktop.voices.voice_list import IMPORT_PATIENCE_S, shown_name
from desktop.voices.voice_tasks import (
    DefaultsKeeper,
    Trashed,
    importing,
    indexing,
    picturing,
    putting_back,
    renaming,
    report_sentence,
    trashing,
)
from desktop.widgets import ChooseFiles, choose_files
from engine.errors import UserError
from engine.library.importing import ImportReport
from engine.library.installed_voice import InstalledVoice
from engine.library.voice_library import VoiceLibrary

_KEY = Qt.ItemDataRole.UserRole
_STEPS = 1000


class VoicesPage(QWidget):
    """Does all disk access on background threads.

    Parameters
    ----------
    folder : of the library
    choose : asks for files; replaced in tests
    mirror : address of the hub set by the user, "" for the official one

    Signals
    -------
    changed : voices were added, removed, renamed, or have other defaults
    """

    changed = Signal()

    def __init__(
        self,
        folder: Path,
        choose: ChooseFiles = choose_files,
        mirror: Callable[[], str] = str,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.library = VoiceLibrary(folder)
        self.links = LinkDialog(self.library, mirror, self)
        self.links.imported.connect(self._take_imported)
        self._choose = choose
        self._voices: dict[str, InstalledVoice] = {}
        self._wanted_key = ""
        self._doing = ""
        self._trashed: Trashed | None = None
        self.task = BackgroundTask(self)
        self.task.progressed.connect(self._show_progress)
        self.task.ended.connect(self._take_outcome)
        self.keeper = DefaultsKeeper(self.library, self)
        self.keeper.kept.connect(self._take_kept)
        self.setAcceptDrops(True)
        self._build()
        self.keeper.refused.connect(self._take_refused)
        self.keeper.ended.connect(self.look_again)
        self.links.task.ended.connect(self.look_again)
        self.refresh()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Reload what was changed elsewhere."""
        self.look_again()
        super().showEvent(event)

    @Slot()
    def look_again(self) -> None:
        """Reload what was changed elsewhere, unless work is running here.

        Keeps what the user is editing: a name, a slider.
        """
        if self.task.is_running or self.links.task.is_running or self.keeper.is_busy:
            return
        voices = self._read()
        if voices != tuple(self._voices.values()):
            self._fill(voices)
            voice, shown = self._voices.get(self._chosen_key()), self.card.voice
            if voice is None or shown is None or replace(shown, defaults=voice.defaults) != voice:
                self._show_chosen()
            else:
                self.card.update_defaults(voice)

    @Slot()
    def refresh(self) -> None:
        """Reload the library."""
        self._fill(self._read())
        self._show_chosen()

    def _read(self) -> tuple[InstalledVoice, ...]:
        try:
            return self.library.voices()
        except UserError as error:
            self.message.setText(sentence_for(error))
            return ()

    def _fill(self, voices: Sequence[InstalledVoice]) -> None:
        chosen = self._wanted_key or self._chosen_key()
        self._voices = {voice.id: voice for voice in voices}
        with QSignalBlocker(self.list):
            self.list.clear()
            for voice in voices:
                item = QListWidgetItem(symbol("voices"), shown_name(voice))
                item.setData(_KEY, voice.id)
                self.list.addItem(item)
                if voice.id == chosen:
                    self.list.setCurrentItem(item)
            if self.list.currentRow() < 0 and voices:
                self.list.setCurrentRow(0)

    def import_paths(self, paths: Sequence[Path]) -> None:
        """Import files, folders or archives."""
        one = self.tr("Importing “{name}”…").format(name=paths[0].name) if paths else ""
        several = self.tr("Importing {count} items…").format(count=len(paths))
        self._start(importing(self.library, paths), one if len(paths) == 1 else several)

    def close_tasks(self) -> None:
        """Stop what is running before the app quits."""
        self.card.flush()
        for task in (self.task, self.links.task):
            task.close(IMPORT_PATIENCE_S)
        self.keeper.close()

    def ask_for_link(self, link: str = "") -> None:
        """Show the link dialog, with this link."""
        self.links.show()
        self.links.raise_()
        if link:
            self.links.ask(link)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Accept files, folders, archives and links; their content is checked later."""
        content = event.mimeData()
        if any(url.isLocalFile() for url in content.urls()) or link_of(content):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Import files, or show what a link offers."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            self.import_paths(paths)
        else:
            self.ask_for_link(link_of(event.mimeData()))
        event.acceptProposedAction()

    def _build(self) -> None:
        self.list = QListWidget()
        self.list.setAccessibleName(self.tr("Voices"))
        self.list.setFixedWidth(210)
        self.list.currentItemChanged.connect(self._show_chosen)
        self.import_button = QPushButton(symbol("download"), self.tr("Import…"))
        self.import_button.clicked.connect(self._import_chosen)
        side = QVBoxLayout()
        side.addWidget(self.list, 1)
        self.link_button = QPushButton(self.tr("From a Link…"))
        self.link_button.clicked.connect(lambda: self.ask_for_link())
        side.addWidget(self.import_button)
        side.addWidget(self.link_button)
        self.card = VoiceCard()
        self.card.renamed.connect(self._rename)
        self.card.picture_wanted.connect(self._give_picture)
        self.card.index_wanted.connect(self._give_index)
        self.card.removal_wanted.connect(self._remove)
        self.card.defaults_chosen.connect(self.keeper.keep)
        self.message = SecondaryLabel(
            self.tr("Drop .pth, .index, .zip, folders or links here to import them.")
        )
        self.undo = QPushButton(self.tr("Undo"))
        self.undo.setShortcut(QKeySequence(QKeySequence.StandardKey.Undo))
        self.undo.clicked.connect(self._put_back)
        self.undo.hide()
        said = QWidget()
        line = QHBoxLayout(said)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.message, 1)
        line.addWidget(self.undo)
        self.doing = SecondaryLabel()
        self.progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self.progress.setAccessibleName(self.tr("Progress"))
        self.cancel = QPushButton(symbol("cancel"), self.tr("Cancel"))
        self.cancel.clicked.connect(self.task.cancel)
        busy = QWidget()
        row = QHBoxLayout()
        row.addWidget(self.progress, 1)
        row.addWidget(self.cancel)
        below = QVBoxLayout(busy)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(2)
        below.addWidget(self.doing)
        below.addLayout(row)
        self._foot = QStackedWidget()  # fixed height, so that nothing jumps
        self._foot.addWidget(said)
        self._foot.addWidget(busy)
        self._foot.setFixedHeight(max(busy.sizeHint().height(), 3 * self.fontMetrics().height()))
        top = QHBoxLayout()
        top.addLayout(side)
        top.addWidget(self.card, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 16, 20, 12)
        column.addLayout(top, 1)
        column.addWidget(self._foot)

    def _chosen_key(self) -> str:
        item = self.list.currentItem()
        return str(item.data(_KEY)) if item is not None else ""

    @Slot()
    def _show_chosen(self, *_: object) -> None:
        voice = self._voices.get(self._chosen_key())
        if voice is not None:
            self.card.show_voice(voice)

    @Slot()
    def _import_chosen(self) -> None:
        kinds = self.tr("Voices ({endings})").format(endings="*.pth *.index *.zip *.safetensors")
        paths = self._choose(self, self.tr("Import Voices"), kinds)
        if paths:
            self.import_paths(paths)

    @Slot(str)
    def _rename(self, name: str) -> None:
        self._start(renaming(self.library, self._chosen_key(), name), self.tr("Renaming…"))

    @Slot()
    def _give_picture(self) -> None:
        kinds = self.tr("Pictures ({endings})").format(endings="*.png *.jpg *.jpeg *.webp")
        paths = self._choose(self, self.tr("Choose a Picture"), kinds)
        if paths:
            self._start(picturing(self.library, self._chosen_key(), paths[0]), "")

    @Slot()
    def _give_index(self) -> None:
        kinds = self.tr("Index ({endings})").format(endings="*.index")
        paths = self._choose(self, self.tr("Choose an Index"), kinds)
        if paths:
            self._start(indexing(self.library, self._chosen_key(), paths[0]), "")

    @Slot()
    def _remove(self) -> None:
        self._start(trashing(self.library, self._chosen_key()), "")

    @Slot()
    def _put_back(self) -> None:
        gone = self._trashed
        if gone is not None and gone.place is not None:
            self._start(putting_back(self.library, gone.key, gone.place), "")

    @Slot(object)
    def _take_kept(self, voice: InstalledVoice) -> None:
        self._voices[voice.id] = voice
        if not self.keeper.is_busy:
            self.card.update_defaults(voice)
        self.changed.emit()

    @Slot(str)
    def _take_refused(self, sentence: str) -> None:
        self.message.setText(sentence)
        self._show_chosen()  # a slider returns to the saved value

    @Slot(object)
    def _take_imported(self, report: ImportReport) -> None:
        self._take_outcome(Outcome("finished", report))

    def _start(self, work: Work, sentence: str) -> None:
        if self.task.start(work):
            self._trashed = None
            self.undo.hide()
            self._doing = sentence
            self.doing.setText(sentence)
            self.progress.setRange(0, 0)
            self._foot.setCurrentIndex(1)

    @Slot(object, object)
    def _show_progress(self, done: float | None, total: float | None) -> None:
        if done is not None and total:
            self.progress.setRange(0, _STEPS)
            self.progress.setValue(round(_STEPS * done / total))
            percent = self.tr("{doing}  {percent} %")
            text = percent.format(doing=self._doing, percent=round(100 * done / total))
            self.doing.setText(text if self._doing else "")

    @Slot(object)
    def _take_outcome(self, outcome: Outcome) -> None:
        self._foot.setCurrentIndex(0)
        self.message.setText(self._sentence(outcome))
        if isinstance(outcome.value, ImportReport) and outcome.value.imported:
            self._wanted_key = outcome.value.imported[-1].voice.id
        if isinstance(outcome.value, InstalledVoice):
            self._wanted_key = outcome.value.id
        if isinstance(outcome.value, Trashed):
            self._trashed = outcome.value
            self.undo.setVisible(outcome.value.place is not None)
        self.refresh()  # also after a failure: a refused name is reset
        self._wanted_key = ""
        if outcome.state == "finished":
            self.changed.emit()

    def _sentence(self, outcome: Outcome) -> str:
        if outcome.state == "failed":
            return outcome.sentence
        if outcome.state == "cancelled":
            return self.tr("Cancelled.")
        if isinstance(outcome.value, Trashed):
            return self.tr("“{name}” is in the Trash.").format(name=outcome.value.name)
        if not isinstance(outcome.value, ImportReport):
            return ""
        return report_sentence(outcome.value)
