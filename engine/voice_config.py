"""The 18 positional values of a voice's ``config``, checked one by one."""

from __future__ import annotations

import math
from dataclasses import dataclass

from engine.errors import Message, Text
from engine.voice_record import is_simple

MAX_CHANNELS = 4096
UNDAMAGED = "ask its author for an undamaged copy, or choose another voice"

_LENGTH = 18
_DDPN_LENGTH = 19
_NAMED_RATES_HZ = {"32k": 32000, "40k": 40000, "48k": 48000}


class UnfitError(Exception):
    """Why a voice cannot be used, and what to do."""

    def __init__(self, why: Message, advice: Message = UNDAMAGED) -> None:
        super().__init__(why)
        self.why = why
        self.advice = advice


@dataclass(frozen=True)
class VoiceConfig:
    """The values of ``config`` that decide the layers; the others serve training only."""

    inter_channels: int
    hidden_channels: int
    filter_channels: int
    heads: int
    layers: int
    kernel_size: int
    resblock_kernel_sizes: tuple[int, ...]
    resblock_dilations: tuple[tuple[int, ...], ...]
    upsample_rates: tuple[int, ...]
    upsample_initial_channels: int
    upsample_kernel_sizes: tuple[int, ...]
    gin_channels: int
    sample_rate_hz: int


def parse_config(values: object) -> VoiceConfig:
    """Check the 18 positional values; the limits lie far outside of what any voice has."""
    if not isinstance(values, list | tuple):
        raise UnfitError("its config must be a list of sizes")
    if len(values) == _DDPN_LENGTH:
        raise UnfitError("it is a DDPN voice (config of 19 values), which needs other networks")
    if len(values) != _LENGTH:
        raise UnfitError(
            Text(
                "its config has {found} values instead of {expected}",
                found=len(values),
                expected=_LENGTH,
            )
        )
    for place in (0, 1, 8, 9, 15):
        value = values[place]
        simple = is_simple(value) and (not isinstance(value, str) or len(value) <= 100)
        if value is not None and not simple:
            raise UnfitError(Text("value {place} of its config must be a number", place=place))
    config = VoiceConfig(
        inter_channels=_number(values[2], 2, 2, 1024),
        hidden_channels=_number(values[3], 3, 1, 1024),
        filter_channels=_number(values[4], 4, 1, 8192),
        heads=_number(values[5], 5, 1, 32),
        layers=_number(values[6], 6, 1, 32),
        kernel_size=_number(values[7], 7, 1, 31),
        resblock_kernel_sizes=_numbers(values[10], 10, 63),
        resblock_dilations=_dilations(values[11]),
        upsample_rates=_numbers(values[12], 12, 64),
        upsample_initial_channels=_number(values[13], 13, 2, MAX_CHANNELS),
        upsample_kernel_sizes=_numbers(values[14], 14, 512),
        gin_channels=_number(values[16], 16, 1, 1024),
        sample_rate_hz=_rate_hz(values[17]),
    )
    _check_consistency(config)
    return config


def _check_consistency(config: VoiceConfig) -> None:
    rates, kernels = config.upsample_rates, config.upsample_kernel_sizes
    hop_samples = math.prod(rates)
    if hop_samples * 100 != config.sample_rate_hz:
        raise UnfitError(
            Text(
                "its config has upsample rates that give {found} samples per frame, but the sample "
                "rate of {rate_hz} Hz needs {expected}",
                found=hop_samples,
                rate_hz=config.sample_rate_hz,
                expected=f"{config.sample_rate_hz / 100:g}",
            )
        )
    if len(kernels) != len(rates) or any(k < r for k, r in zip(kernels, rates, strict=True)):
        raise UnfitError("its config has upsample kernels that do not fit the upsample rates")
    if len(config.resblock_dilations) != len(config.resblock_kernel_sizes):
        raise UnfitError("its config has resblock dilations that do not fit the resblock kernels")
    if any(size % 2 == 0 for size in (config.kernel_size, *config.resblock_kernel_sizes)):
        raise UnfitError("its config has an even kernel size, which would shift the sound")
    if config.hidden_channels % config.heads or config.inter_channels % 2:
        raise UnfitError("its config has channels that cannot be divided into heads and halves")
    if config.upsample_initial_channels % (1 << len(rates)):
        raise UnfitError("its config has vocoder channels that cannot be halved at every stage")


def _number(value: object, place: int, low: int, high: int) -> int:
    if type(value) is int and low <= value <= high:
        return value
    raise UnfitError(
        Text(
            "value {place} of its config must be a number from {low} to {high}",
            place=place,
            low=low,
            high=high,
        )
    )


def _numbers(value: object, place: int, high: int) -> tuple[int, ...]:
    """One to eight numbers."""
    if isinstance(value, list | tuple) and 1 <= len(value) <= 8:
        return tuple(_number(item, place, 1, high) for item in value)
    raise UnfitError(Text("value {place} of its config must be a list of sizes", place=place))


def _dilations(value: object) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, list | tuple) and 1 <= len(value) <= 8:
        return tuple(_numbers(row, 11, 64) for row in value)
    raise UnfitError("value 11 of its config must be a list of lists of dilations")


def _rate_hz(value: object) -> int:
    """Some trainers wrote ``"40k"``."""
    named = _NAMED_RATES_HZ.get(value) if isinstance(value, str) else value
    return _number(named, 17, 8000, 96000)
