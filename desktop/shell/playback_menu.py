"""The menu Playback: everything that the player does, with a key for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu

from desktop.listen.listen_panel import ListenPanel
from desktop.queue.queue_view import SEEK_S
from desktop.shell.window_actions import new_action

if TYPE_CHECKING:
    from desktop.shell.main_window import MainWindow


class PlaybackMenu(QObject):
    """Follows the player; what does not apply now is disabled, and so is its key."""

    def __init__(self, window: MainWindow, panel: ListenPanel) -> None:
        super().__init__(window)
        self._panel, self._play = panel, window.actions_.play
        tr, heard, foot, axis = self.tr, panel.playback, panel.foot, panel.axis
        self._play.triggered.connect(panel.toggle_play)
        self._back = new_action(
            window, tr("Five Seconds Back"), lambda: panel.seek_by(-SEEK_S), "Ctrl+Alt+Left"
        )
        self._forth = new_action(
            window, tr("Five Seconds Forth"), lambda: panel.seek_by(SEEK_S), "Ctrl+Alt+Right"
        )
        self._above = new_action(window, tr("Hear Lane Above"), lambda: panel.step(-1), "Ctrl+[")
        self._below = new_action(window, tr("Hear Lane Below"), lambda: panel.step(1), "Ctrl+]")
        self._before = new_action(window, tr("Hear Lane Before"), panel.flip, "Ctrl+B")
        self._from_here = new_action(
            window, tr("Loop from Here"), heard.loop_from_here, "Ctrl+Alt+["
        )
        self._to_here = new_action(window, tr("Loop to Here"), heard.loop_to_here, "Ctrl+Alt+]")
        self._no_loop = new_action(
            window, tr("End Loop"), lambda: heard.set_loop(None), "Ctrl+Alt+L"
        )
        self._louder = new_action(
            window, tr("Increase Volume"), lambda: foot.change_volume(1), "Ctrl+Up"
        )
        self._softer = new_action(
            window, tr("Decrease Volume"), lambda: foot.change_volume(-1), "Ctrl+Down"
        )
        self._in = new_action(window, tr("Zoom In"), foot.zoom_in)
        self._in.setShortcuts([QKeySequence("Ctrl++"), QKeySequence("Ctrl+=")])
        self._out = new_action(window, tr("Zoom Out"), foot.zoom_out, "Ctrl+-")
        self._fit = new_action(window, tr("Show Whole Sound"), axis.show_all, "Ctrl+0")
        panel.state_changed.connect(self.refresh)
        axis.changed.connect(self.refresh)
        self.refresh()

    def fill(self, menu: QMenu) -> None:
        """Add the actions to a menu."""
        menu.addActions([self._play, self._back, self._forth])
        menu.addSeparator()
        menu.addActions([self._above, self._below, self._before])
        menu.addSeparator()
        menu.addActions([self._from_here, self._to_here, self._no_loop])
        menu.addSeparator()
        menu.addActions([self._louder, self._softer])
        menu.addSeparator()
        menu.addActions([self._in, self._out, self._fit])

    @Slot()
    def refresh(self) -> None:
        """Enable what applies now."""
        panel, heard = self._panel, self._panel.playback
        able = any(heard.playable)
        self._play.setEnabled(able)
        self._play.setText(self.tr("Pause") if heard.is_playing else self.tr("Play"))
        known = able and panel.axis.length_s > 0
        for action in (self._back, self._forth, self._from_here, self._to_here):
            action.setEnabled(known)
        self._no_loop.setEnabled(heard.loop is not None)
        self._above.setEnabled(heard.next_lane(-1) is not None)
        self._below.setEnabled(heard.next_lane(1) is not None)
        self._before.setEnabled(heard.lane_before() != heard.heard)
        self._louder.setEnabled(panel.foot.can_change_volume(1))
        self._softer.setEnabled(panel.foot.can_change_volume(-1))
        self._in.setEnabled(panel.axis.can_zoom_in)
        for action in (self._out, self._fit):
            action.setEnabled(panel.axis.is_zoomed)
