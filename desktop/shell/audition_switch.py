"""The button and the menu item that switch the audition, and the player that shows it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QPushButton

from desktop.listen.listen_panel import ListenPanel
from desktop.shell.audition import Audition


class AuditionSwitch(QObject):
    """Follows an audition; its player and that of the lanes are never heard together."""

    def __init__(
        self, audition: Audition, panel: ListenPanel, button: QPushButton, action: QAction
    ) -> None:
        super().__init__(button)
        self._audition, self._panel = audition, panel
        self._button, self._action = button, action
        self._tip = button.toolTip()
        button.clicked.connect(audition.toggle)
        action.triggered.connect(audition.toggle)
        panel.play_begins.connect(audition.stop)
        panel.stretch_selected.connect(audition.restart)
        audition.moved.connect(panel.show_position)
        audition.problem.connect(panel.say)
        audition.state_changed.connect(self._follow)

    @Slot()
    def _follow(self) -> None:
        audition, panel = self._audition, self._panel
        if audition.is_heard:
            panel.pause()
        if audition.stretch is not None or panel.shows_audition:
            panel.show_audition(audition.stretch, is_heard=audition.is_heard)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Show whether it is on, and whether it can be switched."""
        is_on = self._audition.stretch is not None
        title = self.tr("Stop Audition") if is_on else self.tr("Audition")
        self._button.setChecked(is_on)
        waits = self._audition.is_busy
        self._button.setToolTip(
            self.tr("Possible once nothing is being converted") if waits else self._tip
        )
        for each in (self._button, self._action):
            each.setEnabled(is_on or self._audition.can_start)
            each.setText(title)
