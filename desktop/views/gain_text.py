"""What tuning found, in words."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale, Qt

from desktop.settings import OPTIMIZATION_TEXT, text
from engine.measure.tuning import Tuning, TuningProgress
from engine.measure.tuning.figure import Gain

_SEEN = 0.005
"""Half a percent is nothing."""


def _tr(source: str) -> str:
    return QCoreApplication.translate("gain_text", source)


def gain_text(gain: Gain) -> str:
    """``38 % faster · 118 dB``, or why a flag is not used."""
    if gain.used or gain.reason == "left as it is":
        return " · ".join(part for part in (_speed(gain.gain), _level(gain.difference_db)) if part)
    level = _level(gain.difference_db)
    return {
        "slower": _tr("not used: {speed}").format(speed=_speed(gain.gain)),
        "no gain": _tr("not used: {speed}").format(speed=_speed(gain.gain)),
        "unclear": _tr("not used: no clear gain"),
        "other sound": _tr("not used: the sound would differ ({level})").format(level=level),
        "failed": _tr("not used: it fails on this machine"),
    }.get(gain.reason, _speed(gain.gain))


def _speed(gain: float | None) -> str:
    if gain is None:
        return _tr("not timed")
    if abs(gain) < _SEEN:
        return _tr("as fast")
    if gain > 0:
        return _tr("{percent} % faster").format(percent=f"{gain * 100:.0f}")
    return _tr("{percent} % slower").format(percent=f"{-gain * 100:.0f}")


def _level(difference_db: float | None) -> str:
    if difference_db is None:
        return _tr("identical sound")
    return f"{difference_db:.0f} dB"


def tuned_text(tuning: Tuning) -> str:
    """On which machine, when and with what it was measured."""
    when = QDateTime.fromString(tuning.when, Qt.DateFormat.ISODate).toLocalTime()
    day = QLocale().toString(when.date(), QLocale.FormatType.LongFormat)
    if tuning.voice == "synthetic":
        return _tr("Measured on {machine}, {day}, with full-size random networks.").format(
            machine=tuning.device, day=day
        )
    return _tr("Measured on {machine}, {day}, with the voice “{voice}”.").format(
        machine=tuning.device, day=day, voice=tuning.voice
    )


def progress_text(progress: TuningProgress) -> str:
    """What is being measured, and how long it may still take."""
    doing = {
        "prepare": _tr("Preparing…"),
        "examine": _tr("Comparing the device with the processor…"),
    }.get(progress.doing)
    if doing is None:
        label = OPTIMIZATION_TEXT.get(progress.doing, (progress.doing, ""))[0]
        doing = _tr("Measuring: {flag}").format(flag=text(label))
    if progress.remaining_s is None:
        return doing
    minutes = max(1, round(progress.remaining_s / 60))
    return doing + "  ·  " + _tr("about {minutes} min left").format(minutes=minutes)
