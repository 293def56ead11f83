"""Source, takes and parts in lanes: play, seek, loop, flip at the same instant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QToolButton, QWidget

from desktop.icons import symbol
from desktop.listen.cover_mixer import CoverMixer
from desktop.listen.feeder import PlayedFile
from desktop.listen.lane import SOURCE, Lane, lanes_of
from desktop.listen.lane_list import LaneList
from desktop.listen.lane_sounds import LaneSounds
from desktop.listen.listen_foot import ListenFoot
from desktop.listen.playback import Playback
from desktop.listen.stretch import LENGTH_S, Stretch, best_stretch
from desktop.listen.time_axis import TimeAxis
from desktop.queue.job import Job, JobState
from desktop.queue.queue_view import SEEK_S
from desktop.settings import table as settings_table
from desktop.settings.section_button import SectionButton
from desktop.settings.store import Settings
from desktop.style import MARGIN, small_font
from desktop.translation import says

if TYPE_CHECKING:
    from desktop.listen.pitch_panel import PitchPanel
    from desktop.listen.player import Player

_PITCH = "listen.pitch"
"""Remembered: whether the pitch is shown."""
_WITHOUT_RESULT = frozenset({JobState.FAILED, JobState.CANCELLED})


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
    axis : the time that is shown
    play : the button
    pitch : the pitch of source and result, opened and closed by a button
    playback : what is heard
    takes_of : all takes of a job's source

    Signals
    -------
    play_begins : the user starts playing
    stretch_selected : another stretch of the source was selected, or none is any more
    take_chosen : (str) the user chose to hear the take of this job
    state_changed : something else is heard, or it can be
    """

    play_begins = Signal()
    stretch_selected = Signal()
    take_chosen = Signal(str)
    state_changed = Signal()

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
        self._sounds = LaneSounds(settings, cache_folder, self)
        self._sounds.updated.connect(self._on_sounds)
        self._job: Job | None = None
        self._shows_audition = False
        self.takes_of: Callable[[Job], Sequence[Job]] = lambda job: (job,)
        self.axis = TimeAxis(self)
        self.pitch = pitch
        self.mixer = CoverMixer(settings, self)
        self.mixer.lanes_changed.connect(self.look_again)
        self.mixer.levels_changed.connect(self._on_levels)
        self.playback = Playback(self._sounds, self.mixer.gains, make_player, self)
        self._build()
        settings.changed.connect(self._setting_changed)
        self._follow_playback()
        self._show_lanes()
        self.show_position(0.0)

    # --- for others ----------------------------------------------------------------------------

    @property
    def lanes(self) -> LaneList:
        """The lanes as they are shown."""
        return self._list

    @property
    def heard(self) -> int:
        """Number of the lane that is heard."""
        return self.playback.heard

    @property
    def is_playing(self) -> bool:
        """Whether sound is playing or about to."""
        return self.playback.is_playing

    @property
    def position_s(self) -> float:
        """The playing position."""
        return self.playback.position_s

    @property
    def is_read(self) -> bool:
        """Whether all lanes were read to their end."""
        return self._sounds.all_read

    @property
    def note(self) -> str:
        """What is said below the lanes."""
        return self.foot.note

    @Slot(object)
    def set_job(self, job: Job | None) -> None:
        """Show a job, or none; another take of the same source goes on at the same instant."""
        before, self._job = self._job, job
        if self.pitch is not None:
            self.pitch.set_job(job)
        self.mixer.set_job(job)
        heard, lanes = self.playback, self._wanted_lanes()
        shown = heard.lanes[0]
        same = job is not None and heard.player is not None and lanes[0].file == shown.file
        place_s = self.position_s if lanes[0].path == shown.path else 0.0
        had_result = before is not None and before.output is not None
        wanted = "" if job is None else job.id
        heard.set_lanes(lanes, wanted)
        if not same:
            heard.hear(wanted)
            self.axis.show_all()
            self.foot.say("")
            heard.load(place_s)
        else:
            other = before is None or before.id != wanted
            arrived = not had_result and not self.is_playing
            if job is not None and job.output is not None and (other or arrived):
                heard.hear(wanted)
            heard.go_on()
        self._show_lanes()
        self.show_position(place_s if not same else self.position_s)

    @Slot()
    def look_again(self) -> None:
        """Show takes and parts as they are now; what is heard goes on."""
        lanes = self._wanted_lanes()
        if lanes != self.playback.lanes:
            self.playback.set_lanes(lanes, "" if self._job is None else self._job.id)
            self.playback.go_on()
            self._show_lanes()

    def toggle_play(self) -> None:
        """Play or pause."""
        self._tell_loop()  # clear the last problem
        self.playback.toggle()

    def pause(self) -> None:
        """Pause."""
        self.playback.pause()

    def stretch_of(self, job: Job) -> Stretch:
        """The selected stretch of a source; else its most voiced one, or its loudest."""
        loop, lanes = self.playback.loop, self.playback.lanes
        if loop is not None and job.source == lanes[0].path:
            return loop
        waveform = self._sounds.waveform(PlayedFile(job.source, job.options.track))
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
        self._list.set_stretch(stretch or self.playback.loop)
        self._shows_audition = stretch is not None
        if stretch is None:
            self._tell_loop()
            return
        text = self.tr("Audition {start}–{stop}, looped")
        if not is_heard:
            text = self.tr("Audition {start}–{stop}: converting…")
        self.foot.say_stretch(text, stretch)

    @property
    def shows_audition(self) -> bool:
        """Whether an audition is shown."""
        return self._shows_audition

    def say(self, sentence: str) -> None:
        """Show why there is nothing to be heard."""
        self.foot.say(sentence)

    def seek_by(self, seconds: float) -> None:
        """Move back (negative) or forth, within the loop if there is one."""
        self.playback.seek_by(seconds)

    def flip(self) -> None:
        """Hear the lane that was heard before, at the same instant."""
        self.choose(self.playback.lane_before())

    def step(self, by: int) -> None:
        """Hear the next lane below (1) or above (-1), at the same instant."""
        number = self.playback.next_lane(by)
        if number is not None:
            self.choose(number)

    def choose(self, number: int) -> None:
        """Hear a lane, at the same instant."""
        lane = self.playback.lanes[number]
        if lane.file is not None and lane.key != self.playback.heard_key:
            self.playback.hear(lane.key)
            self.playback.go_on()
        self._show_state()
        self._list.scroll_to(self.heard)
        if lane.job_id and self._job is not None and lane.job_id != self._job.id:
            self.take_chosen.emit(lane.job_id)

    def close_sound(self) -> None:
        """Stop, and end the threads, before the app quits."""
        if self.pitch is not None:
            self.pitch.close_tasks()
        self.mixer.close_tasks()
        self.playback.close()

    def take_key(self, event: QKeyEvent) -> bool:
        """Space plays and pauses, the arrows seek and flip; False for any other key."""
        plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if plain != Qt.KeyboardModifier.NoModifier:
            return False
        match event.key():
            case Qt.Key.Key_Space:
                if not event.isAutoRepeat():
                    self.toggle_play()
            case Qt.Key.Key_Left | Qt.Key.Key_Right:
                self.seek_by(-SEEK_S if event.key() == Qt.Key.Key_Left else SEEK_S)
            case Qt.Key.Key_Up | Qt.Key.Key_Down:
                self.step(-1 if event.key() == Qt.Key.Key_Up else 1)
            case Qt.Key.Key_Escape if self.playback.loop is not None:
                self.playback.set_loop(None)
            case _:
                return False
        return True

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep the curves below the waveforms."""
        super().resizeEvent(event)
        self._align()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """See `take_key`."""
        if not self.take_key(event):
            super().keyPressEvent(event)

    # --- what it is made of --------------------------------------------------------------------

    def _build(self) -> None:
        self.play = QToolButton()
        self.play.setAutoRaise(True)
        self.play.setIconSize(QSize(22, 22))
        self.play.setFixedSize(34, 44)
        self.play.clicked.connect(self.toggle_play)
        self._list = LaneList(self.axis)
        self._list.chosen.connect(self.choose)
        self._list.sought.connect(self._seek_in_lane)
        self._list.selected.connect(self.playback.set_loop)
        self._list.flip_requested.connect(self.flip)
        self._list.step_wanted.connect(self.step)
        self._list.levels_changed.connect(self.mixer.set_levels)
        sections: list[QWidget] = [self.mixer.toggle]
        if self.pitch is not None:
            sections.insert(0, self._pitch_button(self.pitch))
        self.foot = ListenFoot(self.axis, self._settings, sections)
        self.foot.volume_changed.connect(self._on_volume)
        grid = QGridLayout(self)
        grid.setContentsMargins(MARGIN - 6, 6, MARGIN, 6)
        grid.setVerticalSpacing(4)
        grid.addWidget(self.play, 0, 0, Qt.AlignmentFlag.AlignVCenter)
        grid.addWidget(self._list, 0, 1)
        grid.addWidget(self.mixer.bar, 1, 1)
        grid.addWidget(self.foot, 2, 1)
        if self.pitch is not None:
            grid.addWidget(self.pitch, 3, 0, 1, 2)
            self._show_pitch(self._pitch_toggle.isChecked())
        grid.setColumnStretch(1, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setAccessibleName(self.tr("Listen"))

    def _pitch_button(self, panel: PitchPanel) -> QToolButton:
        button = SectionButton(self.tr("Pitch line"), self._settings, _PITCH)
        button.setToolTip(self.tr("Show source and result as lines over a piano, and correct them"))
        button.setFont(small_font(button))
        button.toggled.connect(self._show_pitch)
        panel.sought.connect(self.playback.seek)
        panel.scrolled.connect(self.axis.show)
        self.axis.changed.connect(lambda: panel.show_seconds(self.axis.shown_s))
        self._pitch_toggle = button
        return button

    @Slot(bool)
    def _show_pitch(self, shown: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        if self.pitch is not None:
            self.pitch.setVisible(shown)
        self._align()

    def _align(self) -> None:
        layout = self.layout()
        if self.pitch is not None and layout is not None and self._list.rows:
            layout.activate()
            self._list.align()
            left = self._list.x() + self._list.time_left - self.pitch.x()
            self.pitch.set_ends(left, self._list.right_gap)

    # --- what is played ------------------------------------------------------------------------

    def _follow_playback(self) -> None:
        playback = self.playback
        playback.set_volume(self.foot.factor)
        playback.begins.connect(self.play_begins)
        playback.moved.connect(self.show_position)
        playback.state_changed.connect(self._show_state)
        playback.problem.connect(self.foot.say)
        playback.loop_changed.connect(self._show_loop)

    def _wanted_lanes(self) -> list[Lane]:
        takes = () if self._job is None else self.takes_of(self._job)
        return [*lanes_of(self._job, takes), *self.mixer.lanes()]

    @Slot()
    def _on_levels(self) -> None:
        """What is mixed is heard, unless a part is heard alone."""
        if self._job is not None and self.playback.lanes[self.heard].part is None:
            self.playback.hear(self._job.id)
        self.playback.go_on()
        self._show_lanes()

    @Slot(bool)
    def _on_sounds(self, complete: bool) -> None:  # noqa: FBT001 - the slot of a signal of one value
        if complete:
            if not self._sounds.playable(self.heard):
                lanes, able = self.playback.lanes, self.playback.playable
                keys = [lane.key for k, lane in enumerate(lanes) if able[k]]
                self.playback.hear(keys[0] if keys else SOURCE)
            self.playback.go_on()
        self._show_lanes()
        self.show_position(self.position_s)

    def _show_lanes(self) -> None:
        lanes = self.playback.lanes
        self._list.show_lanes(lanes)
        self.axis.set_length(self._sounds.length_s)
        for lane, row in zip(lanes, self._list.rows, strict=True):
            row.view.show_waveform(self._sounds.waveform(lane.file), self._message(lane))
        self._list.set_stretch(self.playback.loop)
        self._show_levels()
        self._show_state()
        self._align()

    def _message(self, lane: Lane) -> str:
        """What is said where there is no waveform."""
        if lane.file is not None:
            refusal = self._sounds.refusal(lane.file)
            if refusal and self._job is not None and says(self._job.message, refusal):
                return self.tr("No sound")  # why is said above
            return refusal or self.tr("Reading the sound…")
        if self._job is None:
            hint = self.tr("Select a file in the list to listen to it")
            return hint if lane.key == SOURCE else ""
        hopeless = self._job.state in _WITHOUT_RESULT
        return self.tr("No result") if hopeless else self.tr("The result will appear here")

    # --- levels and volume ---------------------------------------------------------------------

    def _show_levels(self) -> None:
        self._list.show_gains(self._sounds.gains_db())
        levels = self.mixer.levels
        if levels is not None:
            self._list.show_levels(levels)

    @Slot(str)
    def _setting_changed(self, key: str) -> None:
        if key == settings_table.LEVEL_MATCH.key:
            self._show_levels()
            self._align()
            self.playback.go_on()

    @Slot()
    def _on_volume(self) -> None:
        self.playback.set_volume(self.foot.factor)
        self.state_changed.emit()

    # --- time ----------------------------------------------------------------------------------

    @Slot(int, float)
    def _seek_in_lane(self, number: int, position_s: float) -> None:
        self.choose(number)
        self.playback.seek(position_s)

    @Slot()
    def _show_loop(self) -> None:
        self._list.set_stretch(self.playback.loop)
        self._tell_loop()
        self.stretch_selected.emit()
        self.state_changed.emit()

    def _tell_loop(self) -> None:
        if self.playback.loop is None:
            self.foot.say("")
        else:
            self.foot.say_stretch(self.tr("Loop {start}–{stop}"), self.playback.loop)

    @Slot()
    def _show_state(self) -> None:
        playing = self.is_playing
        self.play.setIcon(symbol("pause" if playing else "play"))
        name = self.tr("Pause") if playing else self.tr("Play")
        self.play.setAccessibleName(name)
        self.play.setToolTip(self.tr("{action} (Space)").format(action=name))
        able = self.playback.playable
        self.play.setEnabled(any(able))
        whole = self._job is not None and self.playback.heard_key == self._job.id
        mixed = self.mixer.audible() if whole else ()
        self._list.show_heard(self.heard, playable=able, mixed=mixed)
        self.state_changed.emit()

    @Slot(float)
    def show_position(self, position_s: float) -> None:
        """Show a playing position, of the player or of an audition."""
        self._list.set_position(position_s)
        if self.pitch is not None:
            self.pitch.set_position(position_s)
        self.foot.show_time(position_s, known=self._job is not None)
