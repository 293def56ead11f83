"""The seconds that all lanes show: the whole of the longest sound, or a part of it."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from desktop.listen.stretch import Stretch

_SHORTEST_SHOWN_S = 1.0
_FOLLOW_SHARE = 0.1
"""Where the playing position is shown after turning a page."""


class TimeAxis(QObject):
    """One axis for every lane and for the pitch below them.

    Signals
    -------
    changed : another length, or another part of it is shown
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._length_s = 0.0
        self._start_s = 0.0
        self._span_s = 0.0

    @property
    def length_s(self) -> float:
        """Length of the longest sound."""
        return self._length_s

    @property
    def start_s(self) -> float:
        """The first second that is shown."""
        return self._start_s

    @property
    def span_s(self) -> float:
        """How many seconds are shown."""
        return self._span_s

    @property
    def shown_s(self) -> Stretch:
        """The seconds that are shown."""
        return self._start_s, self._start_s + self._span_s

    @property
    def is_zoomed(self) -> bool:
        """Whether only a part is shown."""
        return self._span_s < self._length_s

    @property
    def can_zoom_in(self) -> bool:
        """Whether less can be shown."""
        return self._span_s > min(_SHORTEST_SHOWN_S, self._length_s)

    def set_length(self, length_s: float) -> None:
        """Set the length; shows the whole, or the same part if one was shown."""
        if length_s == self._length_s:
            return
        span_s = self._span_s if self.is_zoomed else length_s
        self._length_s = length_s
        self._show(self._start_s, span_s)

    def zoom(self, factor: float, around_s: float) -> None:
        """Show ``1 / factor`` of what is shown; a position stays where it is."""
        if self._span_s > 0:
            share = (around_s - self._start_s) / self._span_s
            share = share if 0 <= share <= 1 else 0.5
            span_s = self._allowed(self._span_s / factor)
            self._show(around_s - share * span_s, span_s)

    def show_all(self) -> None:
        """Show the whole."""
        self._show(0.0, self._length_s)

    def show_from(self, start_s: float) -> None:
        """Move to another part of the same length."""
        self._show(start_s, self._span_s)

    def show(self, shown: Stretch) -> None:
        """Show a part."""
        self._show(shown[0], shown[1] - shown[0])

    def follow(self, position_s: float) -> None:
        """Turn the page if a position is not shown."""
        if self.is_zoomed and not self._start_s <= position_s <= self._start_s + self._span_s:
            self.show_from(position_s - _FOLLOW_SHARE * self._span_s)

    def share(self, second: float) -> float:
        """Where a second is: 0 at the left, 1 at the right, beyond these where it is not shown."""
        return (second - self._start_s) / self._span_s if self._span_s > 0 else 0.0

    def second(self, share: float) -> float:
        """The second at a place 0..1; inverse of `share`."""
        return self._start_s + min(1.0, max(0.0, share)) * self._span_s

    def _allowed(self, span_s: float) -> float:
        return min(max(span_s, min(_SHORTEST_SHOWN_S, self._length_s)), self._length_s)

    def _show(self, start_s: float, span_s: float) -> None:
        before = self._start_s, self._span_s
        self._span_s = self._allowed(span_s)
        self._start_s = min(max(0.0, start_s), self._length_s - self._span_s)
        if before != (self._start_s, self._span_s):
            self.changed.emit()
