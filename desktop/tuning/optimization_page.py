"""How the engine works: every flag, what it gains on this machine, presets and tuning."""

from __future__ import annotations

import dataclasses
import sys
from functools import partial

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale, Qt, QTimer, Slot
from PySide6.QtWidgets import QHBoxLayout, QMenu, QProgressBar, QPushButton, QVBoxLayout, QWidget

from desktop.queue.job_text import clock
from desktop.settings.page import TablePage, caption
from desktop.settings.store import Settings
from desktop.settings.table import OPTIMIZATION_PREFIX, SETTINGS
from desktop.translation import translate
from desktop.tuning.tuning_run import TuningRun
from engine.measure.tuning_record import Gain, Tuning, TuningProgress, TuningRecord
from engine.optimization import FLAGS, OptimizationConfig

_SEEN = 0.005
"""Smaller differences do not count."""


def _tr(source: str) -> str:
    return QCoreApplication.translate("gain_text", source)


def gain_text(gain: Gain) -> str:
    """``38 % faster · 118 dB``, or why a flag is not used."""
    if gain.used or gain.reason == "measured only":
        return " · ".join(part for part in (_speed(gain.gain), _level(gain.difference_db)) if part)
    level = _level(gain.difference_db)
    return {
        "slower": _tr("not used: {speed}").format(speed=_speed(gain.gain)),
        "no gain": _tr("not used: {speed}").format(speed=_speed(gain.gain)),
        "unclear": _tr("not used: no clear gain"),
        "different sound": _tr("not used: the sound would differ ({level})").format(level=level),
        "failed": _tr("not used: it fails on this machine"),
    }.get(gain.reason, _speed(gain.gain))


def _speed(gain: float | None) -> str:
    if gain is None:
        return _tr("not timed")
    if abs(gain) < _SEEN:
        return _tr("same speed")
    if gain > 0:
        return _tr("{percent} % faster").format(percent=f"{gain * 100:.0f}")
    return _tr("{percent} % slower").format(percent=f"{-gain * 100:.0f}")


def _level(difference_db: float | None) -> str:
    if difference_db is None:
        return _tr("identical sound")
    return f"{difference_db:.0f} dB"


def _tuned_text(tuning: Tuning) -> str:
    """On which machine, when and with which voice it was measured."""
    when = QDateTime.fromString(tuning.when, Qt.DateFormat.ISODate).toLocalTime()
    day = QLocale().toString(when.date(), QLocale.FormatType.LongFormat)
    if tuning.voice == "synthetic":
        return _tr("Measured on {machine}, {day}, with full-size random networks.").format(
            machine=tuning.device, day=day
        )
    return _tr("Measured on {machine}, {day}, with the voice “{voice}”.").format(
        machine=tuning.device, day=day, voice=tuning.voice
    )


def _progress_text(progress: TuningProgress, elapsed_s: float) -> str:
    """What is being measured, since when, and the remaining time."""
    doing = {
        "prepare": _tr("Preparing a test sound and networks…"),
        "examine": _tr("Comparing the device with the CPU…"),
        "check": _tr("Converting the test sound for comparison…"),
    }.get(progress.doing)
    if doing is None:
        doing = _tr("Measuring: {flag}").format(flag=_tried(progress))
    since = _tr("{time} so far").format(time=clock(elapsed_s))
    left = _tr("usually takes a few minutes")
    if progress.remaining_s is not None:
        minutes = max(1, round(progress.remaining_s / 60))
        left = _tr("about {minutes} min left").format(minutes=minutes)
    return f"{doing}  ·  {since}  ·  {left}"


def _tried(progress: TuningProgress) -> str:
    """The flag that is measured, and the value that is tried."""
    flag = next((each for each in FLAGS if each.name == progress.doing), None)
    if flag is None or progress.value is None:
        return progress.doing if flag is None else translate(flag.title)
    value = translate(flag.shown(progress.value))
    return _tr("{flag} ({value})").format(flag=translate(flag.title), value=value)


_LOOK_EVERY_MS = 500


class TuningPanel(QWidget):
    """A button, a line of text, and a progress bar while it runs.

    Parameters
    ----------
    run : the tuning run; it may be active already
    """

    def __init__(self, run: TuningRun, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = run
        run.changed.connect(self.show_state)
        self._look = QTimer(self, interval=_LOOK_EVERY_MS)
        self._look.timeout.connect(self._show_progress)
        mac = sys.platform == "darwin"
        self.button = QPushButton(
            self.tr("Tune for This Mac") if mac else self.tr("Tune for This Computer")
        )
        self.button.clicked.connect(run.start)
        self.cancel_button = QPushButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(run.cancel)
        self.bar = QProgressBar(maximum=1000, textVisible=False)
        self.bar.setAccessibleName(self.tr("Progress of the measurement"))
        self.status = caption("")
        self.buttons = QHBoxLayout()
        for widget in (self.button, self.cancel_button):
            self.buttons.addWidget(widget)
        self.buttons.addWidget(self.bar, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(self.buttons)
        column.addWidget(self.status)
        self.show_state()

    @Slot()
    def show_state(self) -> None:
        """Show the saved tuning, or the progress."""
        running = self._run.is_running
        self.button.setVisible(not running)
        self.cancel_button.setVisible(running)
        self.bar.setVisible(running)
        if running:
            self._look.start()
            self._show_progress()
        else:
            self._look.stop()
            self.status.setText(" ".join(part for part in (self._said(), self._kept()) if part))

    def _said(self) -> str:
        """How the last run ended, unless it finished."""
        return {
            "busy": self.tr(
                "A conversion is running or waiting and would distort the measurement. Tune when "
                "the queue is done."
            ),
            "gave way": self.tr("Stopped because a conversion started; nothing was changed."),
            "cancelled": self.tr("Cancelled; nothing was changed."),
            "failed": self._run.failure,
        }.get(self._run.last, "")

    def _kept(self) -> str:
        record = TuningRecord()
        latest = record.latest()
        if latest is None:
            return self.tr(
                "Not measured yet: the usual settings are in use. Tuning takes a few minutes and "
                "can be cancelled."
            )
        device, tuning = latest
        changed = record.stale(device)
        if changed is None:
            return _tuned_text(tuning)
        return self.tr(
            "Out of date: measured before {change}, so it is no longer used. Tune again."
        ).format(change=changed)

    @Slot()
    def _show_progress(self) -> None:
        progress = self._run.progress
        if progress is not None:
            self.bar.setValue(round(progress.fraction * 1000))
            self.status.setText(_progress_text(progress, self._run.elapsed_s))


class OptimizationPage(TablePage):
    """Flags overridden by an environment variable are not changed by presets.

    Parameters
    ----------
    run : the tuning run; None creates one
    """

    def __init__(self, settings: Settings, run: TuningRun | None = None) -> None:
        super().__init__(
            settings,
            "optimization",
            self.tr(
                "How the engine works on this machine. Changes apply to the next conversion; "
                "the sound stays the same unless the help says otherwise."
            ),
        )
        self.presets = QMenu(self)
        self.presets.addAction(self.tr("Best for this machine")).triggered.connect(
            lambda: settings.reset_page("optimization")
        )
        self.presets.addSeparator()
        for name, preset in (
            (self.tr("Apple silicon (Metal)"), OptimizationConfig.for_apple_silicon()),
            (self.tr("NVIDIA GPU (CUDA)"), OptimizationConfig.for_nvidia_gpu()),
            (self.tr("CPU only"), OptimizationConfig.for_cpu()),
            (self.tr("Everything off"), OptimizationConfig.baseline()),
        ):
            self.presets.addAction(name).triggered.connect(partial(self._apply_preset, preset))
        button = QPushButton(self.tr("Presets"))
        button.setMenu(self.presets)
        run = run or TuningRun(settings, parent=self)
        self.tuning = TuningPanel(run)
        self.tuning.buttons.insertWidget(2, button)
        self.tuning.buttons.addStretch(1)
        run.tuned.connect(self._show_gains)
        self.column.insertWidget(1, self.tuning)
        self._show_gains()

    @Slot()
    def _show_gains(self) -> None:
        record = TuningRecord()
        latest = record.latest()
        if latest is None:
            return
        device, tuning = latest
        gains = tuning.gains(dataclasses.asdict(OptimizationConfig.baseline()))
        stale = record.stale(device) is not None
        for key, row in self.rows.items():
            gain = gains.get(key.removeprefix(OPTIMIZATION_PREFIX))
            words = "" if gain is None else gain_text(gain)
            pattern = self.tr("Measured before: {gain}") if stale else self.tr("Measured: {gain}")
            row.show_measured(pattern.format(gain=words) if words else "")

    def _apply_preset(self, preset: OptimizationConfig, _checked: object = None) -> None:
        chosen = {
            OPTIMIZATION_PREFIX + name: value for name, value in dataclasses.asdict(preset).items()
        }
        for setting in SETTINGS:
            if setting.key in chosen:
                self._settings.set(setting, chosen[setting.key])
