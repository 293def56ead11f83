"""Larger or smaller voices: the resonances of the source move, its pitch stays.

Each frame's magnitude is multiplied by its own spectral envelope, stretched, over the envelope;
phases stay. The envelope is the "true envelope" (Röbel and Rodet 2005): the cepstrally smoothed
spectrum that touches the harmonics from above, as fine as the pitch allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from engine.errors import Text
from engine.option import Option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.effects import Blocks

    Floats = NDArray[np.float32]
    Doubles = NDArray[np.float64]

WHEN = "before"

OPTIONS = (
    Option(
        name="formant_semitones",
        default=0.0,
        kind="number",
        title=Text("Formants"),
        help=Text("Below 0 the source sounds larger and darker, above smaller and brighter."),
        low=-2.0,
        high=2.0,
        step=0.1,
        unit=Text("semitones"),
        signed=True,
        scope="voice",
        flag="--formants",
        metavar="SEMITONES",
    ),
)

_SIZE = 1024
_HOP = 256
_SUM_OF_WINDOWS = 1.5
"""Of squared Hann windows a quarter of their length apart."""

_LOWEST_HZ, _HIGHEST_HZ = 50.0, 1000.0
_PERIODIC = 0.5
_FINEST, _COARSEST = 0.0045, 0.0005
"""Seconds of the cepstrum that make the envelope, at most and at least."""

_ROUNDS = 8
_MOST_GAIN = 3.0
"""As a natural logarithm: 26 dB."""


def process(blocks: Blocks, rate_hz: int, values: Mapping[str, Any]) -> Iterator[Any]:
    """Move the formants; the length and the level of each frame stay."""
    ratio = 2.0 ** (values["formant_semitones"] / 12)
    stream: _Stream | None = None
    for block in blocks:
        stream = stream or _Stream(ratio, rate_hz, block.shape[1])
        yield stream.add(block)
    if stream is not None:
        yield stream.finish()


class _Stream:
    """Frames of 64 ms that overlap by three quarters, of blocks of any length."""

    def __init__(self, ratio: float, rate_hz: int, channels: int) -> None:
        import numpy as np

        self._ratio = ratio
        self._rate_hz = rate_hz
        self._window = np.hanning(_SIZE + 1)[:-1]
        self._input = np.zeros((_SIZE - _HOP, channels))
        self._sum = np.zeros((_SIZE - _HOP, channels))
        self._owed = 0
        self._early = _SIZE - _HOP

    def add(self, block: Floats) -> Floats:
        """What is ready after float32 [n, channels], perhaps nothing."""
        self._owed += len(block)
        return self._ready(block)

    def finish(self) -> Floats:
        """The rest, so that as much comes out as went in."""
        import numpy as np

        return self._ready(np.zeros((2 * _SIZE, self._input.shape[1]), np.float32))

    def _ready(self, block: Floats) -> Floats:
        import numpy as np

        samples = np.concatenate([self._input, block])
        count = max((len(samples) - _SIZE) // _HOP + 1, 0)
        self._input = samples[count * _HOP :]
        total = np.pad(self._sum, ((0, count * _HOP), (0, 0)))
        if count:
            views = np.lib.stride_tricks.sliding_window_view(samples, _SIZE, axis=0)
            made = self._moved(views[::_HOP][:count])
            for place, frame in enumerate(made):
                total[place * _HOP : place * _HOP + _SIZE] += frame.T
        self._sum = total[count * _HOP :]
        early = min(self._early, count * _HOP)
        self._early -= early
        ready = total[early : count * _HOP][: self._owed]
        self._owed -= len(ready)
        return ready.astype(np.float32)

    def _moved(self, frames: Doubles) -> Doubles:
        """Float64 [frames, channels, size], windowed twice."""
        import numpy as np

        spectrum = np.fft.rfft(frames * self._window)
        power = spectrum.real**2 + spectrum.imag**2
        envelope = self._envelope(power)
        places = np.minimum(np.arange(power.shape[-1]) / self._ratio, power.shape[-1] - 1.0)
        low = np.minimum(places.astype(np.int64), power.shape[-1] - 2)
        part = places - low
        stretched = (1 - part) * envelope[..., low] + part * envelope[..., low + 1]
        gain = np.exp(np.clip(stretched - envelope, -_MOST_GAIN, _MOST_GAIN))
        before, after = power.sum(-1), (power * gain**2).sum(-1)
        level = np.sqrt(before / np.maximum(after, 1e-30))
        made = np.fft.irfft(spectrum * gain * level[..., None])
        windowed: Doubles = made * self._window / _SUM_OF_WINDOWS
        return windowed

    def _envelope(self, power: Doubles) -> Doubles:
        """Natural logarithm of the amplitude, [..., bins]."""
        import numpy as np

        logs = 0.5 * np.log(power + 1e-12 * power.max(-1, keepdims=True) + 1e-20)
        quefrency_s = np.arange(_SIZE // 2 + 1) / self._rate_hz
        reach_s = np.clip(0.6 * self._period_s(power), _COARSEST, _FINEST)[..., None]
        kept = np.clip((1.2 - quefrency_s / reach_s) / 0.4, 0.0, 1.0)  # fades out around it
        smooth: Doubles = np.full_like(logs, -np.inf)
        for _ in range(_ROUNDS):
            cepstrum = np.fft.irfft(np.maximum(logs, smooth))
            half = cepstrum[..., : _SIZE // 2 + 1] * kept
            mirrored = np.concatenate([half, half[..., -2:0:-1]], axis=-1)
            smooth = np.fft.rfft(mirrored).real
        return smooth

    def _period_s(self, power: Doubles) -> Doubles:
        """The period of each frame; of one without, as long as that of the lowest voice."""
        import numpy as np

        first, last = (int(self._rate_hz / hz) for hz in (_HIGHEST_HZ, _LOWEST_HZ))
        repeats = np.fft.irfft(power)[..., : last + 1]
        window = np.fft.irfft(np.abs(np.fft.rfft(self._window, 2 * _SIZE)) ** 2)[: last + 1]
        likeness = repeats / np.maximum(repeats[..., :1], 1e-30) * (window[0] / window)
        lags = likeness[..., first:]
        best = lags.max(-1, keepdims=True)
        lag = first + np.argmax(lags >= 0.9 * best, axis=-1)
        period: Doubles = np.where(best[..., 0] >= _PERIODIC, lag, last) / self._rate_hz
        return period
