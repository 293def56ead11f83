"""Acknowledgements: the licences of everything that the app is made of, in a window to search."""

from __future__ import annotations

import json
import re
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from PySide6.QtCore import QCoreApplication, Qt, Slot
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QPlainTextEdit,
    QVBoxLayout,
    QWidget,
)

from desktop import style
from desktop.background import BackgroundTask, Outcome

_ROOT = Path(__file__).resolve().parents[2]
_TEXTS = _ROOT / "resources" / "licences"
"""Licences that the packages refer to, but do not bring with them."""

STORED = _TEXTS / "acknowledgements.json"
"""Written when the app is built; a checkout reads its environment instead."""

_LOCKS = _ROOT / "packaging" / "locks"
_ADDED = {
    "pyside6-essentials": ("LGPL-3.0.txt", "GPL-3.0.txt"),
    "shiboken6": ("LGPL-3.0.txt", "GPL-3.0.txt"),
    "sounddevice": ("PortAudio.txt",),
    "av": ("GPL-3.0.txt",),
}
_LICENCE_FILE = re.compile(
    r"\.dist-info/(licenses/|(licen[cs]e|copying|notice))|"
    r"(^|/)[^/]*(licen[cs]e|copying|notice)[^/.]*(\.txt|\.md|\.rst)?$",
    re.IGNORECASE,
)
_NOT_TEXT = (".py", ".pyc")
_PIN = re.compile(r"^([A-Za-z0-9][\w.-]*)==", re.MULTILINE)
_LONGEST_NAME = 130

_SIZE = (820, 560)
_LIST_WIDTH = 230


@dataclass(frozen=True)
class Component:
    """One part of the app that others wrote.

    Attributes
    ----------
    licence : its name, e.g. ``BSD-3-Clause``
    text : the whole licence, with those of what the component itself contains
    """

    name: str
    version: str
    licence: str
    text: str


def components() -> list[Component]:
    """Everything that the app is made of: as stored in a built app, else from the environment."""
    if STORED.is_file():
        return [Component(**each) for each in json.loads(STORED.read_text(encoding="utf-8"))]
    return collect(locked_names())


def store_components(path: Path, left_out: Iterable[str]) -> None:
    """Collect the components for an app that is being built, with Python itself.

    Parameters
    ----------
    left_out : packages that do not go into the app
    """
    names = [name for name in locked_names() if name not in set(left_out)]
    python = Component(
        "Python",
        sysconfig.get_python_version(),
        "PSF-2.0",
        Path(sysconfig.get_path("stdlib"), "LICENSE.txt").read_text(encoding="utf-8"),
    )
    found = [python, *collect(names)]
    path.write_text(json.dumps([asdict(each) for each in found]), encoding="utf-8")


def locked_names() -> list[str]:
    """Names of the packages that `packaging/locks` pins for running the app."""
    files = (_LOCKS / name for name in ("runtime.txt", "torch.txt"))
    found = {name for file in files for name in _PIN.findall(file.read_text(encoding="utf-8"))}
    return sorted(found)


def collect(names: Iterable[str]) -> list[Component]:
    """Read the licences of those packages that are installed; first those of our own folders."""
    starter, pitch = (
        (_ROOT / "resources" / folder / "NOTICE").read_text(encoding="utf-8")
        for folder in ("starter", "pitch")
    )
    found = [
        Component("Starter voice", "", "its own notice", starter),
        Component("SwiftF0 (pitch network)", "0.3.0", "MIT", pitch),
    ]
    for name in names:
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue  # of another system
        text = "\n\n".join(dict.fromkeys(_texts(package, name)))
        found.append(Component(package.name, package.version, _licence_name(package), text))
    return found


def replacement_notice(name: str) -> str:
    """What the licence obliges us to tell about a component; empty for most.

    Libraries under the LGPL may be replaced by their users: the notice says where they lie.
    """
    sign = 'codesign --force --deep --sign - "Ultimate RVC.app"'
    where = "Contents/Resources/lib/python3.11"

    def tr(text: str) -> str:
        return QCoreApplication.translate("Acknowledgements", text)

    notices = {
        "pyside6-essentials": tr(
            "Contains Qt, under the GNU LGPL version 3. You may replace it: the libraries are "
            "separate files in {folder}. Put your own build of the same version there, then sign "
            "the app again: {sign}. The Qt Project publishes the source code."
        ).format(folder=f"{where}/PySide6", sign=sign),
        "shiboken6": tr(
            "Under the GNU LGPL version 3. You may replace it: its libraries are separate files in "
            "{folder}. Put your own build of the same version there, then sign the app again: "
            "{sign}. The Qt Project publishes the source code."
        ).format(folder=f"{where}/shiboken6", sign=sign),
        "soundfile": tr(
            "Contains libsndfile with LAME and mpg123, under the GNU LGPL version 2.1. You may "
            "replace them: the library is a file of its own in {folder}. Put your own build there, "
            "then sign the app again: {sign}. The projects publish their source code."
        ).format(folder=f"{where}/_soundfile_data", sign=sign),
        "soxr": tr(
            "Contains libsoxr, both under the GNU LGPL version 2.1. You may replace them: build "
            "the Python package soxr from its source code with your libsoxr, put it into {folder}, "
            "then sign the app again: {sign}. The projects publish their source code."
        ).format(folder=f"{where}/soxr", sign=sign),
        "av": tr(
            "Contains FFmpeg, built with x264 and x265 and therefore under the GNU GPL version 3. "
            "It is not part of the Mac app, which decodes with macOS; a checkout installs it. You "
            "may replace it: install PyAV from its source code with your FFmpeg."
        ),
    }
    return notices.get(name.lower().replace("_", "-"), "")


class AcknowledgementsDialog(QDialog):
    """The components on the left, the licence of the current one on the right.

    Deletes itself when it was closed.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Acknowledgements"))
        self.resize(*_SIZE)
        self.search = QLineEdit()
        self.search.setPlaceholderText(self.tr("Search names and licences"))
        self.search.setClearButtonEnabled(True)
        self.list = QListWidget()
        self.list.setFixedWidth(_LIST_WIDTH)
        self.list.setAccessibleName(self.tr("Components"))
        self.text = QPlainTextEdit()
        self.text.setReadOnly(True)
        self.text.setAccessibleName(self.tr("Licence"))
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        columns = QHBoxLayout()
        columns.setSpacing(style.GAP)
        columns.addWidget(self.list)
        columns.addWidget(self.text, 1)
        layout = QVBoxLayout(self)
        layout.setSpacing(style.GAP)
        layout.addWidget(self.search)
        layout.addLayout(columns, 1)
        layout.addWidget(buttons)
        self.search.textChanged.connect(self._filter)
        self.list.currentItemChanged.connect(self._show_current)
        self.text.setPlainText(self.tr("Loading…"))
        self._closed = False
        self.task = BackgroundTask(self)
        self.task.ended.connect(self._fill)
        self.task.start(lambda *_: components())

    def done(self, result: int) -> None:
        """Close; while the licences are being read, the window is only hidden."""
        super().done(result)
        self._closed = True
        if not self.task.is_running:
            self.deleteLater()

    @Slot(object)
    def _fill(self, outcome: Outcome) -> None:
        if self._closed:
            self.deleteLater()
            return
        self.text.setPlainText(outcome.sentence)
        for component in outcome.value or ():
            item = QListWidgetItem(f"{component.name} {component.version}".rstrip(), self.list)
            item.setData(Qt.ItemDataRole.UserRole, component)
        self._filter(self.search.text())

    def _filter(self, wanted: str) -> None:
        """Hide what does not contain the words, and show the first that does."""
        words = wanted.casefold().split()
        items = [self.list.item(row) for row in range(self.list.count())]
        for item in items:
            component: Component = item.data(Qt.ItemDataRole.UserRole)
            known = f"{component.name} {component.licence}".casefold()
            item.setHidden(not all(word in known for word in words))
        current = self.list.currentItem()
        if current is None or current.isHidden():
            left = [row for row, item in enumerate(items) if not item.isHidden()]
            self.list.setCurrentRow(left[0] if left else -1)

    def _show_current(self, item: QListWidgetItem | None) -> None:
        if item is None:
            self.text.clear()
            return
        component: Component = item.data(Qt.ItemDataRole.UserRole)
        title = f"{component.name} {component.version}".rstrip()
        parts = [f"{title} · {component.licence}", replacement_notice(component.name)]
        self.text.setPlainText("\n\n".join([*filter(None, parts), component.text]))


def _texts(package: Distribution, name: str) -> Iterator[str]:
    """The licence files of a package; of those that it contains with where they stand."""
    for file in sorted(package.files or (), key=lambda each: (len(each.parts), str(each))):
        if not _LICENCE_FILE.search(file.as_posix()) or file.suffix in _NOT_TEXT:
            continue
        path = Path(str(file.locate()))
        if path.is_file():
            yield path.read_text(encoding="utf-8", errors="replace").strip()
    added = ("PyObjC.txt",) if name.startswith("pyobjc") else _ADDED.get(name, ())
    for text in added:
        yield (_TEXTS / text).read_text(encoding="utf-8").rstrip()


def _licence_name(package: Distribution) -> str:
    """E.g. ``BSD-3-Clause``; older packages have the whole text in its place."""

    def values(key: str) -> list[str]:
        return package.metadata.get_all(key) or []

    for name in (*values("License-Expression"), *values("License")):
        if "\n" not in name and len(name) <= _LONGEST_NAME:
            return name
    classes = (each for each in values("Classifier") if each.startswith("License"))
    return next(classes, "License").rpartition(" :: ")[2]
