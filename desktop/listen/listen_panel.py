"""Source and result: play, seek, switch between them at the same position."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QKeyEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from desktop.icons import symbol
from desktop.listen.side_button import SideButton
from desktop.listen.stretch import LENGTH_S, Stretch, best_stretch
from desktop.listen.waveform_view import LANE_MARGIN, WaveformView
from desktop.queue.job import Job, JobState
from desktop.settings import table as settings_table
from desktop.settings.section_button import SectionButton
from desktop.settings.store import Settings
from desktop.style import (
    MARGIN,
    SecondaryLabel,
    figures_font,
    plain_tip,
    small_font,
)

if TYPE_CHECKING:
    from desktop.listen.pitch_panel import PitchPanel
    from desktop.listen.player import Player
    from desktop.listen.waveform import Waveform, WaveformScanner

_HOUR_S = 3600


def position_text(seconds: float, longest_s: float) -> str:
    """``1:02.3``, or ``1:02:03`` where the longest is an hour or more, so that its width stays."""
    tenths = int(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    if longest_s < _HOUR_S:
        return f"{minutes}:{rest // 10:02d}.{rest % 10}"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest // 10:02d}"


_SIDES = 2
_PITCH = "listen.pitch"
"""Remembered: whether the pitch is shown."""

_WITHOUT_RESULT = frozenset({JobState.FAILED, JobState.CANCELLED})
_JUST_MATCHED_DB = 0.05
_MOST_TAKES = 30


class ListenPanel(QWidget):
    """For the selected job. Sound and its libraries are loaded when first needed.

    Parameters
    ----------
    settings : for level matching
    cache_folder : for waveforms
    make_player : replaced in tests
    pitch : shown below on demand

    Attributes
    ----------
    pitch : the pitch of both, opened and closed by a button
    takes_of : the results of all takes of a job's source, whose levels are matched

    Signals
    -------
    play_begins : the user starts playing
    stretch_selected : another stretch of the source was selected, or none is any more
    """

    play_begins = Signal()
    stretch_selected = Signal()

    def __init__(
        self,
        settings: Settings,
        cache_folder: Path,
        make_player: Callable[[], Player] | None = None,
        pitch: PitchPanel | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._settings = settings
        self._cache_folder = cache_folder
        self._make_player = make_player
        self._player: Player | None = None
        self._scanner: WaveformScanner | None = None
        self._files: tuple[Path | None, Path | None] = (None, None)
        self._track: int | None = None
        self._takes: tuple[Path, ...] = ()
        self._selected: Stretch | None = None
        self._shows_audition = False
        self.takes_of: Callable[[Job], Sequence[Path]] = lambda _job: ()
        self._waveforms: dict[Path, Waveform] = {}
        self._is_hopeless = False
        self.pitch = pitch
        self._build()
        settings.changed.connect(self._setting_changed)
        for side in range(_SIDES):
            self._show_lane(side)
        self._show_state()
        self._show_time(0.0)

    @Slot(object)
    def set_job(self, job: Job | None) -> None:
        """Show a job, or none; a job that gets its result keeps its position."""
        files = (None, None) if job is None else (job.source, job.output)
        track = None if job is None else job.options.track
        self._is_hopeless = job is not None and job.state in _WITHOUT_RESULT
        if self.pitch is not None:
            self.pitch.set_job(job)
        takes = () if job is None else tuple(self.takes_of(job))
        same_source = (files[0], track) == (self._files[0], self._track)
        if same_source and (files, takes) == (self._files, self._takes):
            self._show_lane(1)
            return
        self._takes = takes
        if same_source and self._player is not None and files[0] is not None:
            self._show_other_result(files[1])
            return
        place_s = self._player.position_s if self._player and files[0] == self._files[0] else 0.0
        shown = (*files, *takes)
        kept = [path for path in shown if path != files[0] or track == self._track]
        self._files, self._track = files, track
        self._selected = None
        for lane in self._lanes:
            lane.set_stretch(None)
        self._waveforms = {path: w for path, w in self._waveforms.items() if path in kept}
        if files[0] is not None:
            self._load(place_s)
        elif self._player is not None and self._scanner is not None:
            self._player.load(None, None)
            self._scanner.want()
        for side in range(_SIDES):
            self._show_lane(side)
        self._show_time(place_s)
        self._show_state()

    def _show_other_result(self, result: Path | None) -> None:
        """Show another take of the same source; what is heard goes on at the same instant."""
        if self._player is None:
            return
        was_waiting = self._files[1] is None
        self._files = (self._files[0], result)
        self._say("")
        self._player.replace_result(result, self._gains() or (1.0, 1.0))
        if was_waiting and result is not None and not self._player.is_playing:
            self._player.set_side(1)
        self._want_waveforms()
        self._show_lane(1)
        self._match_levels()
        self._show_state()

    def toggle_play(self) -> None:
        """Play or pause."""
        if self._player is not None:
            if not self._player.is_playing:
                self.play_begins.emit()
            self._say("")  # clear the last problem
            self._match_levels()
            self._player.toggle()

    def pause(self) -> None:
        """Pause."""
        if self._player is not None:
            self._player.pause()

    def stretch_of(self, job: Job) -> Stretch:
        """The selected stretch of a source; else its most voiced one, or its loudest."""
        if self._selected is not None and job.source == self._files[0]:
            return self._selected
        waveform = self._waveforms.get(job.source)
        duration_s = waveform.duration_s if waveform is not None else job.source_s
        voiced = None if self.pitch is None else self.pitch.voiced(job.source)
        if voiced is not None and len(voiced):
            return best_stretch(voiced, duration_s or len(voiced) / 100)
        if waveform is None:
            return 0.0, min(duration_s or LENGTH_S, LENGTH_S)
        peaks = waveform.columns(max(1, round(4 * duration_s)))
        return best_stretch(peaks[:, 1] - peaks[:, 0], duration_s)

    def show_audition(self, stretch: Stretch | None, *, is_heard: bool) -> None:
        """Show which stretch is auditioned; None shows what is selected."""
        for lane in self._lanes:
            lane.set_stretch(stretch or self._selected)
        self._shows_audition = stretch is not None
        if stretch is None:
            self._say("")
            return
        places = [position_text(each, self._length_s()) for each in stretch]
        text = self.tr("Audition {start}–{stop}, looped")
        if not is_heard:
            text = self.tr("Audition {start}–{stop}: converting…")
        self._say(text.format(start=places[0], stop=places[1]))

    @property
    def shows_audition(self) -> bool:
        """Whether an audition is shown."""
        return self._shows_audition

    def show_position(self, position_s: float) -> None:
        """Show what is heard of an audition."""
        self._show_time(position_s)

    def say(self, sentence: str) -> None:
        """Show why there is nothing to be heard."""
        self._say(sentence)

    @Slot(object)
    def _select(self, stretch: Stretch | None) -> None:
        self._selected = stretch
        for lane in self._lanes:
            lane.set_stretch(stretch)
        self.stretch_selected.emit()

    def seek_by(self, seconds: float) -> None:
        """Move back (negative) or forth."""
        if self._player is not None:
            place_s = self._player.position_s + seconds
            self._seek(min(max(0.0, place_s), self._length_s() or place_s))

    def flip(self) -> None:
        """Switch to the other sound at the same position."""
        if self._player is not None:
            self._player.flip()

    def close_sound(self) -> None:
        """Stop, and end the threads, before the app quits."""
        if self.pitch is not None:
            self.pitch.close_tasks()
        if self._player is not None and self._scanner is not None:
            self._player.close()
            self._scanner.close()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the curves below the waveforms."""
        super().resizeEvent(event)
        self._align()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Space plays and pauses."""
        if event.key() == Qt.Key.Key_Space and not event.isAutoRepeat():
            self.toggle_play()
        else:
            super().keyPressEvent(event)

    def _build(self) -> None:
        self._play = QToolButton()
        self._play.setAutoRaise(True)
        self._play.setIconSize(QSize(22, 22))
        self._play.setFixedSize(34, 44)
        self._play.clicked.connect(self.toggle_play)
        self._lanes = (WaveformView(), WaveformView())
        self._sides = tuple(
            self._side_button(name) for name in (self.tr("Source"), self.tr("Result"))
        )
        self._lanes[0].setAccessibleName(self.tr("Waveform of the source"))
        self._lanes[1].setAccessibleName(self.tr("Waveform of the result"))
        group = QButtonGroup(self)
        for side, button in enumerate(self._sides):
            group.addButton(button, side)
        group.idClicked.connect(self._choose_side)
        self._lanes[0].sought.connect(self._seek_in_source)
        self._lanes[1].sought.connect(self._seek_in_result)
        for lane in self._lanes:
            lane.flip_requested.connect(self.flip)
            lane.selected.connect(self._select)
        self._time, self._note = SecondaryLabel(), SecondaryLabel()
        self._time.setFont(figures_font(self._time.font()))
        for label in (self._time, self._note):
            label.setWordWrap(False)
        self._note.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight)
        self._time.setAccessibleName(self.tr("Position and length"))
        grid = QGridLayout(self)
        grid.setContentsMargins(MARGIN - 6, 6, MARGIN, 6)
        grid.setVerticalSpacing(4)
        grid.addWidget(self._play, 0, 0, _SIDES, 1, Qt.AlignmentFlag.AlignVCenter)
        for side in range(_SIDES):
            grid.addWidget(self._sides[side], side, 1)
            grid.addWidget(self._lanes[side], side, 2)
        foot = QHBoxLayout()
        foot.addWidget(self._time)
        foot.addWidget(self._note, 1)
        grid.addLayout(foot, _SIDES, 2)
        if self.pitch is not None:
            grid.addWidget(self._pitch_button(self.pitch), _SIDES, 1)
            grid.addWidget(self.pitch, _SIDES + 1, 0, 1, 3)
        grid.setColumnStretch(2, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Listen"))

    def _pitch_button(self, panel: PitchPanel) -> QToolButton:
        button = SectionButton(self.tr("Pitch"), self._settings, _PITCH)
        button.setToolTip(self.tr("Show the pitch of both over a piano, and correct it"))
        button.setFont(small_font(button))
        button.toggled.connect(self._show_pitch)
        panel.sought.connect(self._seek)
        self._pitch_toggle = button
        self._show_pitch(button.isChecked())
        return button

    @Slot(bool)
    def _show_pitch(self, shown: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        if self.pitch is not None:
            self.pitch.setVisible(shown)
        self._align()

    def _align(self) -> None:
        layout = self.layout()
        if self.pitch is not None and layout is not None:
            layout.activate()
            self.pitch.set_left(self._lanes[0].x() - self.pitch.x() + LANE_MARGIN)

    def _side_button(self, name: str) -> SideButton:
        button = SideButton(name)
        button.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Preferred)
        button.setToolTip(self.tr("Listen to this one (Tab in a waveform switches)"))
        return button

    def _load(self, place_s: float) -> None:
        if self._player is None or self._scanner is None:
            from desktop.listen.player import Player
            from desktop.listen.waveform import WaveformCache, WaveformScanner

            self._player = (self._make_player or Player)()
            self._scanner = WaveformScanner(WaveformCache(self._cache_folder), self)
            self._player.setParent(self)
            self._player.moved.connect(self._show_time)
            self._player.state_changed.connect(self._show_state)
            self._player.problem.connect(self._say)
            self._scanner.updated.connect(self._take_waveform)
            self._scanner.failed.connect(self._take_refusal)
        self._say("")
        self._player.load(*self._files, self._track)
        self._player.seek(place_s)
        self._want_waveforms()

    def _want_waveforms(self) -> None:
        """Read the sounds that are shown, and then the other takes, to match their levels."""
        if self._scanner is not None:
            wanted = [path for path in reversed(self._files) if path is not None]
            others = [path for path in self._takes if path not in wanted][:_MOST_TAKES]
            tracks = {self._files[0] or Path(): self._track}
            self._scanner.want(*wanted, *others, tracks=tracks)

    @Slot(object, object)
    def _take_waveform(self, path: Path, waveform: Waveform) -> None:
        self._waveforms[path] = waveform
        for side, file in enumerate(self._files):
            if file == path:
                self._show_lane(side)
        for lane in self._lanes:
            lane.set_axis(self._length_s())
        self._match_levels()
        self._show_time(self._player.position_s if self._player else 0.0)

    @Slot(object, str)
    def _take_refusal(self, path: Path, sentence: str) -> None:
        for lane, file in zip(self._lanes, self._files, strict=True):
            if file == path:
                lane.show_waveform(None, sentence)

    def _show_lane(self, side: int) -> None:
        file = self._files[side]
        waveform = self._waveforms.get(file) if file is not None else None
        message = ""
        if waveform is None and file is not None:
            message = self.tr("Reading the sound…")
        elif self._files[0] is None:
            message = self.tr("Select a file in the list to listen to it") if side == 0 else ""
        elif file is None:
            hopeless = self._is_hopeless
            message = self.tr("No result") if hopeless else self.tr("The result will appear here")
        self._lanes[side].show_waveform(waveform, message)
        self._lanes[side].set_axis(self._length_s())

    def _length_s(self) -> float:
        return max((waveform.duration_s for waveform in self._waveforms.values()), default=0.0)

    @Slot(str)
    def _setting_changed(self, key: str) -> None:
        if key == settings_table.LEVEL_MATCH.key:
            self._match_levels()

    def _match_levels(self) -> None:
        """Match the levels once the loudness of both is known."""
        gains = self._gains()
        if self._player is None or gains is None:
            return
        self._player.set_gains(gains)
        gain_db = 20 * math.log10(gains[1] / gains[0])
        if abs(gain_db) < _JUST_MATCHED_DB:
            self._say("")
        else:
            louder = self.tr("source") if gain_db > 0 else self.tr("result")
            self._say(
                self.tr("Levels matched: {louder} {gain} dB").format(
                    louder=louder, gain=f"−{abs(gain_db):.1f}"
                )
            )

    def _gains(self) -> tuple[float, float] | None:
        """Factors of source and result that make all takes equally loud; None while unknown."""
        paths = dict.fromkeys((*self._files, *self._takes))
        found = {path: self._waveforms.get(path) for path in paths if path is not None}
        known = {path: each for path, each in found.items() if each is not None and each.complete}
        source, result = self._files
        if source not in known or result not in known:
            return None
        if not self._settings.value(settings_table.LEVEL_MATCH):
            return (1.0, 1.0)
        from desktop.listen.loudness import matching_gains_db

        gains_db = matching_gains_db([each.loudness_lufs for each in known.values()])
        factors = {path: 10 ** (db / 20) for path, db in zip(known, gains_db, strict=True)}
        return factors[source], factors[result]

    @Slot(int)
    def _choose_side(self, side: int) -> None:
        if self._player is not None:
            self._player.set_side(1 if side else 0)
        self._show_state()

    @Slot(float)
    def _seek_in_source(self, position_s: float) -> None:
        self._choose_side(0)
        self._seek(position_s)

    @Slot(float)
    def _seek_in_result(self, position_s: float) -> None:
        self._choose_side(1)
        self._seek(position_s)

    def _seek(self, position_s: float) -> None:
        if self._player is not None:
            self._player.seek(position_s)

    @Slot()
    def _show_state(self) -> None:
        player = self._player
        playing = player is not None and player.is_playing
        side = 1 if player is None else player.side
        self._play.setIcon(symbol("pause" if playing else "play"))
        name = self.tr("Pause") if playing else self.tr("Play")
        self._play.setAccessibleName(name)
        self._play.setToolTip(self.tr("{action} (Space)").format(action=name))
        self._play.setEnabled(self._files[0] is not None)
        for number, (button, lane) in enumerate(zip(self._sides, self._lanes, strict=True)):
            button.setEnabled(self._files[number] is not None)
            button.setChecked(number == side and self._files[number] is not None)
            button.set_reached_by_tab(reached=number == side)
            lane.set_active(active=number == side)
            lane.setEnabled(self._files[number] is not None)

    @Slot(float)
    def _show_time(self, position_s: float) -> None:
        for lane in self._lanes:
            lane.set_position(position_s)
        if self.pitch is not None:
            self.pitch.set_position(position_s)
        length_s = self._length_s()
        known = self._files[0] is not None and length_s > 0
        both = (position_text(seconds, length_s) for seconds in (position_s, length_s))
        self._time.setText(" / ".join(both) if known else "")

    @Slot(str)
    def _say(self, sentence: str) -> None:
        self._note.setText(sentence)
        self._note.setToolTip(plain_tip(sentence))
