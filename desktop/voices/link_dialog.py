"""A voice from a link: lists what it offers, then downloads and installs one offer."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QStackedWidget,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.background import BackgroundTask, Outcome
from desktop.voices.voice_tasks import asking, fetching, report_sentence
from engine.files import size_text
from engine.library.importing import ImportReport
from engine.library.link import VoiceOffer
from engine.library.voice_library import VoiceLibrary
from engine.plain_text import plain

_STEPS = 1000
_FILTER_FROM = 9
"""With that many offers they can be searched."""

_SIZE = (560, 420)
_LINE = QSize(0, 26)
_COLUMNS = (
    QHeaderView.ResizeMode.Stretch,
    QHeaderView.ResizeMode.Stretch,
    QHeaderView.ResizeMode.ResizeToContents,
)


class LinkDialog(QDialog):
    """Not modal; stays open while it downloads.

    Parameters
    ----------
    mirror : address of the hub set by the user, "" for the official one

    Signals
    -------
    imported : (ImportReport)
    """

    imported = Signal(object)

    def __init__(
        self, library: VoiceLibrary, mirror: Callable[[], str], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._library = library
        self._mirror = mirror
        self._offers: tuple[VoiceOffer, ...] = ()
        self._looked_at = ""
        self._asked_meanwhile = ""
        self._fetching = False
        self.task = BackgroundTask(self)
        self.task.progressed.connect(self._show_progress)
        self.task.ended.connect(self._take_outcome)
        self.setWindowTitle(self.tr("Voice from a Link"))
        self.resize(*_SIZE)
        self._build()
        self._show_offers(())
        self._say(self._introduction())

    def ask(self, link: str) -> None:
        """Enter a link and list what it offers, once no other work is running."""
        if self.task.is_running:
            self._asked_meanwhile = link
            return
        self.field.setText(link.strip())
        self.look()

    @Slot()
    def look(self) -> None:
        """List what the link offers."""
        link = self.field.text().strip()
        if link and self.task.start(asking(link, self._mirror() or None)):
            self._fetching = False
            self._looked_at = link
            self._show_offers(())
            self._say(self.tr("Asking {host}…").format(host=_host(link)))
            self._refresh()

    @Slot()
    def fetch(self) -> None:
        """Download and install the chosen offer."""
        offer = self.chosen()
        if offer is not None and self.task.start(fetching(self._library, offer)):
            self._fetching = True
            self._say(self.tr("Downloading {title}…").format(title=offer.title))
            self._refresh()

    def chosen(self) -> VoiceOffer | None:
        """The offer that is selected."""
        item = self.list.currentItem()
        if item is None or item.isHidden():
            return None
        return self._offers[self.list.indexOfTopLevelItem(item)]

    def reject(self) -> None:
        """Closing stops a download; the downloaded part is kept for the next try."""
        self.task.cancel()
        super().reject()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Focus the link field."""
        super().showEvent(event)
        self.field.setFocus()
        self.field.selectAll()

    def _build(self) -> None:
        self.field = QLineEdit(clearButtonEnabled=True)
        self.field.setPlaceholderText("https://…")
        self.field.setAccessibleName(self.tr("Link"))
        self.field.textChanged.connect(self._on_edited)
        self.look_button = QPushButton(self.tr("Look"))
        self.look_button.setToolTip(self.tr("Lists names and sizes; downloads nothing"))
        self.look_button.clicked.connect(self.look)
        self.filter = QLineEdit(clearButtonEnabled=True)
        self.filter.setPlaceholderText(self.tr("Search"))
        self.filter.setAccessibleName(self.tr("Search"))
        self.filter.textChanged.connect(self._filter)
        self.list = QTreeWidget()
        self.list.setAccessibleName(self.tr("Voices at this link"))
        self.list.setHeaderLabels([self.tr("Voice"), self.tr("Files"), self.tr("Size")])
        self.list.setRootIsDecorated(False)
        self.list.setUniformRowHeights(True)
        header = self.list.header()
        header.setStretchLastSection(False)
        for column, mode in enumerate(_COLUMNS):
            header.setSectionResizeMode(column, mode)
        self.list.currentItemChanged.connect(self._refresh)
        self.list.itemDoubleClicked.connect(self.fetch)
        self.message = style.SecondaryLabel()
        self.message.setMinimumHeight(2 * self.message.fontMetrics().lineSpacing())
        self.message.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.hint = style.SecondaryLabel()
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.hint.setContentsMargins(40, 0, 40, 0)
        self.pages = QStackedWidget()  # the hint is shown while the list is empty
        self.pages.addWidget(self.hint)
        self.pages.addWidget(self.list)
        self.progress = QProgressBar(textVisible=False, maximum=_STEPS)
        self.progress.setAccessibleName(self.tr("Progress"))
        box = QDialogButtonBox()
        self.close_button = box.addButton(QDialogButtonBox.StandardButton.Close)
        self.close_button.clicked.connect(self.reject)
        self.cancel = box.addButton(self.tr("Stop"), QDialogButtonBox.ButtonRole.ResetRole)
        self.cancel.clicked.connect(self.task.cancel)
        self.download = box.addButton(self.tr("Download"), QDialogButtonBox.ButtonRole.ActionRole)
        self.download.clicked.connect(self.fetch)
        for button in (self.look_button, self.close_button, self.cancel, self.download):
            button.setAutoDefault(False)
        self._lay_out(box)

    def _lay_out(self, box: QDialogButtonBox) -> None:
        top = QHBoxLayout()
        top.addWidget(self.field, 1)
        top.addWidget(self.look_button)
        label = style.PlainLabel(self.tr("Address of a .zip or .pth, or of a Hugging Face page"))
        label.setBuddy(self.field)
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 14)
        column.setSpacing(10)
        column.addWidget(label)
        column.addLayout(top)
        column.addWidget(self.filter)
        column.addWidget(self.pages, 1)
        column.addWidget(self.message)
        column.addWidget(self.progress)
        column.addWidget(box)
        for widget in (self.progress, self.message):  # so that nothing jumps when work begins
            kept = widget.sizePolicy()
            kept.setRetainSizeWhenHidden(True)
            widget.setSizePolicy(kept)

    def _show_offers(self, offers: tuple[VoiceOffer, ...]) -> None:
        self._offers = offers
        self.list.clear()
        for offer in offers:
            size = self.tr("unknown") if offer.size_bytes is None else size_text(offer.size_bytes)
            files = ", ".join(offer.contents or (file.name for file in offer.files))
            item = QTreeWidgetItem([plain(offer.title), plain(files), size])
            item.setTextAlignment(2, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            item.setSizeHint(0, _LINE)
            for column in range(2):
                item.setToolTip(column, style.plain_tip(item.text(column)))
            self.list.addTopLevelItem(item)
        self.filter.clear()
        self.filter.setVisible(len(offers) >= _FILTER_FROM)
        self.pages.setCurrentWidget(self.list if offers else self.hint)
        self.message.setVisible(bool(offers))
        if len(offers) == 1:
            self.list.setCurrentItem(item)
        self._refresh()

    @Slot()
    def _filter(self) -> None:
        wanted = self.filter.text().casefold()
        for item in self.list.findItems("", Qt.MatchFlag.MatchContains):
            item.setHidden(wanted not in item.text(0).casefold())
        self._refresh()

    @Slot()
    def _on_edited(self, *_: object) -> None:
        """Clear the offers of the previous link."""
        if self._offers and self.field.text().strip() != self._looked_at:
            self._show_offers(())
            self._say(self._introduction())
        self._refresh()

    @Slot()
    def _refresh(self, *_: object) -> None:
        busy = self.task.is_running
        self.field.setEnabled(not (busy and self._fetching))
        self.list.setEnabled(not busy)
        self.look_button.setEnabled(not busy and bool(self.field.text().strip()))
        self.look_button.setDefault(not self._offers)
        self.download.setEnabled(not busy and self.chosen() is not None)
        self.download.setDefault(bool(self._offers))
        self.cancel.setEnabled(busy)
        self.progress.setVisible(busy)
        if busy and not self._fetching:
            self.progress.setRange(0, 0)

    @Slot(object, object)
    def _show_progress(self, done: float | None, total: float | None) -> None:
        if done is None:
            return
        self.progress.setRange(0, _STEPS if total else 0)
        self.progress.setValue(round(_STEPS * done / total) if total else 0)
        if total and done >= total:
            self._say(self.tr("Installing…"))
        elif total:
            text = self.tr("{done} of {total}")
            self._say(text.format(done=size_text(int(done)), total=size_text(int(total))))
        else:
            self._say(self.tr("{done} downloaded").format(done=size_text(int(done))))

    @Slot(object)
    def _take_outcome(self, outcome: Outcome) -> None:
        if outcome.state == "failed":
            self._say(outcome.sentence)
        elif outcome.state == "cancelled":
            kept = self.tr("Stopped. Download again to continue.")
            self._say(kept if self._fetching else self._introduction())
        elif isinstance(outcome.value, ImportReport):
            self._show_offers(())
            self._say(report_sentence(outcome.value))
            self.imported.emit(outcome.value)
        else:
            self._show_offers(outcome.value)
            count = len(outcome.value)
            asked = self.tr("From {host}. Nothing has been downloaded yet.")
            several = self.tr("{count} voices at {host}. Choose one; nothing is downloaded yet.")
            text = asked if count == 1 else several
            self._say(text.format(count=count, host=_host(outcome.value[0].files[0].url)))
        self._fetching = False
        self._refresh()
        link, self._asked_meanwhile = self._asked_meanwhile, ""
        if link:
            self.ask(link)

    def _say(self, sentence: str) -> None:
        self.message.setText(sentence)
        self.hint.setText(sentence)

    def _introduction(self) -> str:
        return self.tr("Names and sizes are shown before anything is downloaded.")


def _host(link: str) -> str:
    """The server name of a link."""
    bare = link if "://" in link else f"https://{link}"
    try:
        return urlsplit(bare).hostname or link[:60]
    except ValueError:
        return link[:60]
