"""What is heard: which lane, from where, and in which loop; no widget knows the player."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from desktop.listen.lane import SOURCE, Lane, lanes_of
from desktop.listen.lane_sounds import LaneSounds
from desktop.listen.stretch import Stretch
from engine.cover.options import Part

if TYPE_CHECKING:
    from desktop.listen.feeder import PlayedFile
    from desktop.listen.mixer import Weights
    from desktop.listen.player import Player


class Playback(QObject):
    """Plays one lane at a time; the player is made when the first job is shown.

    Parameters
    ----------
    sounds : of the lanes
    mix : factors of the parts that are heard instead of a take's file; None plays the file
    make_player : replaced in tests

    Attributes
    ----------
    player : None until it is needed
    heard_key : key of the lane that is heard
    loop : the stretch that is repeated; None plays on

    Signals
    -------
    begins : the user starts playing
    moved : (seconds)
    state_changed : it plays, or does not any more
    problem : (sentence) why there is nothing to be heard; "" where that is over
    loop_changed : another stretch is repeated, or none is any more
    """

    begins = Signal()
    moved = Signal(float)
    state_changed = Signal()
    problem = Signal(str)
    loop_changed = Signal()

    def __init__(
        self,
        sounds: LaneSounds,
        mix: Callable[[], Mapping[Part, float] | None],
        make_player: Callable[[], Player] | None,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._sounds = sounds
        self._mix = mix
        self.make_player = make_player
        self.player: Player | None = None
        self._take = ""
        self._volume = 1.0
        self._lanes: Sequence[Lane] = ()
        self.heard_key, self._before_key = SOURCE, SOURCE
        self.loop: Stretch | None = None
        self.set_lanes(lanes_of(None, ()), "")

    @property
    def lanes(self) -> Sequence[Lane]:
        """The lanes, from top to bottom."""
        return self._lanes

    @property
    def heard(self) -> int:
        """Number of the lane that is heard."""
        keys = [lane.key for lane in self._lanes]
        return keys.index(self.heard_key) if self.heard_key in keys else 0

    @property
    def is_playing(self) -> bool:
        """Whether sound is playing or about to."""
        return self.player is not None and self.player.is_playing

    @property
    def position_s(self) -> float:
        """The playing position."""
        return self.player.position_s if self.player is not None else 0.0

    @property
    def playable(self) -> list[bool]:
        """For each lane whether it can be heard."""
        return [self._sounds.playable(number) for number in range(len(self._lanes))]

    def set_lanes(self, lanes: Sequence[Lane], take: str) -> None:
        """Take other lanes; `load` or `go_on` lets them be heard.

        Parameters
        ----------
        take : key of the take that is shown
        """
        self._lanes, self._take = lanes, take
        self._sounds.set_lanes(lanes)

    def hear(self, key: str) -> None:
        """Choose what is heard; the source where that has no sound."""
        lane = next((each for each in self._lanes if each.key == key), None)
        key = key if lane is not None and lane.file is not None else SOURCE
        if key != self.heard_key:
            self._before_key, self.heard_key = self.heard_key, key

    def load(self, place_s: float) -> None:
        """Begin with other lanes, without a loop."""
        self.loop = None
        if self.player is None:
            if not self._take:
                return
            self.player = self._made_player()
        self.player.load(*self._played())
        self.player.seek(place_s)
        self._sounds.read(self.heard)

    def go_on(self) -> None:
        """Whatever changed is heard from now on, at the same instant."""
        if self.player is not None:
            self.player.change(*self._played())
            self._sounds.read(self.heard)

    def toggle(self) -> None:
        """Play or pause."""
        if self.player is not None:
            if not self.player.is_playing:
                self.begins.emit()
            self.player.toggle()

    def pause(self) -> None:
        """Pause."""
        if self.player is not None:
            self.player.pause()

    @Slot(float)
    def seek(self, position_s: float) -> None:
        """Go to a place; one beside the loop ends it."""
        loop = self.loop
        if loop is not None and not loop[0] <= position_s < loop[1]:
            self.set_loop(None)
        if self.player is not None:
            self.player.seek(position_s)

    def seek_by(self, seconds: float) -> None:
        """Move back (negative) or forth, within the loop if there is one."""
        if self.player is not None:
            place_s = self.player.position_s + seconds
            low_s, high_s = self.loop or (0.0, self._sounds.length_s or place_s)
            self.player.seek(min(max(low_s, place_s), high_s))

    @Slot(object)
    def set_loop(self, stretch: Stretch | None) -> None:
        """Repeat a stretch; None plays on."""
        self.loop = stretch
        if self.player is not None:
            self.player.set_loop(stretch)
        self.loop_changed.emit()

    def loop_from_here(self) -> None:
        """Repeat from the playing position to where the loop ends now, or to the end."""
        start_s, length_s = self.position_s, self._sounds.length_s
        stop_s = length_s if self.loop is None else self.loop[1]
        if start_s < length_s:
            self.set_loop((start_s, stop_s if start_s < stop_s else length_s))

    def loop_to_here(self) -> None:
        """Repeat up to the playing position, from where the loop begins now, or the beginning."""
        start_s = 0.0 if self.loop is None else self.loop[0]
        stop_s = self.position_s
        if stop_s > 0:
            self.set_loop((start_s if start_s < stop_s else 0.0, stop_s))

    def next_lane(self, by: int) -> int | None:
        """Number of the next lane below (1) or above (-1) that can be heard."""
        able = self.playable
        number = self.heard + by
        while 0 <= number < len(able):
            if able[number]:
                return number
            number += by
        return None

    def lane_before(self) -> int:
        """Number of the lane that was heard before; of another one, if there is no such lane."""
        able, keys = self.playable, [lane.key for lane in self._lanes]
        before = keys.index(self._before_key) if self._before_key in keys else -1
        if before >= 0 and before != self.heard and able[before]:
            return before
        return next((k for k in range(len(keys)) if k != self.heard and able[k]), self.heard)

    def set_volume(self, factor: float) -> None:
        """Play louder or softer; 1 is as it is."""
        self._volume = factor
        if self.player is not None:
            self.player.set_volume(factor)

    def close(self) -> None:
        """Stop, and end the threads."""
        if self.player is not None:
            self.player.close()
        self._sounds.close()

    def _played(self) -> tuple[list[PlayedFile], Weights]:
        return self._sounds.played(self.heard, self._take, self._mix())

    def _made_player(self) -> Player:
        from desktop.listen.player import Player

        player = (self.make_player or Player)()
        player.setParent(self)
        player.set_volume(self._volume)
        player.moved.connect(self.moved)
        player.state_changed.connect(self.state_changed)
        player.problem.connect(self.problem)
        return player
