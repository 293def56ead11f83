"""The figures of a benchmark for people, for programs, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from engine import device as devices
from engine.device import DeviceName
from engine.errors import OptionError, OutputFileError
from engine.measure.benchmark import (
    BASELINE,
    IN_HALF,
    STAGES_NOT_COUNTED,
    TOGETHER,
    Job,
    Measurement,
)
from engine.stages import STAGES

_CHART_WIDTH, _ROW_HEIGHT, _BAR_HEIGHT = 1200, 56, 30
_MARGIN, _NAME_WIDTH, _FIGURES_WIDTH, _TITLE_HEIGHT, _LEGEND_HEIGHT = 32, 230, 250, 76, 52
_TITLE_SIZE, _TEXT_SIZE = 24, 18
_PAPER, _INK, _FAINT = "#ffffff", "#1d1d1f", "#6e6e73"
_STAGE_COLOURS = {
    stage.name: f"hsv({stage.hue},{stage.saturation:.0%},80%)" for stage in STAGES if stage.counted
}


def as_table(measured: Sequence[Measurement]) -> str:
    """A table that a person can read."""
    stages = _stages(measured)
    rows = [["", "seconds", "x realtime", "speed-up", "memory", "same as baseline", *stages]]
    rows += [_table_row(each, stages) for each in measured]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _table_row(each: Measurement, stages: Sequence[str]) -> list[str]:
    return [
        each.name,
        f"{each.seconds:.2f}",
        f"{each.realtime:.2f}",
        f"{each.speed_up:.2f}",
        f"{each.peak_memory_bytes / 1e9:.2f} GB",
        _sameness(each),
        *(f"{each.stage_s.get(stage, 0.0):.2f}" for stage in stages),
    ]


def _stages(measured: Sequence[Measurement]) -> list[str]:
    return [stage for stage in measured[0].stage_s if stage not in STAGES_NOT_COUNTED]


def _sameness(each: Measurement) -> str:
    if each.name == BASELINE:
        return "-"
    return "identical" if each.difference_db is None else f"{each.difference_db:.1f} dB"


def as_json(measured: Sequence[Measurement], job: Job, device: DeviceName) -> dict[str, Any]:
    """Everything, for a program, or for the table of the README."""
    chosen = devices.choose_device(device)
    return {
        "machine": devices.describe(chosen),
        "device": chosen.type,
        "seconds_of_sound": job.seconds,
        "voice": "starter" if job.voice is None else job.voice.name,
        "measurements": [asdict(each) for each in measured],
    }


def readme_rows(told: dict[str, Any]) -> str:
    """The lines of this machine in the table in the README, from what `as_json` tells.

    Columns: machine, sound and voice, flags, seconds of the baseline and with them, x realtime,
    speed-up, peak memory of both, difference in dB.
    """
    plain = next(each for each in told["measurements"] if each["name"] == BASELINE)
    fast = [each for each in told["measurements"] if each["name"] in (TOGETHER, IN_HALF)]
    return "\n".join(_readme_row(told, plain, each) for each in fast)


def _readme_row(told: dict[str, Any], plain: dict[str, Any], fast: dict[str, Any]) -> str:
    cells = [
        told["machine"],
        f"{told['seconds_of_sound']:g} s, {told['voice']}",
        fast["name"],
        f"{plain['seconds']:.1f} s",
        f"{fast['seconds']:.1f} s",
        f"{fast['realtime']:.1f} ×",
        f"{fast['speed_up']:.2f} ×",
        f"{plain['peak_memory_bytes'] / 1e9:.2f} → {fast['peak_memory_bytes'] / 1e9:.2f} GB",
        "identical" if fast["difference_db"] is None else f"{fast['difference_db']:.0f} dB",
    ]
    return f"| {' | '.join(cells)} |"


def draw_chart(path: Path, told: dict[str, Any]) -> None:
    """A bar for each configuration, made up of its stages, as a PNG.

    Raises
    ------
    OptionError : Pillow, which draws it, is not installed
    OutputFileError : the file cannot be written
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError as error:
        raise OptionError(
            "Cannot draw the chart", "Pillow is not installed", "use --save, which needs none"
        ) from error
    measured = told["measurements"]
    height = _TITLE_HEIGHT + _ROW_HEIGHT * len(measured) + _LEGEND_HEIGHT
    image = Image.new("RGB", (_CHART_WIDTH, height), _PAPER)
    canvas = ImageDraw.Draw(image)
    title, text = ImageFont.load_default(_TITLE_SIZE), ImageFont.load_default(_TEXT_SIZE)
    heading = f"{told['machine']}: {told['seconds_of_sound']:g} s of sound"
    canvas.text((_MARGIN, 24), heading, _INK, title)
    longest_s = max(each["seconds"] for each in measured)
    for row, each in enumerate(measured):
        middle = _TITLE_HEIGHT + _ROW_HEIGHT * row + _ROW_HEIGHT // 2
        canvas.text((_MARGIN, middle), each["name"], _INK, text, anchor="lm")
        end = _MARGIN + _NAME_WIDTH
        for left, right, colour in _bars(each["stage_s"], longest_s):
            box = (left, middle - _BAR_HEIGHT // 2, right, middle + _BAR_HEIGHT // 2)
            canvas.rectangle(box, colour)
            end = right
        figures = f"{each['seconds']:.1f} s   {each['speed_up']:.2f} x   "
        figures += f"{each['peak_memory_bytes'] / 1e9:.2f} GB"
        canvas.text((end + 12, middle), figures, _FAINT, text, anchor="lm")
    left = _MARGIN
    for stage, colour in _STAGE_COLOURS.items():
        at = height - _LEGEND_HEIGHT // 2
        canvas.rectangle((left, at - 7, left + 14, at + 7), colour)
        canvas.text((left + 22, at), stage, _FAINT, text, anchor="lm")
        left += 22 + round(canvas.textlength(stage, text)) + 26
    try:
        image.save(path, "PNG")
    except OSError as error:
        raise OutputFileError(
            f'Cannot write "{path.name}"', error.strerror or str(error), "choose another place"
        ) from error


def _bars(stage_s: dict[str, float], longest_s: float) -> list[tuple[int, int, str]]:
    """Left, right and colour of the stretch of each stage, one after the other."""
    per_second = (_CHART_WIDTH - 2 * _MARGIN - _NAME_WIDTH - _FIGURES_WIDTH) / longest_s
    bars, spent_s, start = [], 0.0, _MARGIN + _NAME_WIDTH
    for stage, colour in _STAGE_COLOURS.items():
        seconds = stage_s.get(stage, 0.0)
        left, right = (round(start + at * per_second) for at in (spent_s, spent_s + seconds))
        if right > left:
            bars.append((left, right - 1, colour))
        spent_s += seconds
    return bars
