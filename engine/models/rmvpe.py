"""RMVPE: a U-Net over the mel spectrogram and a GRU give each frame's pitch salience.

Network: Wei et al. 2023, "RMVPE: A Robust Model for Vocal Pitch Estimation in Polyphonic Music".
Attribute names are the keys of ``rmvpe.pt``, so that loading is strict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.mel import HALF_FFT_SAMPLES, HOP_SAMPLES, N_MELS, LogMel, reflect

N_BINS = 360
LEVELS = 5
BLOCKS = 4
INNER_LAYERS = 4
BASE_CHANNELS = 16
OUT_CHANNELS = 3
GRU_WIDTH = 256
ALIGN_FRAMES = 2**LEVELS
"""The U-Net halves time five times, so it takes multiples of 32 frames."""

LEVEL_REACH_FRAMES = 2 * BLOCKS
"""How far the 3x3 convolutions of a level reach to either side, in frames of its own scale."""

WHOLE_FRAMES = 8192
"""Up to 82 s of audio is one piece, as in the reference; longer audio is split to limit memory."""
STRETCH_FRAMES = 4096
"""Longer audio goes through the U-Net this many frames at a time, context included."""

CONTEXT_FRAMES = 640
"""Context at both ends of a stretch. The layers reach about 1,600 frames, but frames beyond 640
changed no pitch of a minute of speech by more than 0.1 cents (random weights).
"""


class _Block(nn.Module):
    """Two 3x3 convolutions with batch norm and a residual, [B, C, T, M] -> [B, C', T, M]."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_out, n_out, 3, padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )
        self.shortcut = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return torch.as_tensor(y.add_(x if self.shortcut is None else self.shortcut(x)))


def _blocks(n_in: int, n_out: int) -> nn.ModuleList:
    return nn.ModuleList(_Block(n_out if i else n_in, n_out) for i in range(BLOCKS))


def _in_stretches(
    run: Callable[[int, int], Tensor], n_frames: int, reach: int, step: int | None
) -> Tensor:
    """``run(0, n_frames)``, [B, C, T, M], a stretch of time at a time: the same numbers.

    Parameters
    ----------
    run : the output of these frames, correct except for `reach` frames at inner ends
    reach : even, so that a stretch begins and ends between two frames of the next coarser scale
    step : frames of a stretch, even; None runs the whole
    """
    if step is None or n_frames <= step:
        return run(0, n_frames)
    whole: Tensor | None = None
    for start in range(0, n_frames, step):
        stop = min(start + step, n_frames)
        low = max(start - reach, 0)
        part = run(low, min(stop + reach, n_frames))
        if whole is None:
            batch, channels, _, bands = part.shape
            whole = part.new_empty(batch, n_frames, bands, channels).permute(0, 3, 1, 2)
        whole[:, :, start:stop] = part[:, :, start - low : stop - low]
    return torch.as_tensor(whole)


class _Level(nn.Module):
    """One scale of the encoder, or one layer between encoder and decoder."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv = _blocks(n_in, n_out)
        self.stretch_frames: int | None = None

    def forward(self, x: Tensor) -> Tensor:
        def run(low: int, high: int) -> Tensor:
            y = x[:, :, low:high]
            for block in self.conv:
                y = block(y)
            return y

        return _in_stretches(run, x.shape[2], LEVEL_REACH_FRAMES, self.stretch_frames)


class _Encoder(nn.Module):
    """[B, 1, T, M] -> the output of each scale, and the pooled last one [B, 256, T/32, M/32]."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(1)
        widths = [1, *(BASE_CHANNELS << level for level in range(LEVELS))]
        self.layers = nn.ModuleList(_Level(n_in, n_out) for n_in, n_out in pairwise(widths))

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = self.bn(x)
        skips = []
        for level in self.layers:
            x = level(x)
            skips.append(x)
            x = F.avg_pool2d(x, 2)
        return x, skips


class _Intermediate(nn.Module):
    """The layers at the coarsest scale, [B, 256, T/32, M/32] -> [B, 512, T/32, M/32]."""

    def __init__(self) -> None:
        super().__init__()
        width = BASE_CHANNELS << LEVELS
        self.layers = nn.ModuleList(
            _Level(width if i else width // 2, width) for i in range(INNER_LAYERS)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _UpLevel(nn.Module):
    """One scale of the decoder: doubled time and mel, joined with the encoder's output."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.ConvTranspose2d(n_in, n_out, 3, stride=2, padding=1, output_padding=1, bias=False),
            nn.BatchNorm2d(n_out),
            nn.ReLU(inplace=True),
        )
        self.conv2 = _blocks(2 * n_out, n_out)
        self.stretch_frames: int | None = None

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        def run(low: int, high: int) -> Tensor:
            doubled = self.conv1(x[:, :, low // 2 : high // 2])
            y = torch.cat((doubled, skip[:, :, low:high]), dim=1)
            for block in self.conv2:
                y = block(y)
            return y

        # Two more: the last frame of the transposed convolution lacks its neighbour.
        reach = LEVEL_REACH_FRAMES + 2
        return _in_stretches(run, skip.shape[2], reach, self.stretch_frames)


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths = [BASE_CHANNELS << level for level in range(LEVELS, -1, -1)]
        self.layers = nn.ModuleList(_UpLevel(n_in, n_out) for n_in, n_out in pairwise(widths))

    def forward(self, x: Tensor, skips: list[Tensor]) -> Tensor:
        for level in self.layers:
            x = level(x, skips.pop())
        return x


class _UNet(nn.Module):
    """[B, 1, T, M] -> [B, 16, T, M]; T a multiple of 32."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = _Encoder()
        self.intermediate = _Intermediate()
        self.decoder = _Decoder()

    def forward(self, x: Tensor) -> Tensor:
        x, skips = self.encoder(x)
        return torch.as_tensor(self.decoder(self.intermediate(x), skips))


class _BiGru(nn.Module):
    """A GRU in each direction over frames."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(OUT_CHANNELS * N_MELS, GRU_WIDTH, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Features [1, T, 384], both states [2, 1, 256] -> output [1, T, 512], state."""
        y, last = self.gru(x, state)
        return y, last


class RmvpeNetwork(nn.Module):
    """The network whose weights ``rmvpe.pt`` holds."""

    def __init__(self) -> None:
        super().__init__()
        self.unet = _UNet()
        self.cnn = nn.Conv2d(BASE_CHANNELS, OUT_CHANNELS, 3, padding=1)
        # Checkpoint names: fc.0 is the GRU, fc.1 the linear layer behind it.
        self.fc = nn.ModuleList((_BiGru(), nn.Linear(2 * GRU_WIDTH, N_BINS)))

    def features(self, mel: Tensor) -> Tensor:
        """Log mel [128, T], T a multiple of 32 -> [1, T, 384]."""
        x = self.cnn(self.unet(mel.T[None, None]))
        return torch.as_tensor(x.transpose(1, 2).flatten(2))

    def salience(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Features [1, T, 384] -> salience [T, 360], 0..1, and the GRU's last states [2, 1, 256].

        ``state[0]`` is the forward state before the first frame, ``state[1]`` the backward state
        after the last.
        """
        y, last = self.fc[0](features, state)
        return torch.sigmoid(self.fc[1](y))[0], last

    def last_state(self, features: Tensor, state: Tensor) -> Tensor:
        """The GRU's last states alone."""
        return torch.as_tensor(self.fc[0](features, state)[1])


class Rmvpe(nn.Module):
    """From samples to pitch salience in bounded memory.

    The GRU and what follows it (`RmvpeNetwork.fc`) may lie on another device than the rest.
    """

    def __init__(self, network: RmvpeNetwork) -> None:
        super().__init__()
        self.network = network
        self.log_mel = LogMel()

    @torch.no_grad()
    def salience(self, audio: Tensor, *, whole_frames: int = WHOLE_FRAMES) -> Tensor:
        """Samples float32 [N], mono 16 kHz -> salience [N // 160 + 1, 360], 100 frames a second.

        Bin i stands for 1997.379 + 20 i cents above 10 Hz. The result is on the GRU's device.
        """
        return torch.cat(list(self.salience_pieces(audio, whole_frames=whole_frames)))

    @torch.no_grad()
    def salience_pieces(
        self,
        audio: Tensor,
        *,
        whole_frames: int = WHOLE_FRAMES,
        pause: Callable[[float], None] | None = None,
    ) -> Iterator[Tensor]:
        """`salience` piece by piece, in order.

        Parameters
        ----------
        audio : float32 [N]  mono, 16 kHz
        whole_frames : audio up to this long, a multiple of 32, is one piece and exact; longer
            audio goes through the U-Net in stretches of at most `STRETCH_FRAMES`
        pause : called before each stretch with the fraction that is done; may raise to stop

        Memory: about 76 kB for each frame of a stretch, 1.5 kB for each frame of the audio.
        With tiles (`engine.models.layout`) 30 kB instead of 76.
        """
        n_frames = audio.shape[-1] // HOP_SAMPLES + 1
        stretches: list[Tensor] = []
        done = 0
        recurrent = next(self.network.fc.parameters())
        for features in self._features(audio, n_frames, whole_frames):
            if pause is not None:
                pause(min(done / n_frames, 1.0))
            stretches.append(features.to(recurrent.device))
            done += features.shape[1]
        # Some units of a GRU never forget, so no finite look-ahead gives the backward
        # state: run from the end once and keep the state after each stretch.
        state = recurrent.new_zeros(2, 1, GRU_WIDTH)
        behind = [state]
        for features in stretches[:0:-1]:
            behind.append(self.network.last_state(features, behind[-1]))
        missing = n_frames
        for features in stretches:
            state = torch.stack((state[0], behind.pop()[1]))
            piece, state = self.network.salience(features, state)
            yield piece[:missing]
            missing -= features.shape[1]

    def _features(self, audio: Tensor, n_frames: int, whole_frames: int) -> Iterator[Tensor]:
        """The U-Net's features [1, T', 384] of one stretch after another."""
        n_aligned = n_frames + -n_frames % ALIGN_FRAMES
        step, context = min(whole_frames, STRETCH_FRAMES) - 2 * CONTEXT_FRAMES, CONTEXT_FRAMES
        if n_aligned <= whole_frames:
            step, context = n_aligned, 0
        for start in range(0, n_aligned, step):
            stop = min(start + step, n_aligned)
            low, high = max(start - context, 0), min(stop + context, n_aligned)
            mel = self._mel(audio, low, min(high, n_frames))
            features = self.network.features(reflect(mel, 0, max(high - n_frames, 0)))
            yield features[:, start - low : stop - low]

    def _mel(self, audio: Tensor, start: int, stop: int) -> Tensor:
        """Log mel [128, stop - start] of these frames; frame j is centred on sample 160 j."""
        low = start * HOP_SAMPLES - HALF_FFT_SAMPLES
        high = (stop - 1) * HOP_SAMPLES + HALF_FFT_SAMPLES
        n = audio.shape[-1]
        part = audio[max(low, 0) : min(high, n)].to(self.log_mel.window)
        return torch.as_tensor(self.log_mel(reflect(part, max(-low, 0), max(high - n, 0))))
