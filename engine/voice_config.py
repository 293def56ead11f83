"""The 18 positional values of a voice checkpoint's ``config``, checked before anything is built."""

from __future__ import annotations

from dataclasses import dataclass

LENGTH = 18
DDPN_LENGTH = 19
MOST_CHANNELS = 4096


class ConfigError(ValueError):
    """What is wrong with the list, as the cause of a sentence."""


@dataclass(frozen=True)
class ConfigList:
    """The values that decide the layers; spectrogram, segment and dropout serve training only."""

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


def parse_config(values: object) -> ConfigList:
    """Read the list; the limits lie far outside what any voice has, so nothing explodes.

    Raises
    ------
    ConfigError : wrong length, type or range, or values that contradict each other
    """
    if not isinstance(values, list | tuple):
        raise ConfigError("its config is no list of sizes")
    if len(values) == DDPN_LENGTH:
        raise ConfigError(
            "it is of the DDPN lineage (19 values in its config), which has other networks"
        )
    if len(values) != LENGTH:
        raise ConfigError(f"its config has {len(values)} values instead of {LENGTH}")
    config = ConfigList(
        inter_channels=_number(values, 2, 2, 1024),
        hidden_channels=_number(values, 3, 1, 1024),
        filter_channels=_number(values, 4, 1, 8192),
        heads=_number(values, 5, 1, 32),
        layers=_number(values, 6, 1, 32),
        kernel_size=_number(values, 7, 1, 31),
        resblock_kernel_sizes=_numbers(values[10], 10, 63),
        resblock_dilations=_dilations(values[11]),
        upsample_rates=_numbers(values[12], 12, 64),
        upsample_initial_channels=_number(values, 13, 2, MOST_CHANNELS),
        upsample_kernel_sizes=_numbers(values[14], 14, 512),
        gin_channels=_number(values, 16, 1, 1024),
        sample_rate_hz=_rate(values[17]),
    )
    _check_sense(config)
    return config


def _check_sense(config: ConfigList) -> None:
    """What single ranges cannot say."""
    rates, kernels = config.upsample_rates, config.upsample_kernel_sizes
    product = 1
    for rate in rates:
        product *= rate
    if product * 100 != config.sample_rate_hz:
        raise ConfigError(
            f"its upsample rates make {product} samples per frame, but its rate of "
            f"{config.sample_rate_hz} Hz needs {config.sample_rate_hz / 100:g}"
        )
    if len(kernels) != len(rates) or any(k < r for k, r in zip(kernels, rates, strict=True)):
        raise ConfigError("its upsample kernels do not fit its upsample rates")
    if len(config.resblock_dilations) != len(config.resblock_kernel_sizes):
        raise ConfigError("its resblock dilations do not fit its resblock kernels")
    if any(size % 2 == 0 for size in (config.kernel_size, *config.resblock_kernel_sizes)):
        raise ConfigError("its config has an even kernel size, which would shift the sound")
    if config.hidden_channels % config.heads or config.inter_channels % 2:
        raise ConfigError("its channels cannot be divided among the attention heads or halves")
    if config.upsample_initial_channels % (1 << len(rates)):
        raise ConfigError("its vocoder's channels cannot be halved at every upsampling")


def _number(values: list[object] | tuple[object, ...], place: int, least: int, most: int) -> int:
    value = values[place]
    if type(value) is not int or not least <= value <= most:
        raise ConfigError(f"value {place} of its config is no number from {least} to {most}")
    return value


def _numbers(value: object, place: int, most: int) -> tuple[int, ...]:
    """One to eight numbers."""
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= 8:
        raise ConfigError(f"value {place} of its config is no list of sizes")
    if any(type(item) is not int or not 1 <= item <= most for item in value):
        raise ConfigError(f"value {place} of its config holds no number from 1 to {most}")
    return tuple(value)


def _dilations(value: object) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, list | tuple) and 1 <= len(value) <= 8:
        return tuple(_numbers(row, 11, 64) for row in value)
    raise ConfigError("value 11 of its config is no list of dilations")


def _rate(value: object) -> int:
    """Hz; some trainers wrote ``"40k"``."""
    named = {"32k": 32000, "40k": 40000, "48k": 48000}
    if isinstance(value, str) and value in named:
        return named[value]
    if type(value) is int and 8000 <= value <= 96000:
        return value
    raise ConfigError("value 17 of its config is no sample rate from 8000 to 96000 Hz")
